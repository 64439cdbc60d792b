/* store/migrate.c: brings a database to the schema of this program. Any number of processes may try
 * at once: each step looks again, inside its transaction, whether it is still to be done.
 */
#include "migrate.h"

#include "base/clock.h"
#include "db.h"
#include "gen/stmt.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void migrate_say(says_fn *says, const char *what, const char *why)
{
    char line[500];
    snprintf(line, sizeof(line), "%s: %s", what, why);
    if (says)
        says(line);
}

void migrate_say_applied(says_fn *says, const struct migration *m)
{
    char line[100];
    snprintf(line, sizeof(line), "migration %04d %s", m->number, m->name);
    migrate_say(says, line, "applied");
}

enum err migrate_known(int number, char *why, size_t size)
{
    if (number <= migrations_count)
        return OK;
    snprintf(why, size, "its schema is number %d, and this program knows %d: use the newer program",
             number, migrations_count);
    return ERR_INVALID;
}

/* ---- SQLite ---- */

/* 0600 from the first moment: WAL and shared memory files take the mode of the database. */
static enum err file_make(const char *path)
{
    int fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
    if (fd >= 0)
        close(fd);
    return fd >= 0 || errno == EEXIST ? OK : ERR_UNAVAILABLE;
}

/* The newest migration that was applied, 0 for none. ERR_INVALID: another program's database. */
static enum err schema_number(struct db *db, int *out)
{
    int64_t ours = 0, tables = 0, application = 0, number = 0;
    *out = 0;
    TRY(db_text(db, "select count(*) from sqlite_schema where name = 'schema_migrations'", &ours));
    TRY(db_text(db, "select count(*) from sqlite_schema", &tables));
    TRY(db_text(db, "pragma application_id", &application));
    if ((application && application != DB_APPLICATION) || (tables && !ours)) {
        snprintf(db->says, sizeof(db->says), "the file is a database of another program");
        return ERR_INVALID;
    }
    if (ours)
        TRY(db_text(db, "select coalesce(max(number), 0) from schema_migrations", &number));
    *out = (int)number;
    return OK;
}

static enum err step_run(struct db *db, const struct migration *m)
{
    char text[300];
    int64_t none;
    TRY(db_text(db,
                "create table if not exists schema_migrations (number bigint primary key, "
                "name text not null, applied_at bigint not null)",
                &none));
    if (sqlite3_exec(db->handle, m->sqlite, NULL, NULL, NULL) != SQLITE_OK) {
        snprintf(db->says, sizeof(db->says), "%s", sqlite3_errmsg(db->handle));
        return ERR_UNAVAILABLE;
    }
    snprintf(text, sizeof(text), "insert into schema_migrations values (%d, '%s', %lld)", m->number,
             m->name, (long long)clock_wall_now());
    TRY(db_text(db, text, &none));
    snprintf(text, sizeof(text), "pragma application_id = %d", DB_APPLICATION);
    return db_text(db, text, &none);
}

/* Applies the next migration; *applied is NULL when there is none. */
static enum err step(struct db *db, const struct migration **applied)
{
    int number = 0;
    *applied = NULL;
    db->deadline = clock_mono_now() + MIGRATE_PATIENCE * SECOND;
    TRY(db_say(db, DB_BEGIN));
    db->deadline = INT64_MAX; /* a migration takes as long as it takes */
    enum err err = schema_number(db, &number);
    if (err == OK)
        err = migrate_known(number, db->says, sizeof(db->says));
    if (err == OK && number < migrations_count) {
        err = step_run(db, &migrations[number]);
        if (err == OK)
            err = db_say(db, DB_COMMIT);
        if (err == OK)
            *applied = &migrations[number];
    }
    db_rollback(db);
    return err;
}

static enum err sqlite_migrate(const char *path, says_fn *says)
{
    if (file_make(path) != OK) {
        migrate_say(says, path, strerror(errno));
        return ERR_UNAVAILABLE;
    }
    struct db db;
    const struct migration *applied = NULL;
    enum err err = db_open(&db, path, DB_WRITES);
    do {
        if (err == OK)
            err = step(&db, &applied);
        if (err == OK && applied)
            migrate_say_applied(says, applied);
    } while (err == OK && applied);
    if (err != OK)
        migrate_say(says, path, db.says);
    db_close(&db);
    return err;
}

static enum err sqlite_schema(const char *path, int *database)
{
    *database = 0;
    if (access(path, F_OK) != 0 && errno == ENOENT)
        return OK;
    struct db db;
    enum err err = db_open(&db, path, DB_READS);
    if (err == OK)
        err = schema_number(&db, database);
    db_close(&db);
    return err;
}

/* ---- either ---- */

enum err store_migrate(const char *where, says_fn *says)
{
    return store_is_remote(where) ? postgres_migrate(where, says) : sqlite_migrate(where, says);
}

enum err store_schema(const char *where, int *database, int *program)
{
    *program = migrations_count;
    return store_is_remote(where) ? postgres_schema(where, database)
                                  : sqlite_schema(where, database);
}
