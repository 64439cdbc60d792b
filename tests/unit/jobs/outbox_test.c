/* Events leave the store when Redis has them, not before, and in their order. */
#include "../store/fixture.h"

#include "cache/redis.h"

#include "../../../src/jobs/outbox.c"

#define EVENTS 250

/* ---- a Redis that keeps what it is told ---- */

static struct {
    int told[2 * EVENTS + SLICE], n;
    int slices;
    int fails_at; /* this slice, -1: none */
} stream;

bool redis_up(const struct redis *r)
{
    (void)r;
    return true;
}

struct str redis_prefix(const struct redis *r)
{
    (void)r;
    return STR("t:");
}

void redis_reply_fini(struct redis_reply *reply)
{
    *reply = (struct redis_reply){ 0 };
}

void redis_run(struct redis *r, struct redis_script *text, int nkeys, int argc,
               const struct str *argv, struct redis_reply *out, struct wait *w)
{
    (void)r;
    assert_true(text == &script && nkeys == 1 && argc <= REDIS_ARGS_MAX);
    assert_true(str_eq(argv[0], STR("t:events")) && str_eq(argv[1], STR("100000")));
    bool fails = stream.slices++ == stream.fails_at;
    for (int i = 2; !fails && i < argc; i += FIELDS) {
        int64_t number;
        struct uuid id;
        assert_true(uuid_parse(argv[i], &id));
        assert_true(str_eq(argv[i + 1], STR("startup.create")));
        assert_true(argv[i + 2].n == 0 && argv[i + 3].n == 0 && argv[i + 4].n == CLOCK_RFC3339);
        assert_true(str_int(argv[i + 5], 0, EVENTS, &number));
        stream.told[stream.n++] = (int)number;
    }
    *out = (struct redis_reply){ .err = fails ? ERR_UNAVAILABLE : OK };
    wait_open(w);
    wait_done(w);
}

/* ---- the duty ---- */

static bool held;

bool duty_held(void)
{
    return held;
}

/* ---- what happens ---- */

static const char add_events[] =
    "with recursive n (i) as (select 0 union all select i + 1 from n where i < 249) "
    "insert into outbox (id, at, event, target, principal_id, payload) "
    "select randomblob(16), 1000000 + i, 'startup.create', null, null, i from n";

static void begin_stream(const struct fixture *f, int fails_at)
{
    memset(&stream, 0, sizeof(stream));
    stream.fails_at = fails_at;
    held = true;
    job.idle = 0;
    sql(f, "delete from outbox");
    sql(f, add_events);
}

static void run(void)
{
    clock_tick();
    turn(NULL);
    settle();
    assert_false(outbox_busy());
}

static int64_t left(const struct fixture *f)
{
    return sql(f, "select count(*) from outbox");
}

static void all_are_told_once_and_in_order(void **state)
{
    struct fixture *f = *state;
    begin_stream(f, -1);
    run();
    assert_int_equal(stream.n, EVENTS);
    for (int i = 0; i < EVENTS; i++)
        assert_int_equal(stream.told[i], i);
    assert_int_equal(left(f), 0);
    assert_int_equal(metric_read(METRIC_OUTBOX_SENT, 0), EVENTS);
}

static void what_redis_does_not_take_stays_and_comes_next(void **state)
{
    struct fixture *f = *state;
    begin_stream(f, 5);
    run();
    assert_int_equal(stream.n, 5 * SLICE);
    assert_int_equal(left(f), EVENTS - 5 * SLICE);
    run();
    assert_int_equal(stream.n, EVENTS);
    for (int i = 0; i < EVENTS; i++)
        assert_int_equal(stream.told[i], i);
    assert_int_equal(left(f), 0);
}

static void nobody_else_s_duty_is_done(void **state)
{
    struct fixture *f = *state;
    begin_stream(f, -1);
    held = false;
    run();
    assert_int_equal(stream.slices, 0);
    assert_int_equal(left(f), EVENTS);
}

static void an_empty_outbox_is_looked_at_more_seldom(void **state)
{
    struct fixture *f = *state;
    begin_stream(f, -1);
    sql(f, "delete from outbox");
    run();
    sql(f, add_events);
    for (int i = 1; i < IDLE_TURNS; i++) {
        run();
        assert_int_equal(stream.slices, 0);
    }
    run();
    assert_int_equal(stream.n, EVENTS);
}

static void it_shows_how_many_wait(void **state)
{
    struct fixture *f = *state;
    begin_stream(f, -1);
    outbox_show();
    settle();
    assert_int_equal(metric_read(METRIC_OUTBOX_WAITING, 0), EVENTS);
    held = false;
    outbox_show();
    assert_int_equal(metric_read(METRIC_OUTBOX_WAITING, 0), 0);
}

static int set_up(void **state)
{
    static struct fixture f;
    static struct jobs_setup use;
    fixture_make(&f);
    fixture_open(&f, NULL);
    log_open(STDERR_FILENO, LOG_ERROR, LOG_JSON);
    use = (struct jobs_setup){ .store = f.store, .redis = (struct redis *)&stream };
    outbox_start(&use);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    outbox_stop();
    outbox_fini();
    fixture_close(*state);
    fixture_remove(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_are_told_once_and_in_order),
        cmocka_unit_test(what_redis_does_not_take_stays_and_comes_next),
        cmocka_unit_test(nobody_else_s_duty_is_done),
        cmocka_unit_test(an_empty_outbox_is_looked_at_more_seldom),
        cmocka_unit_test(it_shows_how_many_wait),
    };
    return cmocka_run_group_tests_name("jobs/outbox", tests, set_up, tear_down);
}
