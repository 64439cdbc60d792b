/* What PostgreSQL is asked, and what comes back. */
#include "kinds.h"
#include "remote.h"

static struct remote r;

static const struct stmt kinds_add = {
    .name = "kinds_add",
    .postgres = "insert into kinds (a, b, c, d, e, f, g, h) values ($1::uuid, $2::text, $3::text,"
                " $4::bytea, $5::bigint, $6::bigint, $7::boolean, $8::float8)",
    .lane = LANE_WRITE, .params = kinds, .nparams = 8, .change = true, .rows = 1,
    .otherwise = ERR_INTERNAL, .index = -1,
};
static const struct stmt kinds_all = {
    .name = "kinds_all", .postgres = "select a, b, c, d, e, f, g, h from kinds order by at",
    .lane = LANE_READ, .columns = kinds, .ncolumns = 8, .rows = -1, .index = -1,
};

static void every_type_comes_back_as_it_went(void **state)
{
    (void)state;
    static char big[700000];
    memset(big, '{', sizeof(big));
    const struct value rows[][8] = {
        {
            { VALUE_UUID, false, { .uuid = id_of(-1) } },
            { VALUE_TEXT, false, { .text = STR("h\xc3\xa9llo '\"") } },
            { VALUE_JSON, false, { .text = STR("{\"a\":1}") } },
            { VALUE_BYTES, false, { .text = STR("\0\xff\0") } },
            { VALUE_INT, false, { .i = INT64_MIN } },
            { VALUE_TIME, false, { .i = 1763596800000000 } },
            { VALUE_BOOL, false, { .i = 1 } },
            { VALUE_REAL, false, { .real = 0.1 } },
        },
        {
            { VALUE_UUID, true, { .i = 0 } },
            { VALUE_TEXT, true, { .i = 0 } },
            { VALUE_JSON, true, { .i = 0 } },
            { VALUE_BYTES, true, { .i = 0 } },
            { VALUE_INT, true, { .i = 0 } },
            { VALUE_TIME, true, { .i = 0 } },
            { VALUE_BOOL, true, { .i = 0 } },
            { VALUE_REAL, true, { .i = 0 } },
        },
        {
            { VALUE_UUID, false, { .i = 0 } },
            { VALUE_TEXT, false, { .text = { big, sizeof(big) } } },
            { VALUE_JSON, false, { .text = STR_NONE } },
            { VALUE_BYTES, false, { .text = { big, sizeof(big) } } },
            { VALUE_INT, false, { .i = INT64_MAX } },
            { VALUE_TIME, false, { .i = -1 } },
            { VALUE_BOOL, false, { .i = 0 } },
            { VALUE_REAL, false, { .real = -1e300 } },
        },
    };
    struct asked a;
    for (int i = 0; i < 3; i++) {
        struct change c;
        change_init(&c, &r.f.arena);
        change_add(&c, &kinds_add, rows[i]);
        commit(&r, &c, &a);
        settle();
        assert_int_equal(a.rows.err, OK);
        assert_int_equal(a.rows.changed, 1);
    }
    store_ask(r.f.store, &kinds_all, NULL, &asked_new(&a)->rows, &a.wait);
    assert_true(a.wait.open && !a.woken);
    settle();
    assert_int_equal(a.rows.count, 3);
    for (int i = 0; i < 3; i++) {
        assert_true(rows_next(&a.rows));
        check_kinds(&a.rows, rows[i]);
    }
    rows_fini(&a.rows);
}

static void a_statement_that_gives_other_columns_fails(void **state)
{
    (void)state;
    static const struct stmt other = {
        .name = "other", .postgres = "select 'x'::text as n", .lane = LANE_READ,
        .columns = mark_number, .ncolumns = 1, .rows = -1, .index = -1,
    };
    static const struct stmt null = {
        .name = "null", .postgres = "select null::bigint as n", .lane = LANE_READ,
        .columns = mark_number, .ncolumns = 1, .rows = -1, .index = -1,
    };
    struct asked a, b;
    store_ask(r.f.store, &other, NULL, &asked_new(&a)->rows, &a.wait);
    store_ask(r.f.store, &null, NULL, &asked_new(&b)->rows, &b.wait);
    settle();
    assert_int_equal(a.rows.err, ERR_UNAVAILABLE);
    assert_int_equal(b.rows.err, ERR_UNAVAILABLE);
}

