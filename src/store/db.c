/* store/db.c: what SQLite is told, asked and forgiven. */
#include "db.h"

#include "base/clock.h"
#include "gen/stmt.h"
#include "result.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define OPEN_PATIENCE (10 * SECOND)
#define STEPS_BETWEEN_LOOKS 4000 /* at the deadline: some 100 microseconds */

static const char *const word_texts[DB_WORDS] = {
    [DB_BEGIN] = "begin immediate", [DB_COMMIT] = "commit",
    [DB_ROLLBACK] = "rollback",     [DB_SAVE] = "savepoint change",
    [DB_UNDO] = "rollback to change", [DB_RELEASE] = "release change",
};

/* What every connection is told. wal_autocheckpoint=0: the writer checkpoints in its turn. */
static const char setup[] = "pragma foreign_keys = on;"
                            "pragma trusted_schema = off;"
                            "pragma cell_size_check = on;"
                            "pragma temp_store = memory;"
                            "pragma cache_size = -8192;"
                            "pragma wal_autocheckpoint = 0;"
                            "pragma synchronous = full;";

/* ---- failures ---- */

static enum err db_fail(struct db *db)
{
    db->code = db->handle ? sqlite3_extended_errcode(db->handle) : SQLITE_NOMEM;
    snprintf(db->says, sizeof(db->says), "%s",
             db->code == SQLITE_INTERRUPT ? "given up: it took too long"
             : db->handle                 ? sqlite3_errmsg(db->handle)
                                          : "out of memory");
    switch (db->code) {
    case SQLITE_CONSTRAINT_UNIQUE:
    case SQLITE_CONSTRAINT_PRIMARYKEY:
        return ERR_EXISTS;
    case SQLITE_CONSTRAINT_FOREIGNKEY:
        return ERR_IN_USE;
    case SQLITE_NOMEM:
        return ERR_NO_MEMORY;
    default:
        return ERR_UNAVAILABLE;
    }
}

static int on_busy(void *arg, int tries)
{
    const struct db *db = arg;
    if (clock_mono_now() >= db->deadline)
        return 0;
    usleep(tries < 10 ? 500 : 5000);
    return 1;
}

static int on_progress(void *arg)
{
    const struct db *db = arg;
    return clock_mono_now() >= db->deadline;
}

/* ---- opening ---- */

static void sqlite_once(void)
{
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); /* unread, and a lock for each malloc */
    sqlite3_initialize();
}

/* The first who opens the file turns it to WAL for good; meanwhile others are told busy at once. */
static enum err db_wal(struct db *db)
{
    for (;;) {
        sqlite3_stmt *p = NULL;
        sqlite3_prepare_v2(db->handle, "pragma journal_mode = wal", -1, &p, NULL);
        bool answered = p && sqlite3_step(p) == SQLITE_ROW;
        bool wal = answered && sqlite3_stricmp((const char *)sqlite3_column_text(p, 0), "wal") == 0;
        enum err err = answered ? OK : db_fail(db);
        sqlite3_finalize(p);
        if (wal)
            return OK;
        if (answered) {
            snprintf(db->says, sizeof(db->says), "the file cannot be turned to WAL");
            return ERR_UNAVAILABLE;
        }
        if ((db->code & 0xff) != SQLITE_BUSY || clock_mono_now() >= db->deadline)
            return err;
        usleep(2000);
    }
}

static enum err db_settle(struct db *db, enum db_use use)
{
    int64_t level = 0;
    if (use == DB_WRITES)
        TRY(db_wal(db));
    if (sqlite3_exec(db->handle, setup, NULL, NULL, NULL) != SQLITE_OK)
        return db_fail(db);
    TRY(db_text(db, "pragma synchronous", &level));
    if (level < 2) { /* what is acknowledged would not survive a power cut */
        snprintf(db->says, sizeof(db->says), "synchronous is %d, not FULL", (int)level);
        return ERR_UNAVAILABLE;
    }
    return OK;
}

