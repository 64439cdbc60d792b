/* store/turn.c: the turn, and the part of the shared segment that holds it. */
#include "turn.h"

#include "base/clock.h"
#include "store/store.h"

#include <errno.h>
#include <time.h>

static void lock_init(pthread_mutex_t *lock)
{
    pthread_mutexattr_t how;
    must(pthread_mutexattr_init(&how) == 0);
    must(pthread_mutexattr_setpshared(&how, PTHREAD_PROCESS_SHARED) == 0);
    must(pthread_mutexattr_setrobust(&how, PTHREAD_MUTEX_ROBUST) == 0);
    must(pthread_mutex_init(lock, &how) == 0);
    pthread_mutexattr_destroy(&how);
}

void turn_init(struct turn *t)
{
    lock_init(&t->next);
    lock_init(&t->writing);
}

/* A dead owner leaves nothing to mend: its transaction died with it, SQLite recovers the rest. */
static enum err lock_taken(pthread_mutex_t *lock, int error)
{
    if (error == EBUSY || error == ETIMEDOUT)
        return ERR_UNAVAILABLE;
    must(error == 0 || error == EOWNERDEAD);
    if (error == EOWNERDEAD)
        must(pthread_mutex_consistent(lock) == 0);
    return OK;
}

/* By the wall clock (the thread sanitizer knows no other), in slices: it may be set meanwhile. */
static enum err lock_take(pthread_mutex_t *lock, int64_t deadline)
{
    enum err err = lock_taken(lock, pthread_mutex_trylock(lock));
    int64_t left;
    while (err != OK && (left = deadline - clock_mono_now()) > 0) {
        int64_t until = clock_wall_now() + (left < SECOND ? left : SECOND);
        struct timespec at = { .tv_sec = until / SECOND, .tv_nsec = until % SECOND * 1000 };
        err = lock_taken(lock, pthread_mutex_timedlock(lock, &at));
    }
    return err;
}

enum err turn_take(struct turn *t, int64_t deadline)
{
    TRY(lock_take(&t->next, deadline));
    enum err err = lock_take(&t->writing, deadline);
    must(pthread_mutex_unlock(&t->next) == 0);
    return err;
}

void turn_give(struct turn *t)
{
    must(pthread_mutex_unlock(&t->writing) == 0);
}

size_t store_shared_size(void)
{
    return sizeof(struct turn);
}

void store_shared_init(void *part)
{
    turn_init(part);
}
