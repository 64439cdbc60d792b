/* Every statement of sql/ against a migrated database. */
#include "database.h"

static void every_statement_prepares_with_its_columns(void **state)
{
    struct fixture *f = *state;
    sqlite3 *db;
    assert_int_equal(sqlite3_open_v2(f->path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    for (int i = 0; i < stmts_count; i++) {
        const struct stmt *stmt = stmts[i];
        sqlite3_stmt *p;
        if (sqlite3_prepare_v2(db, stmt->sqlite, -1, &p, NULL) != SQLITE_OK)
            fail_msg("%s: %s", stmt->name, sqlite3_errmsg(db));
        if (sqlite3_column_count(p) != stmt->ncolumns)
            fail_msg("%s gives %d columns and declares %d", stmt->name, sqlite3_column_count(p),
                     stmt->ncolumns);
        for (int k = 0; k < stmt->ncolumns; k++)
            if (strcmp(sqlite3_column_name(p, k), stmt->columns[k].name) != 0)
                fail_msg("%s calls column %d %s and declares %s", stmt->name, k,
                         sqlite3_column_name(p, k), stmt->columns[k].name);
        if (sqlite3_bind_parameter_count(p) != stmt->nparams)
            fail_msg("%s has another number of parameters than it declares", stmt->name);
        if ((sqlite3_stmt_readonly(p) != 0) == stmt->change)
            fail_msg("%s is no %s", stmt->name, stmt->change ? "change" : "read");
        if (stmt->index != i)
            fail_msg("%s has another index", stmt->name);
        sqlite3_finalize(p);
    }
    sqlite3_close(db);
}

/* A value that any column takes; roles exist under that name. */
static struct value value_for(const struct slot *slot, bool null)
{
    struct value v = { .type = slot->type, .null = null && slot->null };
    switch (slot->type) {
    case VALUE_UUID:
        v.uuid = id_of(1);
        break;
    case VALUE_TEXT:
        v.text = STR("viewer");
        break;
    case VALUE_JSON:
        v.text = STR("{}");
        break;
    case VALUE_BYTES:
        v.text = STR("\x01\x02");
        break;
    case VALUE_REAL:
        v.real = 1.5;
        break;
    default:
        v.i = 1;
    }
    return v;
}

/* What a statement may say of data that it does not know; anything else is a mistake in it. */
static bool is_answer(const struct stmt *stmt, enum err err)
{
    return err == OK || err == ERR_EXISTS || err == ERR_IN_USE ||
           (stmt->rows >= 0 && err == stmt->otherwise);
}

static void every_statement_runs(void **state)
{
    struct fixture *f = *state;
    fixture_open(f, NULL);
    for (int i = 0; i < 2 * stmts_count; i++) {
        const struct stmt *stmt = stmts[i / 2];
        struct value values[STMT_PARAMS_MAX];
        for (int k = 0; k < stmt->nparams; k++)
            values[k] = value_for(&stmt->params[k], i % 2);
        struct asked a;
        asked_new(&a);
        if (stmt->change) {
            struct change c;
            change_init(&c, &f->arena);
            change_add(&c, stmt, values);
            store_commit(f->store, &c, &a.rows, &a.wait);
        } else {
            store_ask(f->store, stmt, values, &a.rows, &a.wait);
        }
        settle();
        assert_true(a.woken);
        if (!is_answer(stmt, a.rows.err))
            fail_msg("%s: %s", stmt->name, err_info(a.rows.err)->code);
        rows_fini(&a.rows);
    }
    fixture_close(f);
}

static void typed_functions_reach_their_statements(void **state)
{
    struct fixture *f = *state;
    fixture_open(f, NULL);
    struct uuid id = id_of(5), owner = id_of(6);
    struct change c;
    struct asked added, got, listed;
    change_init(&c, &f->arena);
    add_user_add(&c, &owner, STR("a@example.org"), STR("-"), STR("user"), STR("active"), STR("{}"),
                 11);
    add_startup_add(&c, &id, &owner, STR("Acme"), STR_NONE, STR("seed"), STR("new"), STR("{}"), 12);
    store_commit(f->store, &c, &asked_new(&added)->rows, &added.wait);
    settle();
    assert_int_equal(added.rows.err, OK);
    assert_int_equal(added.rows.changed, 2);

    ask_startup_get(f->store, &f->arena, &id, &asked_new(&got)->rows, &got.wait);
    ask_startup_list(f->store, &f->arena, 1, &owner, STR_NONE, STR_NONE, STR_NONE, NULL, NULL, 0,
                     10, &asked_new(&listed)->rows, &listed.wait);
    settle();
    assert_true(rows_next(&got.rows));
    assert_true(str_eq(rows_text(&got.rows, COL_STARTUP_NAME), STR("Acme")));
    assert_true(rows_null(&got.rows, COL_STARTUP_INDUSTRY));
    assert_int_equal(rows_int(&got.rows, COL_STARTUP_CREATED_AT), 12);
    assert_int_equal(listed.rows.count, 1);
    rows_fini(&got.rows);
    rows_fini(&listed.rows);
    fixture_close(f);
}

/* Reads the list in pages of two; the rows are id_of(100) to id_of(106) in both of its orders. */
static void read_pages(struct fixture *f, const struct uuid *owner, int order, int key_column)
{
    struct asked a;
    struct value key = { .type = stmt_startup_list[order].columns[key_column].type, .null = true };
    struct uuid after = { { 0 } };
    int seen = 0;
    for (int count = 2; count == 2;) {
        ask_startup_list(f->store, &f->arena, order, owner, STR_NONE, STR_NONE, STR_NONE, &key,
                         key.null ? NULL : &after, 0, 2, &asked_new(&a)->rows, &a.wait);
        settle();
        assert_int_equal(a.rows.err, OK);
        count = a.rows.count;
        while (rows_next(&a.rows)) {
            struct uuid expected = id_of(100 + (order % 2 ? 6 - seen : seen));
            after = rows_uuid(&a.rows, COL_STARTUP_ID);
            key = rows_value(&a.rows, key_column);
            if (key.type == VALUE_TEXT)
                key.text = str_copy(&f->arena, key.text);
            assert_true(uuid_eq(&after, &expected));
            seen++;
        }
        rows_fini(&a.rows);
    }
    assert_int_equal(seen, 7);
}

/* Some rows share their time and name. */
static void pages_meet_without_gap_or_overlap(void **state)
{
    struct fixture *f = *state;
    fixture_open(f, NULL);
    struct uuid owner = id_of(6);
    struct asked a;
    struct change c;
    struct str names[] = { STR(""), STR("B"), STR("\xf4\x8f\xbf\xbf end") };
    change_init(&c, &f->arena);
    add_user_add(&c, &owner, STR("a@example.org"), STR("-"), STR("user"), STR("active"), STR("{}"),
                 11);
    for (int n = 0; n < 7; n++) {
        struct uuid id = id_of(100 + n);
        add_startup_add(&c, &id, &owner, names[n / 3], STR_NONE, STR_NONE, STR("new"), STR("{}"),
                        20 + n / 3);
    }
    store_commit(f->store, &c, &asked_new(&a)->rows, &a.wait);
    settle();
    assert_int_equal(a.rows.err, OK);
    for (int desc = 0; desc < 2; desc++) {
        read_pages(f, &owner, desc, COL_STARTUP_CREATED_AT);
        read_pages(f, &owner, 4 + desc, COL_STARTUP_NAME);
    }
    fixture_close(f);
}

/* Else each page would cost as much as all before it together. */
static void a_page_begins_where_its_index_says(void **state)
{
    struct fixture *f = *state;
    sqlite3 *db;
    assert_int_equal(sqlite3_open_v2(f->path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    for (int i = 0; i < 6; i++) {
        char text[2000], range[40];
        sqlite3_stmt *p;
        snprintf(text, sizeof(text), "explain query plan %s", stmt_startup_list[i].sqlite);
        snprintf(range, sizeof(range), "AND %s%c?", stmt_startup_list_sorts[i / 2],
                 i % 2 ? '<' : '>');
        assert_int_equal(sqlite3_prepare_v2(db, text, -1, &p, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_step(p), SQLITE_ROW);
        assert_non_null(strstr((const char *)sqlite3_column_text(p, 3), range));
        assert_int_equal(sqlite3_step(p), SQLITE_DONE); /* nothing is sorted afterwards */
        sqlite3_finalize(p);
    }
    sqlite3_close(db);
}

/* What the program calls past, the store does too, at once. */
static void the_stores_clock_is_not_behind(void **state)
{
    struct fixture *f = *state;
    struct uuid node = id_of(1);
    fixture_open(f, NULL);
    for (int i = 0; i < 20; i++) {
        struct change c;
        struct asked a;
        int64_t before = clock_wall_now();
        change_init(&c, &f->arena);
        add_duty_take(&c, STR("test"), &node, 0);
        store_commit(f->store, &c, &asked_new(&a)->rows, &a.wait);
        settle();
        assert_true(rows_next(&a.rows));
        assert_in_range(rows_int(&a.rows, COL_DUTY_TAKE_UNTIL), before, clock_wall_now() + 2000);
        rows_fini(&a.rows);
    }
    fixture_close(f);
}

static int64_t purge(struct fixture *f, int64_t before, int64_t limit)
{
    struct change c;
    struct asked a;
    change_init(&c, &f->arena);
    add_idempotency_purge(&c, before, limit);
    store_commit(f->store, &c, &asked_new(&a)->rows, &a.wait);
    settle();
    assert_int_equal(a.rows.err, OK);
    return a.rows.changed;
}

static void a_purge_takes_the_oldest_and_no_more_than_it_may(void **state)
{
    struct fixture *f = *state;
    fixture_open(f, NULL);
    for (int n = 1; n <= 5; n++) {
        struct uuid id = id_of(n);
        struct change c;
        struct asked a;
        change_init(&c, &f->arena);
        add_idempotency_add(&c, &id, STR("k"), STR("h"), 200, STR_NONE, STR_NONE, 1, 0, 10 * n);
        store_commit(f->store, &c, &asked_new(&a)->rows, &a.wait);
        settle();
        assert_int_equal(a.rows.err, OK);
    }
    assert_int_equal(purge(f, 10, 2), 0);
    assert_int_equal(purge(f, 50, 3), 3);
    assert_int_equal(sql(f, "select min(created_at) from idempotency"), 40);
    assert_int_equal(purge(f, 50, 3), 1);
    assert_int_equal(purge(f, 50, 3), 0);
    assert_int_equal(sql(f, "select min(created_at) from idempotency"), 50);
    fixture_close(f);
}

/* ---- PostgreSQL ---- */

#define BYTES "\\x00000000000070008000000000000001" /* as many as an id has */

/* A parameter as libpq takes it: text. */
static void text_for(const struct slot *slot, char *out, size_t size)
{
    struct value v = value_for(slot, false);
    if (v.type == VALUE_UUID)
        snprintf(out, size, "00000000-0000-7000-8000-000000000001");
    else if (v.type == VALUE_JSON)
        snprintf(out, size, "[]");
    else if (v.type == VALUE_TEXT)
        snprintf(out, size, "%.*s", (int)v.text.n, v.text.p);
    else if (v.type == VALUE_BYTES)
        snprintf(out, size, BYTES);
    else
        snprintf(out, size, "1");
}

static PGresult *stmt_run(PGconn *conn, const struct stmt *stmt)
{
    static char texts[STMT_PARAMS_MAX][64];
    const char *values[STMT_PARAMS_MAX];
    for (int i = 0; i < stmt->nparams; i++) {
        text_for(&stmt->params[i], texts[i], sizeof(texts[i]));
        values[i] = texts[i];
    }
    return PQexecParams(conn, stmt->postgres, stmt->nparams, NULL, values, NULL, NULL, 0);
}

static bool starts(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* The tables are empty, so whatever must find its row does not. */
static void a_change_that_misses_fails_its_transaction(void **state)
{
    (void)state;
    struct database d;
    int missed = 0;
    database_make(&d, "");
    assert_int_equal(store_migrate(d.url, NULL), OK);
    PGconn *conn = database_connect(d.url);
    for (int i = 0; i < stmts_count; i++) {
        const struct stmt *stmt = stmts[i];
        bool misses =
            stmt->rows == 1 && (starts(stmt->sqlite, "update") || starts(stmt->sqlite, "delete"));
        misses = misses && stmt != &stmt_mode_set; /* its row is there from the start */
        PQclear(PQexec(conn, "begin"));
        PGresult *result = stmt_run(conn, stmt);
        const char *code = PQresultErrorField(result, PG_DIAG_SQLSTATE);
        bool failed = PQtransactionStatus(conn) == PQTRANS_INERROR;
        if (misses && (!failed || !code || strcmp(code, "GH001") != 0))
            fail_msg("%s finds nothing and says %s", stmt->name, code ? code : "nothing");
        /* A key that is there, or is not; an insert from a table that is empty. */
        bool copies = starts(stmt->sqlite, "insert") && strstr(stmt->sqlite, "select");
        if (!misses && code && !starts(code, "2350") && !(copies && !strcmp(code, "GH001")))
            fail_msg("%s: %s", stmt->name, PQresultErrorMessage(result));
        if (!failed && stmt->counted)
            assert_string_equal(PQgetvalue(result, 0, 0), "1");
        missed += misses;
        PQclear(result);
        PQclear(PQexec(conn, "rollback"));
    }
    assert_in_range(missed, 15, 1000);
    PQfinish(conn);
    database_drop(&d);
}

#define ID "00000000-0000-7000-8000-000000000001"

/* What a task that is claimed and failed gives back, and which bumps come of it. */
static void what_a_change_returned_comes_with_its_bumps(void **state)
{
    (void)state;
    struct database d;
    database_make(&d, "");
    assert_int_equal(store_migrate(d.url, NULL), OK);
    database_sql(d.url, "insert into users values ('" ID
                        "', 'a', 'h', 'user', 'active', 1, '{}', 1, 1, 1);"
                        "insert into agents values ('" ID "', '" ID
                        "', 'n', null, null, null, '{}', 's', '{}', 1, 1, 1);"
                        "insert into tasks select md5(n::text)::uuid, '" ID "', '" ID
                        "', null, null, n, 1, 2, 'pending',"
                        " 0, null, null, null, null, '{}', 1, 1, 1 from generate_series(1, 3) n");
    PGconn *conn = database_connect(d.url);
    PGresult *result = stmt_run(conn, &stmt_task_claim); /* one of them: the limit is 1 */
    assert_int_equal(PQntuples(result), 1);
    assert_string_equal(PQgetvalue(result, 0, COL_TASK_STATUS), "in_progress");
    assert_string_equal(PQgetvalue(result, 0, COL_TASK_PRIORITY), "3");
    PQclear(result);
    result = database_ask(
        conn, "select count(*), bool_and(what = '\\x0510'::bytea || uuid_send(md5('3')::uuid)"
              " and node is null and at > 1000000000000000) from bumps");
    assert_string_equal(PQgetvalue(result, 0, 0), "1");
    assert_string_equal(PQgetvalue(result, 0, 1), "t");
    PQclear(result);

    PQclear(database_ask(conn, "update tasks set status = 'cancelled'"));
    PQclear(stmt_run(conn, &stmt_task_claim)); /* none, so no row */
    result = database_ask(conn, "select count(*) from bumps");
    assert_string_equal(PQgetvalue(result, 0, 0), "1");
    PQclear(result);

    /* With rows wanted and given. */
    PQclear(database_ask(conn, "insert into sessions values ('" ID "', '" ID
                               "', '', '', 9, null, 1, 1, 1);"
                               "insert into refresh_tokens values ('" BYTES "', '" ID "', 1, 9)"));
    result = stmt_run(conn, &stmt_refresh_use);
    assert_int_equal(PQntuples(result), 1);
    assert_string_equal(PQgetvalue(result, 0, COL_REFRESH_USE_SUCCESSOR), BYTES);
    PQclear(result);
    PQfinish(conn);
    database_drop(&d);
}

/* Two demotions at once, each of whom would leave the other: the second waits, and sees what the first did. */
static void of_two_last_admins_one_stays(void **state)
{
    (void)state;
    struct database d;
    database_make(&d, "");
    assert_int_equal(store_migrate(d.url, NULL), OK);
    database_sql(
        d.url,
        "insert into users select md5(n::text)::uuid, n::text, 'h', 'admin', 'active', 1, '{}', 1, 1, 1"
        " from generate_series(1, 2) n");
    PGconn *first = database_connect(d.url), *second = database_connect(d.url);
    PQclear(database_ask(first, "begin; update users set role = 'user' where email = '1'"));
    PQclear(stmt_run(first, &stmt_user_admin_lock));
    PQclear(stmt_run(first, &stmt_user_admin_left));
    PQclear(database_ask(second, "begin; update users set role = 'user' where email = '2'"));
    PQclear(database_ask(second, "set local lock_timeout = '10s'"));
    assert_int_equal(
        PQsendQueryParams(second, stmt_user_admin_lock.postgres, 0, NULL, NULL, NULL, NULL, 0), 1);
    for (int64_t waits = 0, tries = 0; waits == 0; tries++) {
        assert_in_range(tries, 0, 2000);
        waits = database_sql(d.url, "select count(*) from pg_locks where not granted");
    }
    PQclear(database_ask(first, "commit"));
    for (PGresult *result; (result = PQgetResult(second));)
        PQclear(result);
    PGresult *left = stmt_run(second, &stmt_user_admin_left);
    assert_string_equal(PQresultErrorField(left, PG_DIAG_SQLSTATE), "GH001");
    PQclear(left);
    PQfinish(first);
    PQfinish(second);
    assert_int_equal(database_sql(d.url, "select count(*) from users where role = 'admin'"), 1);
    database_drop(&d);
}

/* ---- running them ---- */

static int setup(void **state)
{
    static struct fixture f;
    fixture_make(&f);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    fixture_remove(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_statement_prepares_with_its_columns, setup, teardown),
        cmocka_unit_test_setup_teardown(every_statement_runs, setup, teardown),
        cmocka_unit_test_setup_teardown(typed_functions_reach_their_statements, setup, teardown),
        cmocka_unit_test_setup_teardown(pages_meet_without_gap_or_overlap, setup, teardown),
        cmocka_unit_test_setup_teardown(a_page_begins_where_its_index_says, setup, teardown),
        cmocka_unit_test_setup_teardown(the_stores_clock_is_not_behind, setup, teardown),
        cmocka_unit_test_setup_teardown(a_purge_takes_the_oldest_and_no_more_than_it_may, setup,
                                        teardown),
        cmocka_unit_test(a_change_that_misses_fails_its_transaction),
        cmocka_unit_test(what_a_change_returned_comes_with_its_bumps),
        cmocka_unit_test(of_two_last_admins_one_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
