/* worker.h: one process, one loop: owns listener, store, cache, limiter and the slabs. Nothing is shared but the
 * segment. */
#ifndef WORKER_H
#define WORKER_H

#include "base/err.h"
#include "base/str.h"
#include "store/store.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* What the processes of a server tell each other; in the segment. */
struct server {
    int64_t started;      /* monotonic microseconds; by the master, before the fork */
    atomic_int running;   /* workers that are ready; by the master */
    atomic_bool no_admin; /* a worker found no active admin when it started */
    bool fallback;        /* PostgreSQL was not there, so the store is the embedded one; before the fork */
    char store[512];      /* store_says; by worker 0, before it is ready */
    char cache[512];      /* redis_says, likewise; "" without Redis */
};

/* What the master hands to a worker; inherited by the fork. */
struct worker_start {
    int number;            /* 0 to workers - 1 */
    int workers;
    int listener;          /* bound TCP socket of its own (SO_REUSEPORT), -1: none */
    int control;           /* bound Unix socket, shared by all workers */
    int ready;             /* pipe: one byte when it listens */
    const char *config;    /* file that the settings came from, read again at SIGHUP; NULL: none */
    const char *store;     /* where the store is: a path, or postgresql://... */
    struct lane_size lanes[LANE_COUNT];
    struct uuid node;      /* names this server among those that share the store */
    struct str secret;     /* JWT_SECRET, or the one of DATA_DIR */
    struct server *server; /* parts of the segment */
    void *store_shared;
    void *windows_part;
    uint32_t windows_entries;
};

/* Runs until told to end; returns the exit status. SIGTERM: answers readiness with 503, goes on accepting for
 * DRAIN_SECONDS, then finishes what is under way. SIGINT: the same without the pause. SIGHUP: reads the settings
 * again. */
int worker_run(const struct worker_start *start);

/* How long a draining worker waits, after it has stopped accepting, for what is under way. */
#define WORKER_PATIENCE (25 * (int64_t)1000000)

#endif
