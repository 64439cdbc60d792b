/* net/loop.h: the one event loop of a process (libuv), its turn and its queue of woken waits.
 * A turn: poll, then in the check phase: wake what was completed until nothing is left, run the turn hooks
 * (flush stores, caches, connections), flush the log now and then. Lives as long as the worker.
 */
#ifndef NET_LOOP_H
#define NET_LOOP_H

#include "base/err.h"
#include "net/wait.h"

#include <stdint.h>

/* The loop of this process; there is one, so nobody passes it. */
enum err loop_init(void) CHECKED;
/* Runs until loop_stop and no handle is left. */
void loop_run(void);
void loop_stop(void);
/* Closes what is the loop's own and frees it. */
void loop_fini(void);

/* Called at the end of each turn, in the order of registration; for flushing what a turn gathered. */
struct turn_hook {
    struct turn_hook *next;
    void (*run)(struct turn_hook *self);
};
void loop_each_turn(struct turn_hook *hook);

/* A repeating timer for the rare (jobs, gauges); deadlines of connections belong to the wheel. */
struct ticker;
typedef void ticker_fn(void *owner);
struct ticker *ticker_new(uint64_t every_ms, ticker_fn *run, void *owner);
void ticker_free(struct ticker *t);

/* Calls run on the loop when the signal arrives. */
enum err loop_on_signal(int signum, void (*run)(int signum)) CHECKED;

#endif
