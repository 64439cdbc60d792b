/* net/offload.h: bounded pools of threads for what may not run on the loop.
 * A job is embedded in what it works for and borrowed until its wait is woken. run() is called on a thread of the
 * pool and touches only the job's own data. Two pools: one general, one for passwords at low priority (nice 10).
 */
#ifndef NET_OFFLOAD_H
#define NET_OFFLOAD_H

#include "base/err.h"
#include "net/wait.h"

struct job {
    struct list node;
    void (*run)(struct job *job); /* on a thread of the pool */
    struct wait *wait; /* woken on the loop when run has returned */
};

struct offload;
/* threads 1 to 64; depth: jobs that may wait besides those that run. Nice: 0 to 19. NULL when threads cannot be
 * made. */
struct offload *offload_new(int threads, int depth, int nice);
/* Waits for running jobs, drops no accepted one. */
void offload_free(struct offload *pool);

/* Hands the job over, or ERR_BUSY at once when `depth` jobs wait already (then nothing was asked and nothing will
 * wake). */
enum err offload_run(struct offload *pool, struct job *job, struct wait *wait) CHECKED;
/* Jobs waiting or running. */
int offload_load(const struct offload *pool);

#endif
