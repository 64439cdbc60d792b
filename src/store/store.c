/* store/store.c: the loop's side of asks: handed to the engine, counted and logged when back. */
#include "ask.h"

#include "base/clock.h"
#include "base/config.h"
#include "base/log.h"
#include "base/metric.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define TIMEOUT_MS 5000 /* where no configuration was loaded */
#define LOG_LINES 10    /* a second, at most */

/* Cells of the METRIC_STORE families. */
enum kind { KIND_READ, KIND_WRITE };

static const struct slot ping_columns[] = { { "number", VALUE_INT, true } };
static const struct stmt ping = {
    .name = "ping",
    .sqlite = "select max(number) from schema_migrations",
    .postgres = "select max(number) from schema_migrations",
    .lane = LANE_ADMIN,
    .columns = ping_columns,
    .ncolumns = 1,
    .rows = -1,
    .index = -1,
};

void store_init(struct store *s, const struct engine *engine)
{
    s->engine = engine;
    list_init(&s->idle);
}

/* With the last that is under way: answers may still be on the loop's queue. */
static void store_free_last(struct store *s)
{
    if (!s->closed || s->open[KIND_READ] || s->open[KIND_WRITE] || s->holds)
        return;
    struct list *node;
    if (s->engine->free)
        s->engine->free(s);
    while ((node = list_take(&s->idle)))
        free(LIST_OF(node, struct ask, node));
    free(s);
}

void store_close(struct store *s)
{
    if (!s)
        return;
    s->engine->close(s);
    s->closed = true;
    store_free_last(s);
}

void store_hold(struct store *s)
{
    s->holds++;
}

void store_release(struct store *s)
{
    s->holds--;
    store_free_last(s);
}

const char *store_says(const struct store *s)
{
    return s->says;
}

bool store_is_remote(const char *where)
{
    return str_starts(str_of(where), STR("postgresql://")) ||
           str_starts(str_of(where), STR("postgres://"));
}

enum err store_open(struct store **out, const struct store_setup *setup)
{
    return store_is_remote(setup->where) ? postgres_open(out, setup) : sqlite_open(out, setup);
}

bool store_shared(const struct store *s)
{
    return s->engine->shared;
}

bool store_broken(const struct store *s)
{
    return s->engine->broken && s->engine->broken(s);
}

struct lane_health store_lane(const struct store *s, enum lane lane)
{
    return s->engine->lane ? s->engine->lane(s, lane) : (struct lane_health){ 0 };
}

const char *lane_name(enum lane lane)
{
    static const char *const names[] = {
#define LANE(id, name) [LANE_##id] = (name),
        LANES(LANE)
#undef LANE
    };
    return names[lane];
}

void ask_fail(struct ask *ask, enum err err, const char *format, ...)
{
    ask->out->err = err;
    va_list args;
    va_start(args, format);
    vsnprintf(ask->says, sizeof(ask->says), format, args);
    va_end(args);
}

/* A store that fails may fail a thousand times a second: after some lines it is only counted. */
static void ask_log(struct store *s, const struct ask *ask)
{
    int64_t second = clock_mono() / SECOND;
    if (s->log_second != second) {
        s->log_second = second;
        s->log_lines = 0;
    }
    if (++s->log_lines > LOG_LINES) {
        s->log_left_out++;
        return;
    }
    log_begin(LOG_ERROR, "store");
    log_text("statement", str_of(ask->change.at[0].stmt->name));
    log_text("code", str_of(err_info(ask->out->err)->code));
    log_text("says", str_of(ask->says));
    if (s->log_left_out)
        log_int("left_out", s->log_left_out);
    log_end();
    s->log_left_out = 0;
}

