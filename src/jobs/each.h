/* jobs/each.h: the jobs, each in the file of its name; jobs.c calls them each second or more seldom. What is still
 * waiting for the store when its time comes again is left alone.
 */
#ifndef JOBS_EACH_H
#define JOBS_EACH_H

#include "jobs/jobs.h"

/* Puts tasks whose lease ran out back to pending, or to failed after the last attempt. */
void tasks_expire(const struct jobs_setup *use);
bool tasks_busy(void);
void tasks_fini(void);

/* Deletes what nobody can use any more. */
void upkeep_run(const struct jobs_setup *use);
bool upkeep_busy(void);
void upkeep_fini(void);

/* Shows how much this worker holds. */
void gauges_set(const struct jobs_setup *use);

#endif