enum err db_open(struct db *db, const char *path, enum db_use use)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, sqlite_once);

    *db = (struct db){ .deadline = clock_mono_now() + OPEN_PATIENCE };
    db->prepared = calloc((size_t)stmts_count + 1, sizeof(*db->prepared));
    char *full = realpath(path, NULL); /* SQLite gives some relative names a meaning of their own */
    int flags = (use == DB_WRITES ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY) |
                SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    int failed =
        full && db->prepared ? sqlite3_open_v2(full, &db->handle, flags, NULL) : SQLITE_CANTOPEN;
    free(full);
    if (!db->handle) {
        snprintf(db->says, sizeof(db->says), "cannot open the file");
        return ERR_UNAVAILABLE;
    }
    if (failed)
        return db_fail(db);
    sqlite3_busy_handler(db->handle, on_busy, db);
    sqlite3_progress_handler(db->handle, STEPS_BETWEEN_LOOKS, on_progress, db);
    sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
    return db_settle(db, use);
}

void db_close(struct db *db)
{
    for (int i = 0; db->prepared && i < stmts_count; i++)
        sqlite3_finalize(db->prepared[i]);
    for (int i = 0; i < DB_WORDS; i++)
        sqlite3_finalize(db->words[i]);
    free(db->prepared);
    must(sqlite3_close(db->handle) == SQLITE_OK); /* else a statement was forgotten */
    *db = (struct db){ 0 };
}

/* ---- one statement ---- */

static enum err db_prepare(struct db *db, const struct stmt *stmt, sqlite3_stmt **out)
{
    bool kept = stmt->index >= 0;
    must(!kept || (stmt->index < stmts_count && stmts[stmt->index] == stmt));
    if (kept && db->prepared[stmt->index]) {
        *out = db->prepared[stmt->index];
        return OK;
    }
    int flags = kept ? SQLITE_PREPARE_PERSISTENT : 0;
    if (sqlite3_prepare_v3(db->handle, stmt->sqlite, -1, (unsigned)flags, out, NULL) != SQLITE_OK)
        return db_fail(db);
    must(sqlite3_column_count(*out) == stmt->ncolumns);
    must(sqlite3_bind_parameter_count(*out) == stmt->nparams);
    if (kept)
        db->prepared[stmt->index] = *out;
    return OK;
}

static int db_bind(sqlite3_stmt *p, int at, const struct value *v)
{
    if (v->null)
        return sqlite3_bind_null(p, at);
    const char *text = v->text.p ? v->text.p : ""; /* SQLite would take NULL for null */
    switch (v->type) {
    case VALUE_UUID:
        return sqlite3_bind_blob(p, at, v->uuid.b, sizeof(v->uuid.b), SQLITE_STATIC);
    case VALUE_TEXT:
    case VALUE_JSON:
        return sqlite3_bind_text64(p, at, text, v->text.n, SQLITE_STATIC, SQLITE_UTF8);
    case VALUE_BYTES:
        return sqlite3_bind_blob64(p, at, text, v->text.n, SQLITE_STATIC);
    case VALUE_INT:
    case VALUE_TIME:
    case VALUE_BOOL:
        return sqlite3_bind_int64(p, at, v->i);
    case VALUE_REAL:
        return sqlite3_bind_double(p, at, v->real);
    }
    return SQLITE_MISUSE;
}

