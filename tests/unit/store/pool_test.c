/* Lanes of connections to PostgreSQL: that they do not wait for each other, and what becomes of asks when the database
 * is slow, paused, cut off or not there.
 */
#include "proxy.h"

static struct remote r;
static struct proxy proxy;

#define MILLISECOND ((int64_t)1000)

/* An ask that knows when it was answered. */
struct timed {
    struct asked asked;
    int64_t at;
};

static void timed_woken(struct wait *w)
{
    struct timed *t = (struct timed *)w;
    t->asked.woken = true;
    t->at = clock_mono_now();
}

static struct asked *timed_new(struct timed *t)
{
    *t = (struct timed){ 0 };
    wait_init(&t->asked.wait, timed_woken);
    return &t->asked;
}

static void read_timed(const struct stmt *stmt, double seconds, struct timed *t)
{
    struct value *v = arena_alloc(&r.f.arena, sizeof(*v));
    *v = (struct value){ .type = VALUE_REAL, .real = seconds };
    struct asked *a = timed_new(t);
    store_ask(r.f.store, stmt, v, &a->rows, &a->wait);
}

static void mark_timed(int64_t n, struct timed *t)
{
    struct change c;
    struct asked *a = timed_new(t);
    change_init(&c, &r.f.arena);
    change_mark(&c, n, n);
    store_commit(r.f.store, &c, &a->rows, &a->wait);
}

/* The store through the proxy, one connection for each lane. */
static void open_through_proxy(void)
{
    struct store_setup setup = remote_setup(&r);
    setup.where = proxy.url;
    for (int i = 0; i < LANE_COUNT; i++)
        setup.lanes[i] = (struct lane_size){ 1, 1 };
    remote_open(&r, &setup);
}

static bool all_connected(void)
{
    bool all = true;
    for (int i = 0; i < LANE_COUNT; i++)
        all = lane_gets(&r, (enum lane)i, 1) && all;
    return all;
}

static enum err ask_once(void)
{
    struct asked a;
    ask_stmt(&r.f, &rmark_get, 1, &a);
    settle();
    enum err err = a.rows.err;
    rows_fini(&a.rows);
    return err;
}

/* How long until an ask succeeds again, in microseconds: within a second, and twice that on a busy machine. */
static int64_t recovery(void)
{
    int64_t begun = clock_mono_now();
    while (ask_once() != OK && clock_mono_now() - begun < 5 * SECOND)
        pass(20);
    return clock_mono_now() - begun;
}

static void a_slow_lane_does_not_delay_another(void **state)
{
    (void)state;
    struct timed slow, mark, ping;
    proxy_open(&proxy);
    open_through_proxy();
    assert_true(all_connected());
    int64_t begun = clock_mono_now();
    read_timed(&sleep_read, 0.8, &slow);
    mark_timed(1, &mark);
    store_ping(r.f.store, &timed_new(&ping)->rows, &ping.asked.wait);
    settle();
    assert_int_equal(slow.asked.rows.err, OK);
    assert_int_equal(mark.asked.rows.err, OK);
    assert_int_equal(ping.asked.rows.err, OK);
    assert_true(slow.at - begun >= 800 * MILLISECOND);
    assert_true(mark.at - begun < 500 * MILLISECOND);
    assert_true(ping.at - begun < 500 * MILLISECOND);
    rows_fini(&slow.asked.rows);
    rows_fini(&ping.asked.rows);
}

static void the_server_gives_a_statement_up_before_its_time_is_over(void **state)
{
    (void)state;
    struct timed slow;
    config.database_timeout_ms = 1000;
    proxy_open(&proxy);
    open_through_proxy();
    assert_true(all_connected());
    int64_t begun = clock_mono_now(), connects = metric_read(METRIC_LANE_CONNECTS, LANE_READ);
    read_timed(&sleep_read, 5, &slow);
    settle();
    assert_int_equal(slow.asked.rows.err, ERR_UNAVAILABLE);
    assert_in_range(slow.at - begun, 850 * MILLISECOND, 990 * MILLISECOND);
    assert_int_equal(ask_once(), OK);
    assert_int_equal(metric_read(METRIC_LANE_CONNECTS, LANE_READ), connects);
}