/* The prepared statements of sql/, through their typed functions. */
static void statements_of_the_schema_answer(void **state)
{
    (void)state;
    struct uuid id = id_of(5), owner = id_of(6);
    struct change c;
    struct asked added, got, ping;
    change_init(&c, &r.f.arena);
    add_user_add(&c, &owner, STR("a@example.org"), STR("-"), STR("user"), STR("active"), STR("{}"),
                 11);
    add_startup_add(&c, &id, &owner, STR("Acme"), STR_NONE, STR("seed"), STR("new"), STR("{}"), 12);
    commit(&r, &c, &added);
    settle();
    assert_int_equal(added.rows.err, OK);
    assert_int_equal(added.rows.changed, 2);
    ask_startup_get(r.f.store, &r.f.arena, &id, &asked_new(&got)->rows, &got.wait);
    store_ping(r.f.store, &asked_new(&ping)->rows, &ping.wait);
    settle();
    assert_true(rows_next(&got.rows));
    assert_true(str_eq(rows_text(&got.rows, COL_STARTUP_NAME), STR("Acme")));
    assert_true(rows_null(&got.rows, COL_STARTUP_INDUSTRY));
    assert_true(rows_next(&ping.rows));
    assert_int_equal(rows_int(&ping.rows, 0), migrations_count);
    rows_fini(&got.rows);
    rows_fini(&ping.rows);
}

static void a_failing_read_does_not_take_others_along(void **state)
{
    (void)state;
    enum { MANY = 6 };
    struct asked asked[MANY];
    for (int i = 0; i < MANY; i++) /* one connection, one turn: they share a Sync */
        ask_stmt(&r.f, &divide, i == 2 ? 0 : i + 1, &asked[i]);
    settle();
    for (int i = 0; i < MANY; i++) {
        assert_true(asked[i].woken);
        assert_int_equal(asked[i].rows.err, i == 2 ? ERR_UNAVAILABLE : OK);
        assert_int_equal(asked[i].rows.count, i != 2);
        if (i != 2) {
            assert_true(rows_next(&asked[i].rows));
            assert_int_equal(rows_int(&asked[i].rows, 0), 10 / (i + 1));
        }
        rows_fini(&asked[i].rows);
    }
}

static void a_change_is_undone_whole(void **state)
{
    (void)state;
    static const struct stmt orphan = {
        .name = "orphan", .postgres = "insert into leaves values ($1::bigint)", .lane = LANE_WRITE,
        .params = mark_number, .nparams = 1, .change = true, .rows = 1, .otherwise = ERR_INTERNAL,
        .index = -1,
    };
    const struct {
        const struct stmt *stmt;
        enum err err;
    } fails[] = { { &rmark_del, ERR_STALE }, { &orphan, ERR_IN_USE }, { &rmark_add, ERR_EXISTS } };
    struct asked a;
    struct change c;
    pg(&r, "create table leaves (n bigint references marks (n))");
    mark_remote(&r, 7, &a);
    settle();
    int64_t bumps = pg(&r, "select count(*) from bumps");
    for (int i = 0; i < 3; i++) {
        change_init(&c, &r.f.arena);
        change_mark(&c, 1, 1);
        if (fails[i].stmt == &rmark_add)
            change_mark(&c, 7, 7);
        else
            change_of(&c, fails[i].stmt, 2);
        change_mark(&c, 3, 3);
        told.times = 0;
        commit(&r, &c, &a);
        settle();
        assert_int_equal(a.rows.err, fails[i].err);
        assert_int_equal(told.times, 0);
        assert_int_equal(marks_remote(&r), 1);
    }
    assert_int_equal(pg(&r, "select count(*) from bumps"), bumps);
}

static void a_constraint_may_fail_at_the_commit(void **state)
{
    (void)state;
    struct asked a, b;
    struct change c;
    pg(&r, "create table late (n bigint references marks (n) deferrable initially deferred)");
    static const struct stmt late_add = {
        .name = "late_add", .postgres = "insert into late values ($1::bigint)", .lane = LANE_WRITE,
        .params = mark_number, .nparams = 1, .change = true, .rows = 1, .otherwise = ERR_INTERNAL,
        .index = -1,
    };
    change_init(&c, &r.f.arena);
    change_mark(&c, 1, 1);
    change_of(&c, &late_add, 2);
    commit(&r, &c, &a);
    mark_remote(&r, 5, &b); /* behind it on the same connection */
    settle();
    assert_int_equal(a.rows.err, ERR_IN_USE);
    assert_int_equal(b.rows.err, OK);
    assert_int_equal(told.times, 1);
    assert_int_equal(marks_remote(&r), 1);
}

