#include "kinds.h"

static struct fixture f;

#define KINDS_MAKE                                                                                 \
    "create table kinds (a uuid, b text, c text, d bytea, e bigint, f bigint, g boolean, "         \
    "h double precision)"
static const struct stmt kinds_add = {
    .name = "kinds_add", .sqlite = "insert into kinds values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    .params = kinds, .nparams = 8, .change = true, .rows = 1, .otherwise = ERR_INTERNAL,
    .index = -1,
};

static const struct stmt kinds_all = {
    .name = "kinds_all", .sqlite = "select a, b, c, d, e, f, g, h from kinds order by rowid",
    .columns = kinds, .ncolumns = 8, .rows = -1, .index = -1,
};

static const struct stmt marks_below = {
    .name = "marks_below", .sqlite = "select n, id from marks where n < ?1 order by n",
    .params = mark_number, .nparams = 1, .columns = mark_columns, .ncolumns = 2, .rows = -1,
    .index = -1,
};

static const struct stmt endless_read = {
    .name = "endless_read", .sqlite = ENDLESS, .columns = mark_number, .ncolumns = 1, .rows = -1,
    .index = -1,
};

static void an_ask_never_completes_inside_the_call(void **state)
{
    (void)state;
    struct asked a;
    ask_stmt(&f, &mark_get, 1, &a);
    assert_true(a.wait.open && !a.woken);
    settle();
    assert_true(a.woken && !a.wait.open);
    assert_int_equal(a.rows.err, OK);
    assert_int_equal(a.rows.count, 0);
    assert_false(rows_next(&a.rows));
}

static void add_kinds(const struct value values[8])
{
    struct change c;
    struct asked a;
    change_init(&c, &f.arena);
    change_add(&c, &kinds_add, values);
    store_commit(f.store, &c, &asked_new(&a)->rows, &a.wait);
    settle();
    assert_int_equal(a.rows.err, OK);
}

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
            { VALUE_TEXT, false, { .text = STR("") } },
            { VALUE_JSON, false, { .text = STR_NONE } },
            { VALUE_BYTES, false, { .text = STR_NONE } },
            { VALUE_INT, false, { .i = INT64_MAX } },
            { VALUE_TIME, false, { .i = 0 } },
            { VALUE_BOOL, false, { .i = 0 } },
            { VALUE_REAL, false, { .real = -1e300 } },
        },
        {
            { VALUE_UUID, false, { .uuid = id_of(3) } },
            { VALUE_TEXT, false, { .text = { big, sizeof(big) } } },
            { VALUE_JSON, false, { .text = { big, 70000 } } },
            { VALUE_BYTES, false, { .text = { big, sizeof(big) } } },
            { VALUE_INT, false, { .i = 0 } },
            { VALUE_TIME, false, { .i = -1 } },
            { VALUE_BOOL, false, { .i = 1 } },
            { VALUE_REAL, false, { .real = 5 } },
        },
    };
    for (int i = 0; i < 4; i++)
        add_kinds(rows[i]);
    struct asked a;
    store_ask(f.store, &kinds_all, NULL, &asked_new(&a)->rows, &a.wait);
    settle();
    assert_int_equal(a.rows.count, 4);
    for (int i = 0; i < 4; i++) {
        assert_true(rows_next(&a.rows));
        check_kinds(&a.rows, rows[i]);
    }
    rows_fini(&a.rows);
}

static void params_that_found_no_memory_fail_the_ask(void **state)
{
    (void)state;
    struct asked a, b;
    struct change c;
    const struct value one = { .type = VALUE_INT, .i = 1 };
    store_ask(f.store, &mark_get, NULL, &asked_new(&a)->rows, &a.wait);
    change_init(&c, &f.arena);
    change_add(&c, &mark_del, &one);
    c.at[0].params = NULL;
    store_commit(f.store, &c, &asked_new(&b)->rows, &b.wait);
    assert_false(a.woken || b.woken);
    settle();
    assert_int_equal(a.rows.err, ERR_NO_MEMORY);
    assert_int_equal(b.rows.err, ERR_NO_MEMORY);
}

static void a_read_that_takes_too_long_is_given_up(void **state)
{
    (void)state;
    struct asked slow, quick;
    config.database_timeout_ms = 150;
    int64_t begun = clock_mono_now();
    ask_stmt(&f, &mark_get, 1, &quick);
    store_ask(f.store, &endless_read, NULL, &asked_new(&slow)->rows, &slow.wait);
    settle();
    assert_int_equal(slow.rows.err, ERR_UNAVAILABLE);
    assert_int_equal(quick.rows.err, OK);
    assert_in_range(clock_mono_now() - begun, 150000, 2000000);
    ask_stmt(&f, &mark_get, 1, &quick);
    settle();
    assert_int_equal(quick.rows.err, OK);
}

