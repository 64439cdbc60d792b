/* jobs/jobs.h: what runs without a request, on the worker's loop. Every worker keeps its own gauges and
 * writes what it noted for the audit. The first worker
 * of a node hears of the other nodes' changes. Of all nodes that share a store one holds a duty, a row of it, and its
 * first worker does what is done once for all: leases that ran out, upkeep of the store, the outbox, totals, the
 * audit's seal.
 */
#ifndef JOBS_JOBS_H
#define JOBS_JOBS_H

#include "cache/cache.h"
#include "cache/redis.h"
#include "cache/window.h"
#include "gate/keyring.h"
#include "net/offload.h"
#include "store/store.h"

#include <stdbool.h>

/* What they work with; borrowed until jobs_fini. */
struct jobs_setup {
    struct store *store;
    struct cache *cache;
    struct redis *redis; /* NULL: none */
    struct windows *windows;
    struct keyring *keyring;
    struct offload *pool, *passwords, *files;
    struct uuid node; /* this one among those that share the store or Redis */
    bool first; /* of the workers of its node */
};
void jobs_start(const struct jobs_setup *setup);
/* Nothing new begins; the duty is given back. */
void jobs_stop(void);
/* Whether one still waits for the store or Redis. */
bool jobs_busy(void);
/* When none does. */
void jobs_fini(void);

#endif