static void too_many_asks_are_refused_at_once(void **state)
{
    (void)state;
    enum { MANY = 1400 };
    static struct asked asked[MANY], slow;
    proxy_open(&proxy);
    open_through_proxy();
    assert_true(all_connected());
    ask_sleep(&r, &sleep_read, 0.5, &slow);
    for (int i = 0; i < MANY; i++)
        ask_stmt(&r.f, &rmark_get, i, &asked[i]);
    settle();
    int refused = 0;
    for (int i = 0; i < MANY; i++) {
        refused += asked[i].rows.err == ERR_OVERLOADED;
        assert_true(asked[i].rows.err == OK || asked[i].rows.err == ERR_OVERLOADED);
    }
    assert_in_range(refused, MANY - 1024 - 128 - 1, MANY - 1024 - 128 + 1);
    assert_int_equal(asked[MANY - 1].rows.err, ERR_OVERLOADED);
    assert_int_equal(metric_read(METRIC_LANE_QUEUED, LANE_READ), 0);
    rows_fini(&slow.rows);
}

static void terminate_backends(void)
{
    pg(&r, "select count(pg_terminate_backend(pid)) from pg_stat_activity"
           " where datname = current_database() and pid <> pg_backend_pid()");
}

static void who_is_cut_off_knows_what_was_done(void **state)
{
    (void)state;
    struct asked read, failed, behind;
    struct change c;
    proxy_open(&proxy);
    open_through_proxy();
    assert_true(all_connected());
    ask_sleep(&r, &sleep_read, 2, &read);
    change_init(&c, &r.f.arena);
    change_mark(&c, 1, 1);
    change_sleep(&c, 2);
    commit(&r, &c, &failed);
    mark_remote(&r, 2, &behind);
    pass_then(300, terminate_backends);
    assert_int_equal(read.rows.err, ERR_UNAVAILABLE);
    assert_int_equal(failed.rows.err, ERR_UNAVAILABLE); /* it was told so: undone */
    assert_int_equal(behind.rows.err, ERR_COMMIT_UNKNOWN);
    assert_int_equal(told.times, 1); /* what is not known has moved */
    assert_true(recovery() < 2 * SECOND);
    assert_int_equal(marks_remote(&r), 0);
}

static void cut_now(void)
{
    proxy_close(&proxy);
}

static void a_commit_whose_answer_is_lost_is_unknown(void **state)
{
    (void)state;
    struct asked a;
    struct change c;
    struct epochs held = { 0 };
    struct uuid id = id_of(1);
    proxy_open(&proxy);
    open_through_proxy();
    assert_true(all_connected());
    epochs_add(&held, EPOCH_RESOURCE, id.b, sizeof(id.b));
    change_init(&c, &r.f.arena);
    change_sleep(&c, 0.6);
    change_mark(&c, 1, 1);
    commit(&r, &c, &a);
    pass_then(300, cut_now);
    assert_int_equal(a.rows.err, ERR_COMMIT_UNKNOWN);
    assert_int_equal(told.times, 1);
    assert_int_equal(told.number, 0);
    assert_false(epochs_fresh(&held));
    for (int i = 0; i < 100 && marks_remote(&r) == 0; i++)
        usleep(20000);
    assert_int_equal(marks_remote(&r), 1); /* it was done after all */
}

static void a_database_that_is_away_at_the_start_is_found(void **state)
{
    (void)state;
    open_through_proxy();
    struct timed first, next;
    int64_t begun = clock_mono_now();
    mark_timed(1, &first);
    settle();
    assert_int_equal(first.asked.rows.err, ERR_UNAVAILABLE);
    assert_true(first.at - begun < 500 * MILLISECOND);
    assert_false(store_lane(r.f.store, LANE_WRITE).up);
    begun = clock_mono_now();
    mark_timed(1, &next);
    settle();
    assert_int_equal(next.asked.rows.err, ERR_UNAVAILABLE);
    assert_true(next.at - begun < 100 * MILLISECOND); /* nothing hangs */
    for (int i = 0; i < 10; i++)
        assert_int_equal(ask_once(), ERR_UNAVAILABLE);
    assert_true(store_broken(r.f.store));
    proxy_open(&proxy);
    assert_true(recovery() < 2 * SECOND);
    assert_false(store_broken(r.f.store));
    assert_true(store_lane(r.f.store, LANE_READ).up);
}

static void asks_wait_for_a_connection_that_was_just_lost(void **state)
{
    (void)state;
    struct store_setup setup = remote_setup(&r);
    setup.where = proxy.url;
    setup.lanes[LANE_WRITE].least = 0; /* one connection is made again sooner than many */
    proxy_open(&proxy);
    remote_open(&r, &setup);
    assert_true(lane_gets(&r, LANE_READ, 1));
    proxy_close(&proxy);
    proxy_open(&proxy);
    pass(1); /* it is noticed */
    assert_int_equal(store_lane(r.f.store, LANE_READ).open, 0);
    assert_int_equal(ask_once(), OK);
}

