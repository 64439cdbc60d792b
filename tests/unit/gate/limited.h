/* limited.h: what the stages of gate 10 stand on: windows, restraints and their counters, new for each test. */
#ifndef GATE_LIMITED_H
#define GATE_LIMITED_H

#include "base/clock.h"
#include "base/config.h"
#include "base/metric.h"
#include "gate/facts.h"
#include "gate/restraint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define ENTRIES 1024 /* of the windows' table */
#define NOW (5000 * SECOND)

static struct windows *windows;
static void *metrics, *table, *restraints;

static const struct in6_addr here = { .s6_addr = {
                                          [10] = 0xff, [11] = 0xff, [12] = 192, [15] = 7 } };

static inline int set_up(void **state)
{
    (void)state;
    metrics = calloc(1, metric_size(1));
    table = calloc(1, windows_size(ENTRIES));
    restraints = calloc(1, restraint_size());
    assert_true(metrics && table && restraints);
    metric_init(metrics, 1);
    metric_use(0);
    restraint_init(restraints);
    windows = windows_new(table, ENTRIES, NULL);
    config.rate_limit_profile = PROFILE_STANDARD;
    clock_tick();
    return windows ? 0 : -1;
}

static inline int tear_down(void **state)
{
    (void)state;
    windows_free(windows);
    restraint_init(NULL);
    free(restraints);
    free(table);
    free(metrics);
    return 0;
}

#endif
