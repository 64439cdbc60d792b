/* net/wait.h: the one contract for everything that waits.
 * Whoever asks gives a wait. The ask completes exactly once, later, never inside the call: wait_done queues the
 * wait, and the loop wakes it in its check phase. From another thread use wait_post. A wait is embedded in what it
 * wakes; it must stay where it is until it is woken. Whoever answers always completes: deadlines are theirs, not the
 * asker's.
 */
#ifndef NET_WAIT_H
#define NET_WAIT_H

#include "base/list.h"

#include <stdbool.h>

struct wait;
typedef void wait_fn(struct wait *w);

struct wait {
    struct list node; /* on a queue of who answers, then on the loop's */
    wait_fn *wake; /* set once by the owner */
    bool open; /* asked and not yet woken */
};

/* Before the first use. */
void wait_init(struct wait *w, wait_fn *wake);
/* By who accepts the ask: opens it; must() when it is open already. */
void wait_open(struct wait *w);
/* By who answers, on the loop's thread: queues the wake. */
void wait_done(struct wait *w);
/* By who answers, on any other thread. */
void wait_post(struct wait *w);

/* Two asks that one asker waits for: `whole` is woken when both have been answered. Must stay where it is until then,
 * as must whatever the two asks write to. */
struct both {
    struct wait first, second;
    struct wait *whole;
    int open; /* not yet answered */
};
/* Opens `whole`. Both asks follow at once, one with each wait. */
void both_begin(struct both *p, struct wait *whole);

#endif
