#include "database.h"

#include <sys/stat.h>
#include <sys/wait.h>

static struct fixture f;
static struct database d;
static char said[4000];

static void says(const char *line)
{
    size_t n = strlen(said);
    snprintf(said + n, sizeof(said) - n, "%s\n", line);
}

static int lines(void)
{
    int n = 0;
    for (const char *at = said; (at = strchr(at, '\n')); at++)
        n++;
    return n;
}

static void a_new_file_gets_every_migration_and_mode_0600(void **state)
{
    (void)state;
    char path[300];
    struct stat st;
    int database = -1, program = -1;
    mode_t mask = umask(0);
    unlink(f.path);
    assert_int_equal(store_schema(f.path, &database, &program), OK);
    assert_int_equal(database, 0);
    assert_int_equal(store_migrate(f.path, says), OK);
    umask(mask);
    assert_int_equal(lines(), migrations_count);
    assert_non_null(strstr(said, migrations[0].name));
    assert_int_equal(store_schema(f.path, &database, &program), OK);
    assert_int_equal(database, migrations_count);
    assert_int_equal(program, migrations_count);

    fixture_open(&f, NULL);
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof(path), "%s%s", f.path, (const char *[]){ "", "-wal", "-shm" }[i]);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
    }
    fixture_close(&f);
}

static void again_is_harmless(void **state)
{
    (void)state;
    assert_int_equal(store_migrate(f.path, says), OK);
    assert_int_equal(lines(), 0);
    assert_int_equal(sql(&f, "select count(*) from schema_migrations"), migrations_count);
}

static void a_newer_schema_is_refused(void **state)
{
    (void)state;
    sql(&f, "insert into schema_migrations values (1000, 'later', 0)");
    assert_int_equal(store_migrate(f.path, says), ERR_INVALID);
    assert_int_equal(lines(), 1);
    assert_non_null(strstr(said, "1000"));
    int database, program;
    assert_int_equal(store_schema(f.path, &database, &program), OK);
    assert_int_equal(database, 1000);
}

