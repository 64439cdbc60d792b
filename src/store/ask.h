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
    bool probe;           /* a ping: also asked while the engine refuses the others */
    bool held;            /* set by an engine that answers early: it uses the ask until ask_release */
    bool finished;        /* answered, but still held */
    int64_t asked, deadline; /* monotonic; after the deadline it fails with ERR_UNAVAILABLE */
    char says[ASK_SAYS];  /* why it failed, for the log; "" to log nothing */
};

/* An engine answers asks: it sets out and completes `done` exactly once, never inside the call. */
struct engine {
    size_t ask_size;                                /* of its asks, whose first member is the ask */
    bool (*read)(struct store *s, struct ask *ask); /* false: too many wait, nothing was taken */
    bool (*commit)(struct store *s, struct ask *ask);
    void (*close)(struct store *s); /* answers everything taken, frees what is the engine's own */
    bool shared;                    /* with other nodes; what follows is NULL where it is not */
    void (*free)(struct store *s);  /* behind close, when nothing is under way any more */
    bool (*broken)(const struct store *s);
    struct lane_health (*lane)(const struct store *s, enum lane lane);
};

enum err sqlite_open(struct store **out, const struct store_setup *setup) CHECKED;
enum err postgres_open(struct store **out, const struct store_setup *setup) CHECKED;

/* The first member of every engine's store, which is malloc'd whole. */
struct store {
    const struct engine *engine;
    struct list idle; /* asks to be used again, zeroed when new; loop only */
    int open[2];      /* reads, changes under way */
    int holds;        /* reasons of the engine to stay in memory */
    bool closed;
    int64_t log_second; /* the one that log_lines are of */
    int log_lines, log_left_out;
    char says[256];
};

void store_init(struct store *s, const struct engine *engine);
/* While something of the engine waits, the store stays in memory, closed or not. */
void store_hold(struct store *s);
void store_release(struct store *s);

/* The engine has no more use for an ask that it held. */
void ask_release(struct ask *ask);
/* Fails the ask with a message for the log. */
void ask_fail(struct ask *ask, enum err err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
