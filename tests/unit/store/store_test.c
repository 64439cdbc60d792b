#include "fixture.h"

#include "../../../src/store/turn.h"

static struct fixture f;
static struct turn turn;

/* ---- statements on tables of the test ---- */

static const struct slot kinds[] = {
    { "a", VALUE_UUID, true }, { "b", VALUE_TEXT, true }, { "c", VALUE_JSON, true }, { "d", VALUE_BYTES, true },
    { "e", VALUE_INT, true },  { "f", VALUE_TIME, true }, { "g", VALUE_BOOL, true }, { "h", VALUE_REAL, true },
};
#define KINDS_MAKE                                                                                 \
    "create table kinds (a uuid, b text, c text, d bytea, e bigint, f bigint, g boolean, "         \
    "h double precision)"
static const struct stmt kinds_add = {
    .name = "kinds_add", .sqlite = "insert into kinds values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)", .params = kinds,
    .nparams = 8, .change = true, .rows = 1, .otherwise = ERR_INTERNAL, .index = -1,
};
static const struct stmt kinds_all = {
    .name = "kinds_all", .sqlite = "select a, b, c, d, e, f, g, h from kinds order by rowid", .columns = kinds,
    .ncolumns = 8, .rows = -1, .index = -1,
};

static const struct slot n_param[] = { { "n", VALUE_INT, false } };
static const struct slot mark_columns[] = { { "n", VALUE_INT, false }, { "id", VALUE_UUID, true } };
static const struct stmt mark_get = {
    .name = "mark_get", .sqlite = "select n, id from marks where n = ?1", .params = n_param, .nparams = 1,
    .columns = mark_columns, .ncolumns = 2, .rows = -1, .index = -1,
};
static const struct stmt marks_below = {
    .name = "marks_below", .sqlite = "select n, id from marks where n < ?1 order by n", .params = n_param,
    .nparams = 1, .columns = mark_columns, .ncolumns = 2, .rows = -1, .index = -1,
};
static const struct stmt mark_del = {
    .name = "mark_del", .sqlite = "delete from marks where n = ?1", .params = n_param, .nparams = 1, .change = true,
    .rows = 1, .otherwise = ERR_STALE, .index = -1,
};
/* Takes all below n away and tells which; bumps each. */
static const struct stmt marks_take = {
    .name = "marks_take", .sqlite = "delete from marks where n < ?1 returning n, id", .params = n_param, .nparams = 1,
    .columns = mark_columns, .ncolumns = 2, .change = true, .rows = -1,
    .bumps = { { EPOCH_RESOURCE, 1, true } }, .nbumps = 1, .index = -1,
};
static const struct stmt child_add = {
    .name = "child_add", .sqlite = "insert into children values (?1)", .params = n_param, .nparams = 1,
    .change = true, .rows = 1, .otherwise = ERR_INTERNAL, .index = -1,
};
static const struct stmt broken_add = {
    .name = "broken_add", .sqlite = "insert into children values (null + ?1)", .params = n_param, .nparams = 1,
    .change = true, .rows = 1, .otherwise = ERR_INTERNAL, .index = -1,
};

#define ENDLESS "with recursive t (n) as (select 1 union all select n + 1 from t) select count(*) as n from t"
static const struct stmt endless_read = {
    .name = "endless_read", .sqlite = ENDLESS, .columns = n_param, .ncolumns = 1, .rows = -1, .index = -1,
};
static const struct stmt endless_change = {
    .name = "endless_change", .sqlite = "insert into marks select count(*), null from (" ENDLESS ")", .change = true,
    .rows = -1, .index = -1,
};

static struct asked *ask(const struct stmt *stmt, int64_t n, struct asked *a)
{
    struct value *v = arena_alloc(&f.arena, sizeof(*v));
    *v = (struct value){ .type = VALUE_INT, .i = n };
    store_ask(f.store, stmt, v, &asked_new(a)->rows, &a->wait);
    return a;
}