static void a_read_that_waited_too_long_is_not_begun(void **state)
{
    (void)state;
    static struct asked slow[2], late;
    config.database_timeout_ms = 300;
    for (int i = 0; i < 2; i++)
        store_ask(f.store, &endless_read, NULL, &asked_new(&slow[i])->rows, &slow[i].wait);
    config.database_timeout_ms = 100;
    ask_stmt(&f, &mark_get, 1, &late);
    settle();
    assert_int_equal(late.rows.err, ERR_UNAVAILABLE);
}

static void too_many_reads_are_refused_at_once(void **state)
{
    (void)state;
    enum { MANY = 1400 };
    static struct asked asked[MANY], slow[2];
    int64_t failed = metric_read(METRIC_STORE_ASKS, 1);
    config.database_timeout_ms = 300;
    for (int i = 0; i < 2; i++) /* both readers are taken */
        store_ask(f.store, &endless_read, NULL, &asked_new(&slow[i])->rows, &slow[i].wait);
    for (int i = 0; i < MANY; i++)
        ask_stmt(&f, &mark_get, i, &asked[i]);
    assert_int_equal(metric_read(METRIC_STORE_QUEUED, 0), MANY + 2);
    settle();

    int refused = 0;
    for (int i = 0; i < MANY; i++) {
        assert_true(asked[i].woken);
        refused += asked[i].rows.err == ERR_OVERLOADED;
    }
    assert_in_range(refused, MANY - 1024 - 2, MANY - 1024 + 2);
    assert_int_equal(asked[MANY - 1].rows.err, ERR_OVERLOADED);
    assert_int_not_equal(asked[0].rows.err, ERR_OVERLOADED);
    assert_int_equal(metric_read(METRIC_STORE_QUEUED, 0), 0);
    assert_true(metric_read(METRIC_STORE_ASKS, 1) - failed >= refused + 2);
}

static void ping_answers(void **state)
{
    (void)state;
    struct asked a;
    store_ping(f.store, &asked_new(&a)->rows, &a.wait);
    settle();
    assert_int_equal(a.rows.err, OK);
    assert_true(rows_next(&a.rows));
    assert_int_equal(rows_int(&a.rows, 0), migrations_count);
    rows_fini(&a.rows);
}

/* Rows written before an ask are seen by it: a reader's snapshot is never older than the ask. */
static void a_read_sees_what_was_acknowledged(void **state)
{
    (void)state;
    struct asked a, b;
    for (int i = 0; i < 50; i++) {
        mark(&f, i, &a);
        settle();
        ask_stmt(&f, &marks_below, 1000, &b);
        settle();
        assert_int_equal(b.rows.count, i + 1);
        rows_fini(&b.rows);
    }
}

static void closing_completes_what_was_asked(void **state)
{
    (void)state;
    enum { MANY = 300 };
    static struct asked reads[MANY], writes[MANY];
    for (int i = 0; i < MANY; i++) {
        mark(&f, i, &writes[i]);
        ask_stmt(&f, &mark_get, i, &reads[i]);
    }
    store_close(f.store);
    f.store = NULL;
    settle();
    for (int i = 0; i < MANY; i++) {
        assert_true(reads[i].woken && writes[i].woken);
        assert_int_equal(reads[i].rows.err, OK);
        assert_int_equal(writes[i].rows.err, OK);
        rows_fini(&reads[i].rows);
    }
    assert_int_equal(marks(&f), MANY);
}

static int setup(void **state)
{
    (void)state;
    fixture_make(&f);
    sql(&f, MARKS_MAKE);
    sql(&f, KINDS_MAKE);
    fixture_open(&f, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fixture_close(&f);
    fixture_remove(&f);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_ask_never_completes_inside_the_call),
        TEST(every_type_comes_back_as_it_went),
        TEST(params_that_found_no_memory_fail_the_ask),
        TEST(a_read_that_takes_too_long_is_given_up),
        TEST(a_read_that_waited_too_long_is_not_begun),
        TEST(too_many_reads_are_refused_at_once),
        TEST(ping_answers),
        TEST(a_read_sees_what_was_acknowledged),
        TEST(closing_completes_what_was_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
