/* A store on a database of its own, a loop to wait on, and a table that no migration knows. */
#ifndef STORE_FIXTURE_H
#define STORE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/config.h"
#include "base/metric.h"
#include "gen/stmt.h"
#include "net/loop.h"
#include "store/store.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct fixture {
    char dir[200], path[256];
    struct arena arena;
    struct store *store;
    void *metrics, *epochs;
};

/* One ask and its answer. */
struct asked {
    struct wait wait; /* first: a wake finds the ask by it */
    struct rows rows;
    bool woken;
};

static inline void asked_woken(struct wait *w)
{
    ((struct asked *)w)->woken = true;
}

static inline struct asked *asked_new(struct asked *a)
{
    *a = (struct asked){ 0 };
    wait_init(&a->wait, asked_woken);
    return a;
}

/* Runs the loop until everything asked is answered: it was told to stop, and open waits keep it. */
static inline void settle(void)
{
    loop_run();
}

/* Migrates the database the first time; from then on each is a copy of that one, which is much quicker. */
static inline void fixture_migrate(const struct fixture *f)
{
    static char *migrated;
    static size_t size;
    FILE *file;
    if (migrated) {
        file = fopen(f->path, "wb");
        assert_true(file && fwrite(migrated, 1, size, file) == size && fclose(file) == 0);
        return;
    }
    assert_int_equal(store_migrate(f->path, NULL), OK);
    file = fopen(f->path, "rb");
    assert_true(file && fseek(file, 0, SEEK_END) == 0);
    size = (size_t)ftell(file);
    migrated = malloc(size);
    rewind(file);
    assert_true(migrated && fread(migrated, 1, size, file) == size && fclose(file) == 0);
}

/* A folder with a migrated database; no loop yet, so that a test may fork. */
static inline void fixture_make(struct fixture *f)
{
    *f = (struct fixture){ 0 };
    const char *tmp = getenv("TMPDIR");
    snprintf(f->dir, sizeof(f->dir), "%s/store-XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof(f->path), "%s/gatehouse.db", f->dir);
    f->metrics = calloc(1, metric_size(1));
    metric_init(f->metrics, 1);
    metric_use(0);
    f->epochs = calloc(1, epoch_size());
    epoch_init(f->epochs);
    config.database_timeout_ms = 10000;
    fixture_migrate(f);
}

static inline void fixture_open(struct fixture *f, void *shared)
{
    assert_int_equal(loop_init(), OK);
    loop_stop();
    const struct store_setup setup = { .where = f->path, .shared = shared };
    assert_int_equal(store_open(&f->store, &setup), OK);
}

static inline void fixture_close(struct fixture *f)
{
    store_close(f->store);
    settle();
    loop_fini();
    f->store = NULL;
}

static inline void fixture_remove(struct fixture *f)
{
    static const char *const endings[] = { "", "-wal", "-shm", "-journal" };
    char path[300];
    for (int i = 0; i < 4; i++) {
        snprintf(path, sizeof(path), "%s%s", f->path, endings[i]);
        unlink(path);
    }
    rmdir(f->dir);
    arena_reset(&f->arena);
    arena_trim();
    free(f->metrics);
    free(f->epochs);
}

/* Runs SQL on a connection of its own; the first number it answers, or -1. */
static inline int64_t sql(const struct fixture *f, const char *text)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *p = NULL;
    int64_t number = -1;
    assert_int_equal(sqlite3_open_v2(f->path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    sqlite3_busy_timeout(db, 5000);
    assert_int_equal(sqlite3_prepare_v2(db, text, -1, &p, NULL), SQLITE_OK);
    int step = sqlite3_step(p);
    assert_true(step == SQLITE_ROW || step == SQLITE_DONE);
    if (step == SQLITE_ROW)
        number = sqlite3_column_int64(p, 0);
    sqlite3_finalize(p);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    return number;
}

/* Reads that the store has been asked so far. */
static inline int64_t asks(void)
{
    return metric_read(METRIC_STORE_ASKS, 0) + metric_read(METRIC_STORE_ASKS, 1);
}

/* ---- the table `marks`: one unique number a row ---- */

#define MARKS_MAKE "create table marks (n bigint primary key, id uuid)"

static const struct slot marks_params[] = { { "n", VALUE_INT, false },
                                            { "id", VALUE_UUID, false } };
/* Adds a mark; bumps its id as a resource. */
static const struct stmt mark_add = {
    .name = "mark_add", .sqlite = "insert into marks (n, id) values (?1, ?2)",
    .params = marks_params, .nparams = 2, .change = true, .rows = 1, .otherwise = ERR_INTERNAL,
    .bumps = { { EPOCH_RESOURCE, 1, false } }, .nbumps = 1, .index = -1,
};

static inline struct uuid id_of(int64_t n)
{
    struct uuid id = { { 7 } };
    memcpy(id.b + 8, &n, 8);
    return id;
}

/* Commits one mark; woken later. */
static inline void mark(struct fixture *f, int64_t n, struct asked *a)
{
    struct change c;
    struct uuid id = id_of(n);
    const struct value values[] = { { .type = VALUE_INT, .i = n },
                                    { .type = VALUE_UUID, .uuid = id } };
    change_init(&c, &f->arena);
    change_add(&c, &mark_add, values);
    store_commit(f->store, &c, &asked_new(a)->rows, &a->wait);
}

static const struct slot mark_number[] = { { "n", VALUE_INT, false } };
static const struct slot mark_columns[] = { { "n", VALUE_INT, false }, { "id", VALUE_UUID, true } };
static const struct stmt mark_get = {
    .name = "mark_get", .sqlite = "select n, id from marks where n = ?1", .params = mark_number,
    .nparams = 1, .columns = mark_columns, .ncolumns = 2, .rows = -1, .index = -1,
};

static const struct stmt mark_del = {
    .name = "mark_del", .sqlite = "delete from marks where n = ?1", .params = mark_number,
    .nparams = 1, .change = true, .rows = 1, .otherwise = ERR_STALE, .index = -1,
};

static inline int64_t marks(const struct fixture *f)
{
    return sql(f, "select count(*) from marks");
}

/* Asks a read that takes a number. */
static inline void ask_stmt(struct fixture *f, const struct stmt *stmt, int64_t n, struct asked *a)
{
    struct value *v = arena_alloc(&f->arena, sizeof(*v));
    *v = (struct value){ .type = VALUE_INT, .i = n };
    store_ask(f->store, stmt, v, &asked_new(a)->rows, &a->wait);
}

/* Commits a change of one statement that takes a number. */
static inline void commit_stmt(struct fixture *f, const struct stmt *stmt, int64_t n,
                               struct asked *a)
{
    struct change c;
    const struct value v = { .type = VALUE_INT, .i = n };
    change_init(&c, &f->arena);
    change_add(&c, stmt, &v);
    store_commit(f->store, &c, &asked_new(a)->rows, &a->wait);
}

/* Runs until it is interrupted. */
#define ENDLESS                                                                                    \
    "with recursive t (n) as (select 1 union all select n + 1 from t) select count(*) as n from t"

#endif