/* The value of a column; its text is SQLite's until the next step. */
static struct value db_column(sqlite3_stmt *p, int at, enum value_type type)
{
    struct value v = { .type = type, .null = sqlite3_column_type(p, at) == SQLITE_NULL };
    if (v.null)
        return v;
    switch (type) {
    case VALUE_UUID:
        v.null = sqlite3_column_bytes(p, at) != (int)sizeof(v.uuid.b);
        if (!v.null)
            memcpy(v.uuid.b, sqlite3_column_blob(p, at), sizeof(v.uuid.b));
        break;
    case VALUE_TEXT:
    case VALUE_JSON:
    case VALUE_BYTES:
        v.text.p = sqlite3_column_blob(p, at);
        v.text.n = (size_t)sqlite3_column_bytes(p, at);
        break;
    case VALUE_INT:
    case VALUE_TIME:
    case VALUE_BOOL:
        v.i = sqlite3_column_int64(p, at);
        break;
    case VALUE_REAL:
        v.real = sqlite3_column_double(p, at);
        break;
    }
    return v;
}

static enum err db_row(struct db *db, sqlite3_stmt *p, struct rows *rows)
{
    struct value values[COLUMNS_MAX];
    const struct stmt *stmt = rows->stmt;
    for (int i = 0; i < stmt->ncolumns; i++) {
        values[i] = db_column(p, i, stmt->columns[i].type);
        if (values[i].null && !stmt->columns[i].null) {
            db->code = SQLITE_MISMATCH;
            snprintf(db->says, sizeof(db->says), "column %s is null or of another type",
                     stmt->columns[i].name);
            return ERR_UNAVAILABLE;
        }
    }
    enum err err = rows_add(rows, values);
    if (err != OK)
        snprintf(db->says, sizeof(db->says), "out of memory for the result");
    return err;
}

enum err db_run(struct db *db, const struct stmt *stmt, const struct value *params,
                struct rows *rows, int64_t *changed)
{
    sqlite3_stmt *p = NULL;
    TRY(db_prepare(db, stmt, &p));
    enum err err = OK;
    int step = SQLITE_OK;
    for (int i = 0; i < stmt->nparams && step == SQLITE_OK; i++)
        step = db_bind(p, i + 1, &params[i]);
    if (step == SQLITE_OK)
        while (err == OK && (step = sqlite3_step(p)) == SQLITE_ROW)
            if (rows)
                err = db_row(db, p, rows);
    if (err == OK && step != SQLITE_DONE)
        err = db_fail(db);

    *changed = stmt->change ? sqlite3_changes64(db->handle) : 0;
    sqlite3_reset(p);
    sqlite3_clear_bindings(p); /* they point into the asker's memory */
    if (stmt->index < 0)
        sqlite3_finalize(p);
    if (err == OK && stmt->rows >= 0 && *changed != stmt->rows)
        return stmt->otherwise;
    return err;
}

enum err db_text(struct db *db, const char *sql, int64_t *number)
{
    sqlite3_stmt *p = NULL;
    if (sqlite3_prepare_v2(db->handle, sql, -1, &p, NULL) != SQLITE_OK)
        return db_fail(db);
    int step = sqlite3_step(p);
    if (step == SQLITE_ROW && number)
        *number = sqlite3_column_int64(p, 0);
    enum err err = step == SQLITE_ROW || step == SQLITE_DONE ? OK : db_fail(db);
    sqlite3_finalize(p);
    return err;
}

enum err db_say(struct db *db, enum db_word word)
{
    sqlite3_stmt **p = &db->words[word];
    if (!*p && sqlite3_prepare_v3(db->handle, word_texts[word], -1, SQLITE_PREPARE_PERSISTENT, p,
                                  NULL) != SQLITE_OK)
        return db_fail(db);
    enum err err = sqlite3_step(*p) == SQLITE_DONE ? OK : db_fail(db);
    sqlite3_reset(*p);
    return err;
}

bool db_inside(const struct db *db)
{
    return !sqlite3_get_autocommit(db->handle);
}

void db_rollback(struct db *db)
{
    if (!db_inside(db))
        return;
    struct db before = *db;
    db->deadline = INT64_MAX; /* undoing is never given up */
    if (db_say(db, DB_ROLLBACK) != OK) {
        db->code = before.code;
        memcpy(db->says, before.says, sizeof(db->says));
    }
}
