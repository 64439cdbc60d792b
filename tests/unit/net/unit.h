/* unit.h: a loop for each test, and what the tests of this room share. */
#ifndef TESTS_NET_UNIT_H
#define TESTS_NET_UNIT_H

#include "../base/dies.h"
#include "../base/unit.h"

#include "base/clock.h"
#include "net/loop.h"

#include <unistd.h>

#define HANGS_AFTER 60 /* seconds; then SIGALRM ends the program */

static inline int begin_loop(void **state)
{
    (void)state;
    alarm(HANGS_AFTER);
    return loop_init() == OK ? 0 : -1;
}

static inline int end_loop(void **state)
{
    (void)state;
    loop_fini();
    alarm(0);
    return 0;
}

/* A wait that counts how often it was woken, and stops the loop at the last one. */
struct counted {
    struct wait wait;
    int *left; /* until the loop is stopped */
    int woken;
};

static inline void counted_wake(struct wait *w)
{
    struct counted *c = LIST_OF(w, struct counted, wait);
    c->woken++;
    if (--*c->left == 0)
        loop_stop();
}

static inline void counted_init(struct counted *c, int *left)
{
    wait_init(&c->wait, counted_wake);
    c->left = left;
    c->woken = 0;
}

static inline void stop_loop(void *owner)
{
    (void)owner;
    loop_stop();
}

#define test_on_loop(f) cmocka_unit_test_setup_teardown(f, begin_loop, end_loop)

#endif