static void resume_now(void)
{
    kill(proxy.pid, SIGCONT);
}

static void an_answer_that_comes_too_late_still_moves_epochs(void **state)
{
    (void)state;
    struct timed read, change;
    config.database_timeout_ms = 600;
    proxy_open(&proxy);
    open_through_proxy();
    assert_true(all_connected());
    kill(proxy.pid, SIGSTOP);
    int64_t begun = clock_mono_now();
    read_timed(&sleep_read, 0, &read);
    mark_timed(1, &change);
    pass_then(1000, resume_now);
    assert_int_equal(read.asked.rows.err, ERR_UNAVAILABLE);
    assert_int_equal(change.asked.rows.err, ERR_COMMIT_UNKNOWN);
    assert_in_range(change.at - begun, 600 * MILLISECOND, 900 * MILLISECOND);
    assert_int_equal(told.first, 0);
    pass(300);
    assert_int_equal(told.times, 2);
    assert_true(told.number > 0); /* the late one knows its row */
    assert_int_equal(store_lane(r.f.store, LANE_WRITE).in_use, 0);
    assert_int_equal(ask_once(), OK);
}

static void a_server_that_hangs_is_left(void **state)
{
    (void)state;
    struct timed read;
    config.database_timeout_ms = 400;
    proxy_open(&proxy);
    open_through_proxy();
    assert_true(all_connected());
    kill(proxy.pid, SIGSTOP);
    read_timed(&sleep_read, 0, &read);
    pass(1700);
    assert_int_equal(read.asked.rows.err, ERR_UNAVAILABLE);
    assert_int_equal(store_lane(r.f.store, LANE_READ).open, 0);
    kill(proxy.pid, SIGCONT);
    assert_true(recovery() < 2 * SECOND);
}

static void a_session_that_is_read_only_is_left(void **state)
{
    (void)state;
    static const struct stmt shut = {
        .name = "shut", .postgres = "set session characteristics as transaction read only",
        .lane = LANE_WRITE, .change = true, .rows = -1, .index = -1,
    };
    struct asked a;
    struct change c;
    proxy_open(&proxy);
    open_through_proxy();
    mark_remote(&r, 1, &a);
    settle();
    assert_int_equal(a.rows.err, OK);
    change_init(&c, &r.f.arena);
    change_add(&c, &shut, NULL);
    commit(&r, &c, &a);
    settle();
    mark_remote(&r, 2, &a);
    settle();
    assert_int_equal(a.rows.err, ERR_UNAVAILABLE);
    mark_remote(&r, 3, &a);
    settle();
    assert_int_equal(a.rows.err, OK);
}

static void of_several_hosts_the_one_that_answers_is_taken(void **state)
{
    (void)state;
    char url[600];
    const char *at = strrchr(proxy.url, '@');
    snprintf(url, sizeof(url), "%.*s@localhost:1,127.0.0.1:%d/%s", (int)(at - proxy.url), proxy.url,
             proxy.port, r.name);
    proxy_open(&proxy);
    struct store_setup setup = remote_setup(&r);
    setup.where = url;
    remote_open(&r, &setup);
    assert_non_null(strstr(store_says(r.f.store), "localhost:1,127.0.0.1:"));
    assert_int_equal(ask_once(), OK);
}

static int setup(void **state)
{
    (void)state;
    remote_make(&r);
    proxy_init(&proxy, &r);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fixture_close(&r.f);
    proxy_close(&proxy);
    remote_remove(&r);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_slow_lane_does_not_delay_another),
        TEST(the_server_gives_a_statement_up_before_its_time_is_over),
        TEST(too_many_asks_are_refused_at_once),
        TEST(who_is_cut_off_knows_what_was_done),
        TEST(a_commit_whose_answer_is_lost_is_unknown),
        TEST(a_database_that_is_away_at_the_start_is_found),
        TEST(asks_wait_for_a_connection_that_was_just_lost),
        TEST(an_answer_that_comes_too_late_still_moves_epochs),
        TEST(a_server_that_hangs_is_left),
        TEST(a_session_that_is_read_only_is_left),
        TEST(of_several_hosts_the_one_that_answers_is_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