static void a_change_tells_what_it_moved(void **state)
{
    (void)state;
    struct asked a;
    struct change c;
    struct epochs held = { 0 };
    struct uuid id = id_of(2);
    char expected[EPOCH_WHAT_MAX], text[300];
    epochs_add(&held, EPOCH_RESOURCE, id.b, sizeof(id.b));
    change_init(&c, &r.f.arena);
    change_mark(&c, 1, 2);
    commit(&r, &c, &a);
    settle();
    assert_int_equal(a.rows.err, OK);
    assert_false(epochs_fresh(&held));
    assert_int_equal(told.times, 1);
    assert_int_equal(told.n, epoch_what(expected, EPOCH_RESOURCE, id.b, sizeof(id.b)));
    assert_memory_equal(told.what, expected, told.n);
    snprintf(text, sizeof(text),
             "select count(*) from bumps where number = %lld and octet_length(what) = %d"
             " and node = '07000000-0000-0000-6300-000000000000'",
             (long long)told.number, (int)told.n);
    assert_int_equal(pg(&r, text), 1);
}

/* What a statement returned moves too; its text writes the row. */
static void rows_that_a_change_returned_move_epochs(void **state)
{
    (void)state;
    static const struct stmt all_gone = {
        .name = "all_gone", .postgres = "delete from marks returning id", .lane = LANE_WRITE,
        .columns = &mark_columns[1], .ncolumns = 1, .change = true, .rows = -1,
        .bumps = { { EPOCH_RESOURCE, 0, true } }, .nbumps = 1, .index = -1,
    };
    struct asked a, added[3];
    struct change c;
    for (int i = 0; i < 3; i++)
        mark_remote(&r, i, &added[i]);
    settle();
    for (int answer = 0; answer < 2; answer++) { /* as the answer, and as no answer */
        struct epochs held = { 0 };
        struct uuid id = id_of(1);
        epochs_add(&held, EPOCH_RESOURCE, id.b, sizeof(id.b));
        change_init(&c, &r.f.arena);
        change_add(&c, &all_gone, NULL);
        if (!answer)
            c.answer = -1;
        told.times = 0;
        commit(&r, &c, &a);
        settle();
        assert_int_equal(a.rows.err, OK);
        assert_int_equal(a.rows.changed, answer ? 1 : 3);
        assert_int_equal(a.rows.count, answer ? 1 : 0);
        assert_false(epochs_fresh(&held));
        assert_int_equal(told.times, 1);
        assert_int_equal(told.number, 0);
        assert_int_equal(told.n, (answer ? 1 : 3) * 18);
        rows_fini(&a.rows);
        mark_remote(&r, 1, &a);
        settle();
    }
}

/* Two changes that lock the same rows in the opposite order, each sleeping in between. */
static void a_deadlock_is_tried_again(void **state)
{
    (void)state;
    static const struct stmt touch = {
        .name = "touch", .postgres = "update marks set id = id where n = $1::bigint",
        .lane = LANE_WRITE, .params = mark_number, .nparams = 1, .change = true, .rows = -1,
        .index = -1,
    };
    struct asked a, b, many[9];
    struct change c;
    pg(&r, "insert into marks values (1, null), (2, null)");
    for (int tries = 0; tries < 2; tries++) { /* the first opens the second connection */
        change_init(&c, &r.f.arena);
        change_of(&c, &touch, 1);
        change_sleep(&c, 0.3);
        change_of(&c, &touch, 2);
        commit(&r, &c, &a);
        change_init(&c, &r.f.arena);
        change_of(&c, &touch, 2);
        change_sleep(&c, 0.3);
        change_of(&c, &touch, 1);
        commit(&r, &c, &b);
        settle();
        assert_int_equal(a.rows.err, OK);
        assert_int_equal(b.rows.err, OK);
        rows_fini(&a.rows);
        rows_fini(&b.rows);
        if (tries == 0) {
            for (int i = 0; i < 9; i++)
                mark_remote(&r, 10 + i, &many[i]);
            assert_true(lane_gets(&r, LANE_WRITE, 2));
        }
    }
    int64_t seen = 0; /* the server counts a while later */
    for (int i = 0; i < 50 && !seen; i++) {
        usleep(50000);
        seen = pg(&r, "select deadlocks from pg_stat_database where datname = current_database()");
    }
    assert_true(seen > 0);
}

static void a_stale_plan_is_made_again(void **state)
{
    (void)state;
    struct asked a;
    struct uuid id = id_of(5);
    ask_startup_get(r.f.store, &r.f.arena, &id, &asked_new(&a)->rows, &a.wait);
    settle();
    assert_int_equal(a.rows.err, OK);
    int64_t connects = metric_read(METRIC_LANE_CONNECTS, LANE_READ);
    pg(&r, "alter table startups alter column name type varchar collate \"C\"");
    ask_startup_get(r.f.store, &r.f.arena, &id, &asked_new(&a)->rows, &a.wait);
    settle();
    assert_int_equal(a.rows.err, OK);
    assert_true(metric_read(METRIC_LANE_CONNECTS, LANE_READ) > connects);
}

