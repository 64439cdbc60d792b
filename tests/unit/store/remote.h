/* A store on a PostgreSQL database of its own: TEST_POSTGRES_URL and a name that no other test has. */
#ifndef STORE_REMOTE_H
#define STORE_REMOTE_H

#include "fixture.h"

#include <libpq-fe.h>

struct remote {
    struct fixture f; /* f.path is the database's URL */
    char name[60];
    PGconn *conn;     /* the test's own */
};

static inline const char *server_url(void)
{
    const char *url = getenv("TEST_POSTGRES_URL");
    if (!url || !*url)
        fail_msg("TEST_POSTGRES_URL names no server; ./dev test gives one");
    return url;
}

/* Runs SQL on the test's connection; the first number it answers, or -1. */
static inline int64_t pg(const struct remote *r, const char *text)
{
    PGresult *result = PQexec(r->conn, text);
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
        fail_msg("%s: %s", text, PQerrorMessage(r->conn));
    int64_t number = PQntuples(result) ? strtoll(PQgetvalue(result, 0, 0), NULL, 10) : -1;
    PQclear(result);
    return number;
}

/* On the server itself, "create database" or "drop database". */
static inline void pg_server(const char *what, const char *name, const char *how)
{
    char url[500], text[200];
    snprintf(url, sizeof(url), "%spostgres", server_url());
    struct remote r = { .conn = PQconnectdb(url) };
    if (PQstatus(r.conn) != CONNECTION_OK)
        fail_msg("%s", PQerrorMessage(r.conn));
    snprintf(text, sizeof(text), "%s %s %s", what, name, how);
    pg(&r, text);
    PQfinish(r.conn);
}

#define REMOTE_TABLES                                                                              \
    "create table marks (n bigint primary key, id uuid);"                                          \
    "create table kinds (at bigint generated always as identity, a uuid, b text, c text, d bytea," \
    " e bigint, f bigint, g boolean, h double precision)"

/* A database with the tables of the tests; no loop yet. */
static inline void remote_make(struct remote *r)
{
    static int made;
    *r = (struct remote){ 0 };
    snprintf(r->name, sizeof(r->name), "test_%d_%d", (int)getpid(), made++);
    pg_server("create database", r->name, "");
    snprintf(r->f.path, sizeof(r->f.path), "%s%s", server_url(), r->name);
    r->conn = PQconnectdb(r->f.path);
    r->f.metrics = calloc(1, metric_size(1));
    metric_init(r->f.metrics, 1);
    metric_use(0);
    r->f.epochs = calloc(1, epoch_size());
    epoch_init(r->f.epochs);
    config.database_timeout_ms = 10000;
    assert_int_equal(store_migrate(r->f.path, NULL), OK);
    pg(r, REMOTE_TABLES);
}

static inline void remote_remove(struct remote *r)
{
    PQfinish(r->conn);
    pg_server("drop database", r->name, "with (force)");
    arena_reset(&r->f.arena);
    arena_trim();
    free(r->f.metrics);
    free(r->f.epochs);
}

/* What moved() was told last, and how often. */
static struct {
    char what[400];
    size_t n;
    int64_t number, first; /* of the last, of the first */
    int times;
} told;

static inline void moved(struct str what, int64_t number)
{
    told.n = what.n < sizeof(told.what) ? what.n : sizeof(told.what);
    memcpy(told.what, what.p, told.n);
    told.number = number;
    told.first = told.times ? told.first : number;
    told.times++;
}

static inline struct store_setup remote_setup(struct remote *r)
{
    struct store_setup setup = { .where = r->f.path, .moved = moved, .node = id_of(99) };
    for (int i = 0; i < LANE_COUNT; i++)
        setup.lanes[i] = (struct lane_size){ 0, 2 };
    setup.lanes[LANE_READ].least = setup.lanes[LANE_WRITE].least = 1;
    return setup;
}

static inline void remote_open(struct remote *r, const struct store_setup *setup)
{
    memset(&told, 0, sizeof(told));
    assert_int_equal(loop_init(), OK);
    loop_stop();
    assert_int_equal(store_open(&r->f.store, setup), OK);
}

/* ---- letting time pass ---- */

struct pause {
    struct wait wait;
    struct ticker *ticker;
    void (*then)(void);
};

static inline void pause_over(void *owner)
{
    struct pause *p = owner;
    ticker_free(p->ticker);
    if (p->then)
        p->then();
    wait_done(&p->wait);
}

static inline void pause_woken(struct wait *w)
{
    (void)w;
}

