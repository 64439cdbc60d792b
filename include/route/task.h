/* route/task.h: what a task means to all who move one: the handlers of api/ and the clock of jobs/. */
#ifndef ROUTE_TASK_H
#define ROUTE_TASK_H

#include "base/clock.h"
#include "base/random.h"
#include "base/str.h"

/* The statuses, and why an attempt is tried again: cells of METRIC_TASKS and METRIC_TASK_RETRIES. */
enum task_status { TASK_PENDING, TASK_IN_PROGRESS, TASK_COMPLETED, TASK_FAILED, TASK_CANCELLED };
enum task_retry { TASK_RETRY_FAILED, TASK_RETRY_EXPIRED };

#define TASK_BACKOFF_BASE (2 * SECOND)
#define TASK_BACKOFF_MAX (10 * MINUTE)

/* Microseconds until the attempt behind attempt n (from 1) may begin: exponential with equal jitter, so anywhere in
 * the upper half of base * 2^(n-1), which is TASK_BACKOFF_MAX at most. Jitter keeps tasks that failed together from
 * coming back together. */
static inline int64_t task_backoff(int64_t attempt)
{
    int64_t whole = TASK_BACKOFF_BASE;
    while (--attempt > 0 && whole < TASK_BACKOFF_MAX)
        whole *= 2;
    if (whole > TASK_BACKOFF_MAX)
        whole = TASK_BACKOFF_MAX;
    return whole - random_below((uint32_t)(whole / 2) + 1);
}

#endif