static void another_programs_database_is_left_alone(void **state)
{
    (void)state;
    sql(&f, "drop table schema_migrations");
    assert_int_equal(store_migrate(f.path, says), ERR_INVALID);
    unlink(f.path);
    sqlite3 *db;
    assert_int_equal(sqlite3_open(f.path, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(db, "create table notes (n); pragma application_id = 7", NULL, NULL, NULL), 0);
    sqlite3_close(db);
    assert_int_equal(store_migrate(f.path, says), ERR_INVALID);
    assert_int_equal(sql(&f, "select count(*) from sqlite_schema"), 1);
}

static void a_folder_that_is_not_there_is_said(void **state)
{
    (void)state;
    assert_int_equal(store_migrate("/nowhere/at/all.db", says), ERR_UNAVAILABLE);
    assert_int_equal(lines(), 1);
}

static void starters_at_once_agree(void **state)
{
    (void)state;
    for (int round = 0; round < 5; round++) {
        pid_t pids[4];
        char path[300];
        for (int i = 0; i < 3; i++) {
            snprintf(path, sizeof(path), "%s%s", f.path, (const char *[]){ "", "-wal", "-shm" }[i]);
            unlink(path);
        }
        for (int i = 0; i < 4; i++)
            if ((pids[i] = fork()) == 0)
                _exit(store_migrate(f.path, NULL) == OK ? 0 : 1);
        for (int i = 0; i < 4; i++) {
            int status = -1;
            assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
            assert_int_equal(status, 0);
        }
        assert_int_equal(sql(&f, "select count(*) from schema_migrations"), migrations_count);
    }
}

static void a_migration_keeps_the_rows_there_are(void **state)
{
    (void)state;
    sql(&f, "update roles set description = 'mine' where name = 'viewer'");
    sql(&f, "delete from schema_migrations where number > 100000");
    assert_int_equal(store_migrate(f.path, says), OK);
    assert_int_equal(sql(&f, "select count(*) from roles where description = 'mine'"), 1);
}

/* ---- PostgreSQL ---- */

static void an_empty_database_gets_every_migration(void **state)
{
    (void)state;
    int database = -1, program = -1;
    assert_int_equal(store_schema(d.url, &database, &program), OK);
    assert_int_equal(database, 0);
    assert_int_equal(store_migrate(d.url, says), OK);
    assert_int_equal(lines(), migrations_count);
    assert_non_null(strstr(said, migrations[0].name));
    assert_int_equal(store_schema(d.url, &database, &program), OK);
    assert_int_equal(database, migrations_count);
    assert_int_equal(program, migrations_count);
    assert_int_equal(database_sql(d.url, "select count(*) from roles"), 6);
    assert_int_equal(database_sql(d.url, "select count(*) from information_schema.columns"
                                         " where table_schema = 'public' and data_type = 'text'"
                                         " and collation_name is distinct from 'C'"
                                         " and table_name <> 'schema_migrations'"),
                     0);

    said[0] = 0;
    database_sql(d.url, "update roles set description = 'mine' where name = 'viewer'");
    assert_int_equal(store_migrate(d.url, says), OK);
    assert_int_equal(lines(), 0);
    assert_int_equal(database_sql(d.url, "select count(*) from roles where description = 'mine'"),
                     1);
    assert_int_equal(database_sql(d.url, "select count(*) from schema_migrations"),
                     migrations_count);
}

static void nodes_at_once_agree(void **state)
{
    (void)state;
    for (int round = 0; round < 3; round++) {
        pid_t pids[4];
        database_sql(d.url, "drop schema public cascade; create schema public");
        for (int i = 0; i < 4; i++)
            if ((pids[i] = fork()) == 0)
                _exit(store_migrate(d.url, NULL) == OK ? 0 : 1);
        for (int i = 0; i < 4; i++) {
            int status = -1;
            assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
            assert_int_equal(status, 0);
        }
        assert_int_equal(database_sql(d.url, "select count(*) from schema_migrations"),
                         migrations_count);
    }
}

static void a_newer_schema_is_refused_there_too(void **state)
{
    (void)state;
    int database, program;
    assert_int_equal(store_migrate(d.url, NULL), OK);
    database_sql(d.url, "insert into schema_migrations values (1000, 'later', 0)");
    assert_int_equal(store_migrate(d.url, says), ERR_INVALID);
    assert_int_equal(lines(), 1);
    assert_non_null(strstr(said, "1000"));
    assert_int_equal(store_schema(d.url, &database, &program), OK);
    assert_int_equal(database, 1000);
}

static void tables_that_are_not_ours_are_left_alone(void **state)
{
    (void)state;
    static const char *const theirs[] = {
        "create table notes (n int)",
        "create table schema_migrations (version text)", /* others call theirs so too */
    };
    for (int i = 0; i < 2; i++) {
        int database, program;
        database_sql(d.url, "drop schema public cascade; create schema public");
        database_sql(d.url, theirs[i]);
        said[0] = 0;
        assert_int_equal(store_migrate(d.url, says), ERR_INVALID);
        assert_int_equal(lines(), 1);
        assert_non_null(strstr(said, "another program"));
        assert_int_equal(store_schema(d.url, &database, &program), ERR_INVALID);
        assert_int_equal(database_sql(d.url, "select count(*) from pg_class where relkind = 'r'"
                                             " and relnamespace = 'public'::regnamespace"),
                         1);
    }
}

static void a_step_that_fails_leaves_nothing(void **state)
{
    (void)state;
    database_sql(d.url, "create function changed_rows(bigint, bigint) returns bigint language sql"
                        " return 1"); /* stands in the way of the last statement of one of them */
    assert_int_equal(store_migrate(d.url, says), ERR_UNAVAILABLE);
    assert_non_null(strstr(said, "already exists"));
    assert_int_equal(database_sql(d.url, "select max(number) from schema_migrations"), 2);
    assert_int_equal(database_sql(d.url, "select count(*) from pg_class where relname = 'bumps'"),
                     0);
    database_sql(d.url, "drop function changed_rows(bigint, bigint)");
    assert_int_equal(store_migrate(d.url, NULL), OK);
}

static void text_that_is_not_utf8_is_refused(void **state)
{
    (void)state;
    struct database other;
    database_make(&other, "encoding 'SQL_ASCII' locale 'C' locale_provider libc");
    assert_int_equal(store_migrate(other.url, says), ERR_INVALID);
    assert_non_null(strstr(said, "SQL_ASCII"));
    database_drop(&other);
}

static void what_cannot_be_reached_is_said_without_its_password(void **state)
{
    (void)state;
    int database, program;
    const char *nobody = "postgresql://me:secret@127.0.0.1:1/base";
    assert_int_equal(store_migrate(nobody, says), ERR_UNAVAILABLE);
    assert_int_equal(lines(), 1);
    assert_non_null(strstr(said, "127.0.0.1:1/base"));
    assert_null(strstr(said, "secret"));
    assert_int_equal(store_schema(nobody, &database, &program), ERR_UNAVAILABLE);
    said[0] = 0;
    assert_int_equal(store_migrate("postgres://me:secret@[127.0.0.1:1/base", says), ERR_INVALID);
    assert_int_equal(lines(), 1);
    assert_null(strstr(said, "secret"));
}

/* ---- both ---- */

static int setup(void **state)
{
    (void)state;
    said[0] = 0;
    fixture_make(&f);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fixture_remove(&f);
    return 0;
}

static int remote_setup(void **state)
{
    (void)state;
    said[0] = 0;
    database_make(&d, "");
    return 0;
}

static int remote_teardown(void **state)
{
    (void)state;
    database_drop(&d);
    return 0;
}

#define REMOTE(name) cmocka_unit_test_setup_teardown(name, remote_setup, remote_teardown)
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_new_file_gets_every_migration_and_mode_0600),
        TEST(again_is_harmless),
        TEST(a_newer_schema_is_refused),
        TEST(another_programs_database_is_left_alone),
        TEST(a_folder_that_is_not_there_is_said),
        TEST(starters_at_once_agree),
        TEST(a_migration_keeps_the_rows_there_are),
        REMOTE(an_empty_database_gets_every_migration),
        REMOTE(nodes_at_once_agree),
        REMOTE(a_newer_schema_is_refused_there_too),
        REMOTE(tables_that_are_not_ours_are_left_alone),
        REMOTE(a_step_that_fails_leaves_nothing),
        REMOTE(text_that_is_not_utf8_is_refused),
        REMOTE(what_cannot_be_reached_is_said_without_its_password),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
