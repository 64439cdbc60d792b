/* watch/watch.h: what operators see: health, the metrics page, the description of the API. Its routes are one
 * resource without rows. */
#ifndef WATCH_WATCH_H
#define WATCH_WATCH_H

#include "route/resource.h"

#include <stdatomic.h>

extern const struct resource system_resource;

/* What health tells besides what it tests. All is borrowed. */
struct watch_setup {
    int workers;               /* that should run */
    const atomic_int *running; /* that do */
    int64_t started;           /* of the server, monotonic microseconds */
    bool fallback;             /* PostgreSQL was not there at the start: the store is the embedded one */
    const struct redis *redis; /* NULL: none is set */
};
/* Writes the API's description too, so that it is asked for without work. ERR_NO_MEMORY. */
enum err watch_init(const struct watch_setup *setup) CHECKED;
void watch_fini(void);

/* From now on readiness is denied. */
void watch_drain(void);

#endif
