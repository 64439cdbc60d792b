/* store/ask.h: what every engine shares: the ask on its way, and what an engine is.
 * An ask belongs to its store. It is taken on the loop, travels through the engine, and comes back
 * to the loop by a wait of its own, where it is counted and logged before the asker is woken.
 */
#ifndef STORE_ASK_H
#define STORE_ASK_H

#include "store/store.h"

#define ASK_SAYS 200

struct ask {
    struct list node;     /* on the engine's queue, then on the idle ones */
    struct wait done;     /* engine to loop */
    struct wait *asker;
    struct store *store;
    struct rows *out;
    struct change change; /* a copy; a read is its one statement */
    bool write;
    bool committed;       /* set by the engine on one ask of each transaction */
    int64_t asked, deadline; /* monotonic; after the deadline it fails with ERR_UNAVAILABLE */
    char says[ASK_SAYS];  /* why it failed, for the log; "" to log nothing */
};

/* An engine answers asks: it sets out and wait_posts `done` exactly once, never inside the call. */
struct engine {
    bool (*read)(struct store *s, struct ask *ask); /* false: too many wait, nothing was taken */
    bool (*commit)(struct store *s, struct ask *ask);
    void (*close)(struct store *s); /* answers everything taken, frees what is the engine's own */
};

/* The first member of every engine's store, which is malloc'd whole. */
struct store {
    const struct engine *engine;
    struct list idle; /* asks to be used again; loop only */
    int open[2];      /* reads, changes under way */
    bool closed;
    int64_t log_second; /* the one that log_lines are of */
    int log_lines, log_left_out;
    char says[256];
};

void store_init(struct store *s, const struct engine *engine);

/* Fails the ask with a message for the log. */
void ask_fail(struct ask *ask, enum err err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
