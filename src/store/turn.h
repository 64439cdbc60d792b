/* store/turn.h: the turn to write, which the writers of all workers take one after the other.
 * SQLite's own lock would order them too, but by sleeping and trying again: unfair, and slow to
 * notice. No worker writes or checkpoints without it.
 */
#ifndef STORE_TURN_H
#define STORE_TURN_H

#include "base/err.h"

#include <pthread.h>
#include <stdint.h>

/* Who waits for `writing` holds `next`, so that who has just written cannot overtake. Both survive
 * the death of their owner. */
struct turn {
    pthread_mutex_t next, writing;
};

void turn_init(struct turn *t);
/* ERR_UNAVAILABLE when it does not come before the deadline (monotonic). */
enum err turn_take(struct turn *t, int64_t deadline) CHECKED;
void turn_give(struct turn *t);

#endif
