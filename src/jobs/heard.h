/* jobs/heard.h: what a node remembers of what it has heard: bumps, and nodes. And how messages between nodes are
 * written. Plain data: nothing here waits or asks.
 */
#ifndef JOBS_HEARD_H
#define JOBS_HEARD_H

#include "base/str.h"
#include "base/uuid.h"

#include <stdbool.h>
#include <stdint.h>

/* ---- messages ---- */

/* What comes through the channel: 8 bytes of a bump's number (big-endian, 0: not known) and what it moved; or a beat,
 * which says only that its node can be heard: UINT64_MAX, the node, 8 bytes of its clock. */
struct news {
    bool beat;
    int64_t number;
    struct str what; /* part of the message */
    struct uuid node;
    int64_t sent; /* monotonic microseconds of that node */
};

#define BEAT_BYTES 32
void beat_write(char out[BEAT_BYTES], const struct uuid *node, int64_t sent);
/* False: it is neither. */
bool news_read(struct str message, struct news *out);

/* ---- bumps ---- */

#define HEARD_BUMPS 65536u

/* The last bumps heard, by number; of two with one place the later. A number alone would not do: a database that was
 * failed over may give some of them out a second time. Zeroed is empty. */
struct heard {
    uint64_t digests[HEARD_BUMPS];
};

/* Notes the bump. False when it is noted already. What has no number is always new. */
bool heard_first(struct heard *h, int64_t number, struct str what);

/* ---- nodes ---- */

#define NODES_MAX 256
#define NODE_KEPT 5000000 /* microseconds that a node counts after its last beat */

/* Zeroed is empty. */
struct nodes {
    int n;
    struct {
        struct uuid id;
        int64_t at;
    } seen[NODES_MAX];
};

void nodes_heard(struct nodes *ns, const struct uuid *id, int64_t now);
/* How many there are: at least 1. steady: the channel has been heard for NODE_KEPT, so that who was silent is left
 * out; otherwise it may be us who was deaf, and nobody is. */
int nodes_count(struct nodes *ns, bool steady, int64_t now);

#endif
