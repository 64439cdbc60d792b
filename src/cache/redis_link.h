/* cache/redis_link.h: one connection to a Redis: name looked up, connected, bytes out, answers in. What is said on it
 * is its owner's. Embedded in its owner; a closed one can be opened again. Loop thread only.
 */
#ifndef CACHE_REDIS_LINK_H
#define CACHE_REDIS_LINK_H

#include "base/str.h"
#include "net/wheel.h"
#include "redis_url.h"
#include "reply.h"

#include <stdbool.h>

enum link_state { LINK_CLOSED, LINK_RESOLVING, LINK_CONNECTING, LINK_OPEN };

struct lookup;
struct link {
    /* Set once by the owner. Each may close the link; closed() may open it again. */
    void (*opened)(struct link *l);
    void (*answered)(struct link *l, struct redis_block *b); /* b is the owner's then */
    void (*closed)(struct link *l, const char *why); /* by itself, not by redis_link_close */

    enum link_state state;
    struct redis_place place;
    int attempt; /* of a name with several addresses each is tried in turn */
    struct lookup *lookup;
    struct deadline patience; /* until redis_link_settled */
    int fd;
    struct poll *poll;
    struct reader *reader;
    struct reader *spent; /* of a link that was closed while it read */
    bool reading;
    bool full; /* the socket takes no more: it is watched until it does */
    char *out;
    size_t out_at, out_n, out_cap; /* what is to be written begins at out_at and ends before out_n */
};

/* The owner has zeroed it and set its functions. */
void redis_link_init(struct link *l);
/* Connects to the place, which is copied. until: monotonic microseconds; it closes if it is not settled then. */
void redis_link_open(struct link *l, const struct redis_place *place, int64_t until);
/* The owner is content: there is no deadline any more. */
void redis_link_settled(struct link *l);
/* Nothing is told to the owner. Harmless on a closed one. */
void redis_link_close(struct link *l);

/* Adds one command to what will be written; ERR_UNAVAILABLE: too much is waiting, or memory is out. */
enum err redis_link_command(struct link *l, int argc, const struct str *argv) CHECKED;
/* The same by hand: room for n bytes (NULL: as above), then where those that were written end. */
char *redis_link_room(struct link *l, size_t n);
void redis_link_wrote(struct link *l, const char *end);
/* Writes what the socket takes; the rest follows by itself. */
void redis_link_flush(struct link *l);
/* Reads what has come, without waiting for the loop to tell. */
void redis_link_read(struct link *l);

/* A command as Redis reads it: how many bytes its parts take, and the bytes; `parts` is the number that is announced
 * (0: it is not, these are further parts). */
size_t command_size(int argc, const struct str *argv);
char *command_write(char *p, int parts, int argc, const struct str *argv);

#endif
