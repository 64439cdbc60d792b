/* store/pool.h: one pool of connections, and the asks that wait for one of them. A lane without any connection fails
 * its asks at once, unless it may have one within the second, or within three where it has had none yet.
 */
#ifndef STORE_POOL_H
#define STORE_POOL_H

#include "link.h"

#define POOL_QUEUE 1024 /* asks that wait, beyond those that the connections have room for */

struct pool {
    struct postgres *pg;
    enum lane id;
    struct lane_size size;
    struct link *links;      /* size.most */
    int in[LINK_STATES];     /* how many of them are in each state */
    struct list queue;
    int queued;
    int64_t limit;           /* microseconds from ask to answer */
    char options_text[200];
    const char *options;     /* of its sessions; NULL behind a pooler */
    bool met;                /* a connection has been ready */
    int64_t hope;            /* until then asks wait for a connection */
    int64_t grow_at;         /* no further connection before */
    int64_t said;            /* when the log was told that it is down, 0 while it is up */
    int64_t complained;      /* when the log was told of a single connection */
};

/* ERR_NO_MEMORY. */
enum err pool_init(struct pool *p, enum lane id, struct postgres *pg) CHECKED;
/* Opens n of those that are kept open, from the first on. */
void pool_open(struct pool *p, int first, int n);
/* Answers everything, ends the connections. */
void pool_close(struct pool *p);
void pool_fini(struct pool *p);

/* Takes an ask, which is sent at the end of the turn; false when too many wait. */
bool pool_take(struct pool *p, struct job *job);
/* The end of the turn: sends what waits, as far as there is room, and opens a connection when there is not. */
void pool_send(struct pool *p);
void pool_tick(struct pool *p, int64_t now);
struct lane_health pool_look(const struct pool *p);
/* Nothing is open nor coming: only an ask opens a connection. */
bool pool_asleep(const struct pool *p);

/* ---- told by the links ---- */

void pool_count(struct pool *p, enum link_state from, enum link_state to);
/* One is ready. */
void pool_ready(struct pool *p);
/* The database answers again: asks wait for a connection once more, and the next try of each is now. */
void pool_expect(struct pool *p);
/* One failed: was_ready: it had been of use, and asks failed with it. */
void pool_failed(struct pool *p, bool was_ready, int asks, const char *why);
/* Takes asks back, to be sent again before the others. */
void pool_again(struct pool *p, struct list *jobs);
/* Whether that link is one of those that are kept, so that it is tried again. */
bool pool_wants(const struct pool *p, const struct link *k);
/* Whether more are ready than are kept. */
bool pool_spares(const struct pool *p);

#endif
