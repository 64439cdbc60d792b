#include "fixture.h"

#include "../../../src/store/turn.h"

static struct fixture f;
static struct turn turn;

/* Takes all below n away and tells which; bumps each. */
static const struct stmt marks_take = {
    .name = "marks_take", .sqlite = "delete from marks where n < ?1 returning n, id",
    .params = mark_number, .nparams = 1, .columns = mark_columns, .ncolumns = 2, .change = true,
    .rows = -1, .bumps = { { EPOCH_RESOURCE, 1, true } }, .nbumps = 1, .index = -1,
};

static const struct stmt child_add = {
    .name = "child_add", .sqlite = "insert into children values (?1)", .params = mark_number,
    .nparams = 1, .change = true, .rows = 1, .otherwise = ERR_INTERNAL, .index = -1,
};

static const struct stmt broken_add = {
    .name = "broken_add", .sqlite = "insert into children values (null + ?1)",
    .params = mark_number, .nparams = 1, .change = true, .rows = 1, .otherwise = ERR_INTERNAL,
    .index = -1,
};

static const struct stmt endless_change = {
    .name = "endless_change",
    .sqlite = "insert into marks select count(*), null from (" ENDLESS ")", .change = true,
    .rows = -1, .index = -1,
};

static const struct stmt blob_add = {
    .name = "blob_add", .sqlite = "insert into blobs values (zeroblob(?1))",
    .params = mark_number, .nparams = 1, .change = true, .rows = 1, .otherwise = ERR_INTERNAL,
    .index = -1,
};

/* While the test holds the turn the writer waits: what is committed meanwhile becomes one group,
 * but for what it had taken already. */
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
        if (i == 20) { /* the second statement is a duplicate: the first must not stay either */
            const struct value ok[] = { { .type = VALUE_INT, .i = 1007 },
                                        { .type = VALUE_UUID, .uuid = bad_id } };
            const struct value twice[] = { { .type = VALUE_INT, .i = 0 },
                                           { .type = VALUE_UUID, .uuid = bad_id } };
            struct change c;
            change_init(&c, &f.arena);
            change_add(&c, &mark_add, ok);
            change_add(&c, &mark_add, twice);
            store_commit(f.store, &c, &asked_new(&asked[MANY])->rows, &asked[MANY].wait);
            commit_stmt(&f, &mark_del, 99999, &stale);
        }
        mark(&f, i, &asked[i]);
    }
    turn_give(&turn);
    settle();

    for (int i = 0; i < MANY; i++)
        assert_int_equal(asked[i].rows.err, OK);
    assert_int_equal(asked[MANY].rows.err, ERR_EXISTS);
    assert_int_equal(stale.rows.err, ERR_STALE);
    assert_int_equal(marks(&f), MANY);
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
    mark(&f, 1, &a);
    settle();
    assert_int_equal(a.rows.err, ERR_EXISTS);
    assert_true(epochs_fresh(&e));
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

    commit_stmt(&f, &marks_take, 100, &a);
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
    assert_int_equal(marks(&f), 0);
}

static void a_missing_or_needed_row_is_in_use(void **state)
{
    (void)state;
    struct asked a, b;
    commit_stmt(&f, &child_add, 1, &a);
    settle();
    assert_int_equal(a.rows.err, ERR_IN_USE);
    mark(&f, 1, &a);
    commit_stmt(&f, &child_add, 1, &b);
    settle();
    assert_int_equal(a.rows.err, OK);
    assert_int_equal(b.rows.err, OK);
    commit_stmt(&f, &mark_del, 1, &a);
    settle();
    assert_int_equal(a.rows.err, ERR_IN_USE);
}

static void a_statement_that_cannot_run_is_unavailable(void **state)
{
    (void)state;
    struct asked a, b;
    assert_int_equal(turn_take(&turn, clock_mono_now() + SECOND), OK);
    commit_stmt(&f, &broken_add, 1, &a);
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
    assert_int_equal(marks(&f), 10);
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
    assert_int_equal(marks(&f), 1);
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

static void a_large_log_is_checkpointed(void **state)
{
    (void)state;
    static struct asked asked[64];
    for (int round = 0; round < 8; round++) {
        for (int i = 0; i < 64; i++)
            commit_stmt(&f, &blob_add, 60000, &asked[i]);
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
    sql(&f, "create table children (mark bigint not null references marks (n))");
    sql(&f, "create table blobs (b bytea)");
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
        TEST(a_large_log_is_checkpointed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
