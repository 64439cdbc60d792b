/* jobs/jobs.h: what runs without a request, on the worker's loop: leases that ran out, upkeep of the store, gauges.
 * Every worker keeps its own gauges. What must be done once for all is done by worker 0; with more nodes a row of the
 * store will name who does it.
 */
#ifndef JOBS_JOBS_H
#define JOBS_JOBS_H

#include "cache/cache.h"
#include "gate/keyring.h"
#include "net/offload.h"
#include "store/store.h"

#include <stdbool.h>

/* What they work with; borrowed until jobs_stop. */
struct jobs_setup {
    struct store *store;
    struct cache *cache;
    struct keyring *keyring;
    struct offload *passwords;
    bool duty; /* this worker does what is done once for all */
};
void jobs_start(const struct jobs_setup *setup);
/* Nothing new begins. */
void jobs_stop(void);
/* Whether one still waits for the store. */
bool jobs_busy(void);
/* When none does. */
void jobs_fini(void);

#endif