/* Commits a change of one statement that takes a number. */
static void commit(const struct stmt *stmt, int64_t n, struct asked *a)
{
    struct change c;
    const struct value v = { .type = VALUE_INT, .i = n };
    change_init(&c, &f.arena);
    change_add(&c, stmt, &v);
    store_commit(f.store, &c, &asked_new(a)->rows, &a->wait);
}

static int64_t marks(void)
{
    return sql(&f, "select count(*) from marks");
}

/* ---- reads ---- */

static void an_ask_never_completes_inside_the_call(void **state)
{
    (void)state;
    struct asked a;
    ask(&mark_get, 1, &a);
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

static void check_kinds(const struct rows *rows, const struct value values[8])
{
    for (int i = 0; i < 8; i++) {
        struct value got = rows_value(rows, i);
        assert_int_equal(got.type, values[i].type);
        assert_int_equal(got.null, values[i].null);
        if (got.null)
            continue;
        if (got.type == VALUE_UUID)
            assert_true(uuid_eq(&got.uuid, &values[i].uuid));
        else if (got.type == VALUE_REAL)
            assert_true(got.real == values[i].real);
        else if (got.type >= VALUE_INT)
            assert_int_equal(got.i, values[i].i);
        else
            assert_true(str_eq(got.text, values[i].text));
    }
}

static void every_type_comes_back_as_it_went(void **state)
{
    (void)state;
    static char big[700000];
    memset(big, '{', sizeof(big));
    const struct value rows[][8] = {
        { { VALUE_UUID, false, { .uuid = id_of(-1) } }, { VALUE_TEXT, false, { .text = STR("h\xc3\xa9llo '\"") } },
          { VALUE_JSON, false, { .text = STR("{\"a\":1}") } }, { VALUE_BYTES, false, { .text = STR("\0\xff\0") } },
          { VALUE_INT, false, { .i = INT64_MIN } }, { VALUE_TIME, false, { .i = 1763596800000000 } },
          { VALUE_BOOL, false, { .i = 1 } }, { VALUE_REAL, false, { .real = 0.1 } } },
        { { VALUE_UUID, true, { .i = 0 } }, { VALUE_TEXT, true, { .i = 0 } }, { VALUE_JSON, true, { .i = 0 } },
          { VALUE_BYTES, true, { .i = 0 } }, { VALUE_INT, true, { .i = 0 } }, { VALUE_TIME, true, { .i = 0 } },
          { VALUE_BOOL, true, { .i = 0 } }, { VALUE_REAL, true, { .i = 0 } } },
        { { VALUE_UUID, false, { .i = 0 } }, { VALUE_TEXT, false, { .text = STR("") } },
          { VALUE_JSON, false, { .text = STR_NONE } }, { VALUE_BYTES, false, { .text = STR_NONE } },
          { VALUE_INT, false, { .i = INT64_MAX } }, { VALUE_TIME, false, { .i = 0 } },
          { VALUE_BOOL, false, { .i = 0 } }, { VALUE_REAL, false, { .real = -1e300 } } },
        { { VALUE_UUID, false, { .uuid = id_of(3) } }, { VALUE_TEXT, false, { .text = { big, sizeof(big) } } },
          { VALUE_JSON, false, { .text = { big, 70000 } } }, { VALUE_BYTES, false, { .text = { big, sizeof(big) } } },
          { VALUE_INT, false, { .i = 0 } }, { VALUE_TIME, false, { .i = -1 } }, { VALUE_BOOL, false, { .i = 1 } },
          { VALUE_REAL, false, { .real = 5 } } },
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
    ask(&mark_get, 1, &quick);
    store_ask(f.store, &endless_read, NULL, &asked_new(&slow)->rows, &slow.wait);
    settle();
    assert_int_equal(slow.rows.err, ERR_UNAVAILABLE);
    assert_int_equal(quick.rows.err, OK);
    assert_in_range(clock_mono_now() - begun, 150000, 2000000);
    ask(&mark_get, 1, &quick);
    settle();
    assert_int_equal(quick.rows.err, OK);
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
        ask(&mark_get, i, &asked[i]);
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

/* ---- changes ---- */

/* While the test holds the turn the writer waits: what is committed meanwhile becomes one group, but for what it had
 * taken already. */
static void one_bad_change_spoils_no_other(void **state)
{
    (void)state;
    enum { MANY = 40 };
    static struct asked asked[MANY + 2], stale;
    struct epochs good, bad;
    struct uuid good_id = id_of(7), bad_id = id_of(1007);
    good = bad = (struct epochs){ 0 };
    epochs_add(&good, EPOCH_RESOURCE, good_id.b, 16);
    epochs_add(&bad, EPOCH_RESOURCE, bad_id.b, 16);
    int64_t commits = metric_read(METRIC_STORE_COMMITS, 0),
            changes = metric_read(METRIC_STORE_CHANGES, 0);

    assert_int_equal(turn_take(&turn, clock_mono_now() + SECOND), OK);
    for (int i = 0; i < MANY; i++) {
        if (i == 20) { /* a change of two, of which the second is a duplicate: its first must not stay */
            const struct value ok[] = { { .type = VALUE_INT, .i = 1007 },
                                        { .type = VALUE_UUID, .uuid = bad_id } };
            const struct value twice[] = { { .type = VALUE_INT, .i = 0 },
                                           { .type = VALUE_UUID, .uuid = bad_id } };
            struct change c;
            change_init(&c, &f.arena);
            change_add(&c, &mark_add, ok);
            change_add(&c, &mark_add, twice);
            store_commit(f.store, &c, &asked_new(&asked[MANY])->rows, &asked[MANY].wait);
            commit(&mark_del, 99999, &stale);
        }
        mark(&f, i, &asked[i]);
    }
    turn_give(&turn);
    settle();

    for (int i = 0; i < MANY; i++)
        assert_int_equal(asked[i].rows.err, OK);
    assert_int_equal(asked[MANY].rows.err, ERR_EXISTS);
    assert_int_equal(stale.rows.err, ERR_STALE);
    assert_int_equal(marks(), MANY);
    assert_false(epochs_fresh(&good));
    assert_true(epochs_fresh(&bad));
    assert_in_range(metric_read(METRIC_STORE_COMMITS, 0) - commits, 1, 2);
    assert_int_equal(metric_read(METRIC_STORE_CHANGES, 0) - changes, MANY);
}

static struct epochs seen;
static bool fresh_at_wake;

static void look_at_wake(struct wait *w)
{
    fresh_at_wake = epochs_fresh(&seen);
    asked_woken(w);
}

static void epochs_have_moved_when_the_asker_wakes(void **state)
{
    (void)state;
    struct asked a;
    struct uuid id = id_of(1);
    seen = (struct epochs){ 0 };
    epochs_add(&seen, EPOCH_RESOURCE, id.b, 16);
    fresh_at_wake = true;
    mark(&f, 1, &a);
    a.wait.wake = look_at_wake;
    settle();
    assert_true(a.woken);
    assert_false(fresh_at_wake);
}

static void a_failed_change_moves_no_epoch(void **state)
{
    (void)state;
    struct asked a;
    struct uuid id = id_of(1);
    mark(&f, 1, &a);
    settle();
    struct epochs e = { 0 };
    epochs_add(&e, EPOCH_RESOURCE, id.b, 16);
    uint64_t total = epoch_total();
    mark(&f, 1, &a);
    settle();
    assert_int_equal(a.rows.err, ERR_EXISTS);
    assert_true(epochs_fresh(&e));
    assert_int_equal(epoch_total(), total);
}

static void returned_rows_name_their_epochs(void **state)
{
    (void)state;
    struct asked a, b;
    struct epochs in = { 0 }, out = { 0 };
    struct uuid two = id_of(2), nine = id_of(9);
    mark(&f, 2, &a);
    mark(&f, 9, &b);
    settle();
    epochs_add(&in, EPOCH_RESOURCE, two.b, 16);
    epochs_add(&out, EPOCH_RESOURCE, nine.b, 16);

    /* Not the answer of its change: the rows go to nobody, and the epochs move all the same. */
    const struct value five = { .type = VALUE_INT, .i = 5 }, none = { .type = VALUE_INT, .i = 0 };
    struct change c;
    change_init(&c, &f.arena);
    change_add(&c, &marks_take, &none);
    change_add(&c, &marks_take, &five);
    store_commit(f.store, &c, &asked_new(&a)->rows, &a.wait);
    settle();
    assert_int_equal(a.rows.err, OK);
    assert_int_equal(a.rows.count, 0);
    assert_int_equal(a.rows.changed, 1);
    assert_false(epochs_fresh(&in));
    assert_true(epochs_fresh(&out));

    commit(&marks_take, 100, &a);
    settle();
    assert_int_equal(a.rows.count, 1);
    assert_true(rows_next(&a.rows));
    assert_int_equal(rows_int(&a.rows, 0), 9);
    assert_false(epochs_fresh(&out));
    rows_fini(&a.rows);
}

static void expectations_undo_the_whole_change(void **state)
{
    (void)state;
    struct asked a;
    struct change c;
    const struct value row[] = { { .type = VALUE_INT, .i = 1 },
                                 { .type = VALUE_UUID, .null = true } };
    const struct value missing = { .type = VALUE_INT, .i = 77 };
    change_init(&c, &f.arena);
    change_add(&c, &mark_add, row);
    change_add(&c, &mark_del, &missing);
    store_commit(f.store, &c, &asked_new(&a)->rows, &a.wait);
    settle();
    assert_int_equal(a.rows.err, ERR_STALE);
    assert_int_equal(marks(), 0);
}

static void a_missing_or_needed_row_is_in_use(void **state)
{
    (void)state;
    struct asked a, b;
    commit(&child_add, 1, &a);
    settle();
    assert_int_equal(a.rows.err, ERR_IN_USE);
    mark(&f, 1, &a);
    commit(&child_add, 1, &b);
    settle();
    assert_int_equal(a.rows.err, OK);
    assert_int_equal(b.rows.err, OK);
    commit(&mark_del, 1, &a);
    settle();
    assert_int_equal(a.rows.err, ERR_IN_USE);
}

static void a_statement_that_cannot_run_is_unavailable(void **state)
{
    (void)state;
    struct asked a, b;
    assert_int_equal(turn_take(&turn, clock_mono_now() + SECOND), OK);
    commit(&broken_add, 1, &a);
    mark(&f, 1, &b);
    turn_give(&turn);
    settle();
    assert_int_equal(a.rows.err, ERR_UNAVAILABLE);
    assert_int_equal(b.rows.err, OK);
}

/* SQLite ends the whole transaction of an interrupted change; the others must not pay for it. */
static void a_slow_change_takes_no_other_with_it(void **state)
{
    (void)state;
    static struct asked before[5], after[5], slow;
    assert_int_equal(turn_take(&turn, clock_mono_now() + SECOND), OK);
    for (int i = 0; i < 5; i++)
        mark(&f, i, &before[i]);
    config.database_timeout_ms = 100;
    store_commit(f.store,
                 &(struct change){ .n = 1, .answer = -1, .at = { { &endless_change, NULL } } },
                 &asked_new(&slow)->rows, &slow.wait);
    config.database_timeout_ms = 10000;
    for (int i = 0; i < 5; i++)
        mark(&f, 10 + i, &after[i]);
    turn_give(&turn);
    settle();
    assert_int_equal(slow.rows.err, ERR_UNAVAILABLE);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(before[i].rows.err, OK);
        assert_int_equal(after[i].rows.err, OK);
    }
    assert_int_equal(marks(), 10);
}

static void a_change_that_gets_no_turn_is_given_up(void **state)
{
    (void)state;
    struct asked a, b;
    config.database_timeout_ms = 100;
    assert_int_equal(turn_take(&turn, clock_mono_now() + SECOND), OK);
    mark(&f, 1, &a);
    settle();
    assert_int_equal(a.rows.err, ERR_UNAVAILABLE);
    turn_give(&turn);
    mark(&f, 2, &b);
    settle();
    assert_int_equal(b.rows.err, OK);
    assert_int_equal(marks(), 1);
}

static void a_lock_of_another_program_is_waited_for(void **state)
{
    (void)state;
    struct asked a, b;
    sqlite3 *other;
    assert_int_equal(sqlite3_open_v2(f.path, &other, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "begin immediate", NULL, NULL, NULL), SQLITE_OK);
    config.database_timeout_ms = 100;
    mark(&f, 1, &a);
    settle();
    assert_int_equal(a.rows.err, ERR_UNAVAILABLE);

    config.database_timeout_ms = 10000;
    mark(&f, 2, &b);
    usleep(50000);
    assert_int_equal(sqlite3_exec(other, "commit", NULL, NULL, NULL), SQLITE_OK);
    settle();
    assert_int_equal(b.rows.err, OK);
    sqlite3_close(other);
}

static void closing_completes_what_was_asked(void **state)
{
    (void)state;
    enum { MANY = 300 };
    static struct asked reads[MANY], writes[MANY];
    for (int i = 0; i < MANY; i++) {
        mark(&f, i, &writes[i]);
        ask(&mark_get, i, &reads[i]);
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
    assert_int_equal(marks(), MANY);
}

/* Rows written before an ask are seen by it: a reader's snapshot is never older than the ask. */
static void a_read_sees_what_was_acknowledged(void **state)
{
    (void)state;
    struct asked a, b;
    for (int i = 0; i < 50; i++) {
        mark(&f, i, &a);
        settle();
        ask(&marks_below, 1000, &b);
        settle();
        assert_int_equal(b.rows.count, i + 1);
        rows_fini(&b.rows);
    }
}

static void a_large_log_is_checkpointed(void **state)
{
    (void)state;
    static struct asked asked[64];
    static char big[60000];
    const struct value row[8] = {
        { VALUE_UUID, true, { .i = 0 } }, { VALUE_TEXT, true, { .i = 0 } }, { VALUE_JSON, true, { .i = 0 } },
        { VALUE_BYTES, false, { .text = { big, sizeof(big) } } }, { VALUE_INT, true, { .i = 0 } },
        { VALUE_TIME, true, { .i = 0 } }, { VALUE_BOOL, true, { .i = 0 } }, { VALUE_REAL, true, { .i = 0 } },
    };
    for (int round = 0; round < 8; round++) {
        for (int i = 0; i < 64; i++) {
            struct change c;
            change_init(&c, &f.arena);
            change_add(&c, &kinds_add, row);
            store_commit(f.store, &c, &asked_new(&asked[i])->rows, &asked[i].wait);
        }
        settle();
        for (int i = 0; i < 64; i++)
            assert_int_equal(asked[i].rows.err, OK);
    }
    char wal[300];
    snprintf(wal, sizeof(wal), "%s-wal", f.path);
    FILE *file = fopen(wal, "r");
    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    assert_in_range(ftell(file), 1, 12 << 20); /* 30 MB went through it */
    fclose(file);
}

static int setup(void **state)
{
    (void)state;
    fixture_make(&f);
    sql(&f, MARKS_MAKE);
    sql(&f, KINDS_MAKE);
    sql(&f, "create table children (mark bigint not null references marks (n))");
    turn_init(&turn);
    fixture_open(&f, &turn);
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
        TEST(too_many_reads_are_refused_at_once),
        TEST(ping_answers),
        TEST(one_bad_change_spoils_no_other),
        TEST(epochs_have_moved_when_the_asker_wakes),
        TEST(a_failed_change_moves_no_epoch),
        TEST(returned_rows_name_their_epochs),
        TEST(expectations_undo_the_whole_change),
        TEST(a_missing_or_needed_row_is_in_use),
        TEST(a_statement_that_cannot_run_is_unavailable),
        TEST(a_slow_change_takes_no_other_with_it),
        TEST(a_change_that_gets_no_turn_is_given_up),
        TEST(a_lock_of_another_program_is_waited_for),
        TEST(closing_completes_what_was_asked),
        TEST(a_read_sees_what_was_acknowledged),
        TEST(a_large_log_is_checkpointed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