/* Runs the loop for that long, calls then(), and goes on until everything asked is answered. */
static inline void pass_then(int64_t milliseconds, void (*then)(void))
{
    struct pause p = { .then = then };
    wait_init(&p.wait, pause_woken);
    wait_open(&p.wait);
    p.ticker = ticker_new((uint64_t)milliseconds, pause_over, &p);
    settle();
}

static inline void pass(int64_t milliseconds)
{
    pass_then(milliseconds, NULL);
}

/* Runs the loop until the lane has so many connections; false after some seconds. */
static inline bool lane_gets(struct remote *r, enum lane lane, int open)
{
    for (int i = 0; i < 500 && store_lane(r->f.store, lane).open != open; i++)
        pass(10);
    return store_lane(r->f.store, lane).open == open;
}

/* ---- statements ---- */

static const struct stmt rmark_add = {
    .name = "mark_add", .postgres = "insert into marks (n, id) values ($1::bigint, $2::uuid)",
    .lane = LANE_WRITE, .params = marks_params, .nparams = 2, .change = true, .rows = 1,
    .otherwise = ERR_INTERNAL, .bumps = { { EPOCH_RESOURCE, 1, false } }, .nbumps = 1, .index = -1,
};

static const struct stmt rmark_get = {
    .name = "mark_get", .postgres = "select n, id from marks where n = $1::bigint",
    .lane = LANE_READ, .params = mark_number, .nparams = 1, .columns = mark_columns, .ncolumns = 2,
    .rows = -1, .index = -1,
};

/* As sql/gen.py makes a change that could miss. */
static const struct stmt rmark_del = {
    .name = "mark_del",
    .postgres = "with changed as (delete from marks where n = $1::bigint returning 1)"
                " select changed_rows(count(*), 1) as n from changed",
    .counted = true, .lane = LANE_WRITE, .params = mark_number, .nparams = 1, .change = true,
    .rows = 1, .otherwise = ERR_STALE, .index = -1,
};

static const struct slot sleep_params[] = { { "s", VALUE_REAL, false } };
static const struct slot sleep_columns[] = { { "slept", VALUE_BOOL, false } };
#define SLEEP "select pg_sleep($1::float8)::text = '' as slept"
static const struct stmt sleep_read = {
    .name = "sleep_read", .postgres = SLEEP, .lane = LANE_READ, .params = sleep_params,
    .nparams = 1, .columns = sleep_columns, .ncolumns = 1, .rows = -1, .index = -1,
};

static const struct stmt sleep_write = {
    .name = "sleep_write", .postgres = SLEEP, .lane = LANE_WRITE, .params = sleep_params,
    .nparams = 1, .columns = sleep_columns, .ncolumns = 1, .change = true, .rows = -1, .index = -1,
};

/* Fails with division by zero where n is 0. */
static const struct stmt divide = {
    .name = "divide", .postgres = "select 10 / $1::bigint as n", .lane = LANE_READ,
    .params = mark_number, .nparams = 1, .columns = mark_number, .ncolumns = 1, .rows = -1,
    .index = -1,
};

static inline void ask_sleep(struct remote *r, const struct stmt *stmt, double seconds,
                             struct asked *a)
{
    struct value *v = arena_alloc(&r->f.arena, sizeof(*v));
    *v = (struct value){ .type = VALUE_REAL, .real = seconds };
    store_ask(r->f.store, stmt, v, &asked_new(a)->rows, &a->wait);
}

/* Adds one mark to a change. */
static inline void change_mark(struct change *c, int64_t n, int64_t id)
{
    const struct value values[] = { { .type = VALUE_INT, .i = n },
                                    { .type = VALUE_UUID, .uuid = id_of(id) } };
    change_add(c, &rmark_add, values);
}

static inline void change_of(struct change *c, const struct stmt *stmt, int64_t n)
{
    const struct value v = { .type = VALUE_INT, .i = n };
    change_add(c, stmt, &v);
}

static inline void change_sleep(struct change *c, double seconds)
{
    const struct value v = { .type = VALUE_REAL, .real = seconds };
    change_add(c, &sleep_write, &v);
}

static inline void commit(struct remote *r, struct change *c, struct asked *a)
{
    store_commit(r->f.store, c, &asked_new(a)->rows, &a->wait);
}

static inline void mark_remote(struct remote *r, int64_t n, struct asked *a)
{
    struct change c;
    change_init(&c, &r->f.arena);
    change_mark(&c, n, n);
    commit(r, &c, a);
}

static inline int64_t marks_remote(const struct remote *r)
{
    return pg(r, "select count(*) from marks");
}

#endif
