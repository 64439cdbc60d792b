/* jobs/each.h: the jobs, each in the file of its name; jobs.c calls them each second or more seldom. What is still
 * waiting when its time comes again is left alone.
 */
#ifndef JOBS_EACH_H
#define JOBS_EACH_H

#include "jobs/jobs.h"

/* ---- in every worker ---- */

/* Shows how much this worker holds. */
void gauges_set(const struct jobs_setup *use);

/* Hears what other nodes change, so that this one may use what it has cached (base/epoch.h): from Redis at once, and
 * from the rows of the table bumps several times a second. Runs by a ticker of its own. */
void freshness_start(const struct jobs_setup *use);
void freshness_stop(void);
bool freshness_busy(void);
void freshness_fini(void);

/* Writes the denials and failed sign-ins that are queued (gate/audit_queue.h), several times a second and until none is
 * left; also what the audit has to say of itself: numbers whose commit is unknown, notes that were dropped. */
void audit_flush_start(const struct jobs_setup *use);
/* Still writing, or something is left to be. */
bool audit_flush_busy(void);
void audit_flush_fini(void);

/* ---- in the first worker of a node ---- */

/* Keeps this node's mode (base/mode.h) what the store's row says, tells log and metrics of each change, and the audit
 * of what breakers enter and leave, as soon as the store takes it. Runs by a ticker of its own. */
void modes_start(const struct jobs_setup *use);
/* Bumps of others have been applied: if the mode's is among them, its row is read at once. */
void modes_hear(void);
void modes_stop(void);
bool modes_busy(void);
void modes_fini(void);

/* Keeps the table of restraints as the store has it: loads those in force at the start and when their epoch moves. Runs
 * by a ticker of its own. */
void restraints_start(const struct jobs_setup *use);
void restraints_stop(void);
bool restraints_busy(void);
void restraints_fini(void);

/* Links committed audit rows into the chain, and signs and writes down its head, several times a second where this
 * node holds the duty. A node that does not hold it does so for rows that it has seen wait at two looks: whoever seals,
 * the numbers are unique. */
void sealer_start(const struct jobs_setup *use);
void sealer_stop(void);
bool sealer_busy(void);
void sealer_fini(void);

/* Takes the duty, or renews it, when it is time to. */
void duty_turn(const struct jobs_setup *use);
/* Whether this node holds it now. It always does when the store is its own. */
bool duty_held(void);
/* Gives it back, so that another node need not wait until it runs out. */
void duty_stop(void);
bool duty_busy(void);
void duty_fini(void);

/* ---- in the first worker of the node that holds the duty ---- */

/* Puts tasks whose lease ran out back to pending, or to failed after the last attempt. */
void tasks_expire(const struct jobs_setup *use);
bool tasks_busy(void);
void tasks_fini(void);

/* Deletes what nobody can use any more. */
void upkeep_run(const struct jobs_setup *use);
bool upkeep_busy(void);
void upkeep_fini(void);

/* Hands the events of the outbox on to a stream in Redis, each at least once, in the order of their ids; what has
 * failed is tried again. Runs by a ticker of its own. */
void outbox_start(const struct jobs_setup *use);
/* Shows how many are waiting. */
void outbox_show(void);
void outbox_stop(void);
bool outbox_busy(void);
void outbox_fini(void);

/* Removes bytes of media that no row names. */
void media_sweep(const struct jobs_setup *use);
void media_stop(void);
bool media_busy(void);
void media_fini(void);

/* Shows how many rows there are, where this node has the duty to. */
void totals_show(const struct jobs_setup *use);
bool totals_busy(void);
void totals_fini(void);

#endif
