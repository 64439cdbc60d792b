#include "each.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "gen/stmt.h"
#include "route/task.h"

#define BATCH 100

static struct {
    const struct jobs_setup *use;
    struct arena arena;
    struct change change;
    struct rows rows;
    struct wait wait;
} job;

static void expired(struct wait *w);

static bool failed(void)
{
    if (job.rows.err != OK)
        log_say(LOG_WARN, "tasks", "leases that ran out: %s", err_info(job.rows.err)->code);
    return job.rows.err != OK;
}

static void expire(void)
{
    arena_reset(&job.arena);
    change_init(&job.change, &job.arena);
    /* A lease has run out already, so the pause is that of a first attempt; one for the batch. */
    add_task_expire(&job.change, task_backoff(1), BATCH, clock_wall());
    wait_init(&job.wait, expired);
    store_commit(job.use->store, &job.change, &job.rows, &job.wait);
}

static void expired(struct wait *w)
{
    (void)w;
    int n = 0;
    for (bool good = !failed(); good && rows_next(&job.rows); n++) {
        bool again = str_eq(rows_text(&job.rows, COL_TASK_EXPIRE_STATUS), STR("pending"));
        metric_add(METRIC_TASKS, again ? TASK_PENDING : TASK_FAILED, 1);
        if (again)
            metric_add(METRIC_TASK_RETRIES, TASK_RETRY_EXPIRED, 1);
    }
    rows_fini(&job.rows);
    if (n == BATCH)
        expire(); /* there may be more */
}

static void looked(struct wait *w)
{
    (void)w;
    bool overdue =
        !failed() && rows_next(&job.rows) && rows_int(&job.rows, COL_TASK_OVERDUE_OVERDUE);
    rows_fini(&job.rows);
    if (overdue)
        expire();
}

void tasks_expire(const struct jobs_setup *use)
{
    job.use = use;
    if (tasks_busy())
        return;
    arena_reset(&job.arena);
    wait_init(&job.wait, looked);
    ask_task_overdue(use->store, &job.arena, &job.rows, &job.wait);
}

bool tasks_busy(void)
{
    return job.wait.open;
}

void tasks_fini(void)
{
    rows_fini(&job.rows);
    arena_reset(&job.arena);
}