/* The last step of every ask: what the metrics and the log want to know, then the asker. */
static void ask_finish(struct ask *ask)
{
    struct store *s = ask->store;
    struct wait *asker = ask->asker;
    enum kind kind = ask->write ? KIND_WRITE : KIND_READ;
    bool failed = err_info(ask->out->err)->status >= 500; /* a stale version is an answer */

    metric_add(METRIC_STORE_ASKS, kind * 2 + failed, (uint64_t)ask->change.n);
    metric_observe(METRIC_STORE_DURATION, kind, clock_mono_now() - ask->asked);
    metric_set(METRIC_STORE_QUEUED, kind, --s->open[kind]);
    if (ask->committed)
        metric_add(METRIC_STORE_COMMITS, 0, 1);
    if (ask->write && ask->out->err == OK)
        metric_add(METRIC_STORE_CHANGES, 0, 1);
    if (ask->says[0])
        ask_log(s, ask);

    ask->finished = ask->held;
    if (!ask->held)
        list_push(&s->idle, &ask->node);
    store_free_last(s);
    wait_done(asker);
}

void ask_release(struct ask *ask)
{
    ask->held = false;
    if (ask->finished)
        list_push(&ask->store->idle, &ask->node);
    ask->finished = false;
}

static void ask_woken(struct wait *w)
{
    ask_finish(LIST_OF(w, struct ask, done));
}

/* An ask for who waits with w, open from here on; NULL (and answered) when memory is out. */
static struct ask *ask_take(struct store *s, enum kind kind, struct rows *out, struct wait *w)
{
    must(!s->closed);
    wait_open(w);
    *out = (struct rows){ 0 };
    struct list *node = list_take(&s->idle);
    struct ask *ask = node ? LIST_OF(node, struct ask, node) : calloc(1, s->engine->ask_size);
    if (!ask) {
        out->err = ERR_NO_MEMORY;
        wait_done(w);
        return NULL;
    }
    list_init(&ask->node);
    wait_init(&ask->done, ask_woken);
    ask->asker = w;
    ask->store = s;
    ask->out = out;
    ask->write = kind == KIND_WRITE;
    ask->committed = ask->probe = ask->held = ask->finished = false;
    ask->says[0] = 0;
    ask->asked = clock_mono_now();
    int64_t timeout = config.database_timeout_ms ? config.database_timeout_ms : TIMEOUT_MS;
    ask->deadline = ask->asked + timeout * 1000;
    metric_set(METRIC_STORE_QUEUED, kind, ++s->open[kind]);
    return ask;
}

/* Whether all parameters are there: those of an arena that ran out of memory are not. */
static bool change_whole(const struct change *c)
{
    for (int i = 0; i < c->n; i++)
        if (c->at[i].stmt->nparams && !c->at[i].params)
            return false;
    return true;
}

static void ask_start(struct ask *ask)
{
    struct store *s = ask->store;
    if (!change_whole(&ask->change)) {
        ask->out->err = ERR_NO_MEMORY;
        ask_finish(ask);
        return;
    }
    wait_open(&ask->done);
    if (ask->write ? s->engine->commit(s, ask) : s->engine->read(s, ask))
        return;
    ask->out->err = ERR_OVERLOADED;
    wait_done(&ask->done);
}

void store_ask(struct store *s, const struct stmt *stmt, const struct value *params,
               struct rows *out, struct wait *w)
{
    must(!stmt->change);
    struct ask *ask = ask_take(s, KIND_READ, out, w);
    if (!ask)
        return;
    out->stmt = stmt;
    ask->probe = stmt == &ping;
    ask->change.n = 1;
    ask->change.answer = 0;
    ask->change.at[0].stmt = stmt;
    ask->change.at[0].params = params;
    ask_start(ask);
}

void store_commit(struct store *s, const struct change *c, struct rows *out, struct wait *w)
{
    must(c->n > 0);
    struct ask *ask = ask_take(s, KIND_WRITE, out, w);
    if (!ask)
        return;
    out->stmt = c->answer < 0 ? NULL : c->at[c->answer].stmt;
    ask->change.n = c->n;
    ask->change.answer = c->answer;
    memcpy(ask->change.at, c->at, sizeof(c->at[0]) * (size_t)c->n);
    ask_start(ask);
}

void store_ping(struct store *s, struct rows *out, struct wait *w)
{
    store_ask(s, &ping, NULL, out, w);
}