static void behind_a_pooler_nothing_is_kept_in_a_session(void **state)
{
    (void)state;
    struct asked a, b;
    struct uuid id = id_of(5);
    store_close(r.f.store);
    settle();
    loop_fini();
    struct store_setup setup = remote_setup(&r);
    setup.pooler = true;
    remote_open(&r, &setup);
    mark_remote(&r, 1, &a);
    ask_startup_get(r.f.store, &r.f.arena, &id, &asked_new(&b)->rows, &b.wait);
    settle();
    assert_int_equal(a.rows.err, OK);
    assert_int_equal(b.rows.err, OK);
    assert_int_equal(told.times, 1);
    static const struct stmt prepared = {
        .name = "prepared", .postgres = "select count(*) as n from pg_prepared_statements",
        .lane = LANE_READ, .columns = mark_number, .ncolumns = 1, .rows = -1, .index = -1,
    };
    store_ask(r.f.store, &prepared, NULL, &asked_new(&a)->rows, &a.wait);
    settle();
    assert_true(rows_next(&a.rows));
    assert_int_equal(rows_int(&a.rows, 0), 0);
    rows_fini(&a.rows);
}

static void many_asks_of_a_turn_share_a_round_trip(void **state)
{
    (void)state;
    enum { MANY = 8 };
    struct asked asked[MANY];
    static const struct stmt when = { /* the same for all of one transaction */
        .name = "when", .postgres = "select (extract(epoch from now()) * 1000000)::bigint as n",
        .lane = LANE_READ, .columns = mark_number, .ncolumns = 1, .rows = -1, .index = -1,
    };
    for (int i = 0; i < MANY; i++)
        store_ask(r.f.store, &when, NULL, &asked_new(&asked[i])->rows, &asked[i].wait);
    settle();
    for (int i = 0; i < MANY; i++) {
        assert_true(rows_next(&asked[i].rows));
        assert_int_equal(rows_int(&asked[i].rows, 0), rows_int(&asked[0].rows, 0));
    }
    for (int i = 0; i < MANY; i++)
        rows_fini(&asked[i].rows);
}

static void close_now(void)
{
    store_close(r.f.store);
    r.f.store = NULL;
}

static void closing_answers_what_was_asked(void **state)
{
    (void)state;
    struct asked read, write, later;
    struct change c;
    change_init(&c, &r.f.arena);
    change_sleep(&c, 5);
    change_mark(&c, 1, 1);
    commit(&r, &c, &write);
    ask_sleep(&r, &sleep_read, 5, &read);
    int64_t begun = clock_mono_now();
    pass_then(500, close_now);
    assert_in_range(clock_mono_now() - begun, 400000, 2000000);
    assert_true(read.woken && write.woken);
    assert_int_equal(read.rows.err, ERR_UNAVAILABLE);
    assert_int_equal(write.rows.err, ERR_COMMIT_UNKNOWN);

    struct store_setup setup = remote_setup(&r);
    assert_int_equal(store_open(&r.f.store, &setup), OK);
    ask_stmt(&r.f, &rmark_get, 1, &later); /* not even connected */
    close_now();
    settle();
    assert_int_equal(later.rows.err, ERR_UNAVAILABLE);
}

static void a_url_that_is_none_is_refused(void **state)
{
    (void)state;
    struct store *s;
    const struct store_setup bad = { .where = "postgresql://a:b@c:port with blanks/%zz" };
    assert_true(store_is_remote(bad.where) && store_is_remote("postgres://x/y"));
    assert_false(store_is_remote("./postgres://x"));
    assert_int_equal(store_open(&s, &bad), ERR_INVALID);
    assert_true(store_shared(r.f.store));
    assert_non_null(strstr(store_says(r.f.store), "PostgreSQL at 127.0.0.1:"));
    assert_null(strstr(store_says(r.f.store), "gatehouse:"));
}

static int setup(void **state)
{
    (void)state;
    remote_make(&r);
    struct store_setup setup = remote_setup(&r);
    remote_open(&r, &setup);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fixture_close(&r.f);
    remote_remove(&r);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_type_comes_back_as_it_went),
        TEST(a_statement_that_gives_other_columns_fails),
        TEST(statements_of_the_schema_answer),
        TEST(a_failing_read_does_not_take_others_along),
        TEST(a_change_is_undone_whole),
        TEST(a_constraint_may_fail_at_the_commit),
        TEST(a_change_tells_what_it_moved),
        TEST(rows_that_a_change_returned_move_epochs),
        TEST(a_deadlock_is_tried_again),
        TEST(a_stale_plan_is_made_again),
        TEST(behind_a_pooler_nothing_is_kept_in_a_session),
        TEST(many_asks_of_a_turn_share_a_round_trip),
        TEST(closing_answers_what_was_asked),
        TEST(a_url_that_is_none_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
