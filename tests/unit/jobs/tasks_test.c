/* Leases that ran out, on a real store; and the pause before another attempt. */
#include "../store/fixture.h"

#include "jobs/jobs.h"
#include "route/task.h"

#include "../../../src/jobs/each.h"

/* ---- the pause ---- */

static void the_pause_doubles_and_is_jittered(void **state)
{
    (void)state;
    for (int attempt = 1; attempt <= 30; attempt++) {
        int64_t whole = attempt < 10 ? (2 * SECOND) << (attempt - 1) : 10 * MINUTE;
        if (whole > 10 * MINUTE)
            whole = 10 * MINUTE;
        int64_t least = INT64_MAX, most = 0;
        for (int i = 0; i < 2000; i++) {
            int64_t pause = task_backoff(attempt);
            assert_in_range(pause, whole / 2, whole);
            least = pause < least ? pause : least;
            most = pause > most ? pause : most;
        }
        assert_true(most - least > whole / 4); /* it is spread, not one value */
    }
}

static void strange_attempts_have_the_first_pause(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++) {
        assert_in_range(task_backoff(0), SECOND, 2 * SECOND);
        assert_in_range(task_backoff(-5), SECOND, 2 * SECOND);
        assert_in_range(task_backoff(INT64_MAX), 5 * MINUTE, 10 * MINUTE);
    }
}

/* ---- leases ---- */

#define ID "x'0198000000007000800000000000000" /* and the last digit */
#define OWNER ID "1'"
#define AGENT ID "2'"
#define LEASE ID "9'"
#define TASK_COLUMNS                                                                               \
    "(id, owner_id, agent_id, priority, run_at, max_attempts, status, attempt, lease, "            \
    "lease_until, metadata, version, created_at, updated_at) "

static const char add_owner[] =
    "insert into users (id, email, password_hash, role, status, token_version, metadata, version, "
    "created_at, updated_at) values (" OWNER ", 'a@b.c', '', 'user', 'active', 1, '{}', 1, 0, 0)";
static const char add_agent[] =
    "insert into agents (id, owner_id, name, config, status, metadata, version, created_at, "
    "updated_at) values (" AGENT ", " OWNER ", 'a', '{}', 'active', '{}', 1, 0, 0)";
static const char add_many[] =
    "with recursive n (i) as (select 1 union all select i + 1 from n where i < 250) "
    "insert into tasks " TASK_COLUMNS "select randomblob(16), " OWNER ", " AGENT
    ", 0, 0, 3, 'in_progress', 1, " LEASE ", 1, '{}', 1, 0, 0 from n";

static void make_task(const struct fixture *f, int id, int attempt, int64_t lease_until)
{
    char text[600];
    snprintf(text, sizeof(text),
             "insert into tasks " TASK_COLUMNS "values (" ID "%d', " OWNER ", " AGENT
             ", 0, 0, 3, 'in_progress', %d, " LEASE ", %lld, '{}', 1, 0, 0)",
             id, attempt, (long long)lease_until);
    sql(f, text);
}

/* How many tasks are like this. */
static int64_t tasks_where(const struct fixture *f, const char *condition)
{
    char text[300];
    snprintf(text, sizeof(text), "select count(*) from tasks where %s", condition);
    return sql(f, text);
}

static void expire(struct fixture *f)
{
    const struct jobs_setup use = { .store = f->store };
    clock_tick();
    tasks_expire(&use);
    assert_true(tasks_busy());
    tasks_expire(&use); /* while the first waits: left alone */
    settle();
    assert_false(tasks_busy());
    tasks_fini();
}

static void an_expired_lease_returns_the_task_until_the_last_attempt(void **state)
{
    struct fixture *f = *state;
    int64_t now = clock_wall_now();
    make_task(f, 3, 1, now - 1000);          /* ran out: tried again */
    make_task(f, 4, 3, now - 1000);          /* ran out at the last attempt */
    make_task(f, 5, 1, now + 1000 * SECOND); /* held */
    expire(f);

    assert_int_equal(tasks_where(f, "lease is null and lease_until is null and version = 2"), 2);
    assert_int_equal(tasks_where(f, "id = " ID "3' and status = 'pending'"), 1);
    assert_int_equal(tasks_where(f, "id = " ID "4' and status = 'failed'"), 1);
    assert_int_equal(tasks_where(f, "id = " ID "5' and status = 'in_progress' and version = 1"), 1);
    assert_int_equal(tasks_where(f, "error = 'the lease ran out'"), 2);
    assert_true(sql(f, "select run_at from tasks where id = " ID "3'") >= now + SECOND);
    assert_int_equal(metric_read(METRIC_TASKS, TASK_PENDING), 1);
    assert_int_equal(metric_read(METRIC_TASKS, TASK_FAILED), 1);
    assert_int_equal(metric_read(METRIC_TASK_RETRIES, TASK_RETRY_EXPIRED), 1);
}

static void more_than_one_batch_is_returned_at_once(void **state)
{
    struct fixture *f = *state;
    sql(f, "delete from tasks");
    sql(f, add_many);
    expire(f);
    assert_int_equal(tasks_where(f, "status = 'pending'"), 250);
}

static int set_up(void **state)
{
    static struct fixture f;
    fixture_make(&f);
    sql(&f, add_owner);
    sql(&f, add_agent);
    fixture_open(&f, NULL);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    fixture_close(*state);
    fixture_remove(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_pause_doubles_and_is_jittered),
        cmocka_unit_test(strange_attempts_have_the_first_pause),
        cmocka_unit_test(an_expired_lease_returns_the_task_until_the_last_attempt),
        cmocka_unit_test(more_than_one_batch_is_returned_at_once),
    };
    return cmocka_run_group_tests_name("jobs/tasks", tests, set_up, tear_down);
}
