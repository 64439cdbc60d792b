/* store/postgres.c: the engine for PostgreSQL: lanes of connections, and when to leave the database alone. Asks of one
 * turn of the loop are gathered and sent at its end.
 */
#include "postgres.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/mode.h"
#include "gen/stmt.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#define TICK_MS 100

static struct postgres *postgres_of(const struct store *s)
{
    return LIST_OF(s, struct postgres, store);
}

/* ---- the turn ---- */

/* Asks that came meanwhile were made by those woken before us: others may follow, behind us in the queue. */
static void turn_ends(struct wait *w)
{
    struct postgres *pg = LIST_OF(w, struct postgres, turn);
    if (pg->more && !pg->store.closed) {
        pg->more = false;
        wait_open(w);
        wait_done(w);
        return;
    }
    for (int i = 0; i < LANE_COUNT && !pg->store.closed; i++)
        pool_send(&pg->pools[i]);
    store_release(&pg->store);
}

void postgres_turn(struct postgres *pg)
{
    pg->more = true;
    if (pg->turn.open)
        return;
    store_hold(&pg->store);
    wait_open(&pg->turn);
    wait_done(&pg->turn);
}

/* ---- the breaker ---- */

/* Reports and work in the background are slow by nature: that says nothing. */
void postgres_note(struct postgres *pg, const struct job *job, bool ok)
{
    enum lane lane = job ? job_lane(job) : LANE_READ;
    if (!ok && (lane == LANE_ANALYTICS || lane == LANE_BATCH))
        return;
    if (!breaker_note(&pg->breaker, ok, clock_mono_now()))
        return;
    bool open = pg->breaker.open;
    metric_set(METRIC_STORE_BREAKER, 0, open);
    mode_breaker(DEPENDENCY_STORE, open);
    log_say(open ? LOG_ERROR : LOG_INFO, "store", "%s",
            open ? "too many asks fail: the database is left alone for a while"
                 : "the database answers again");
}

static void probed(struct wait *w)
{
    struct postgres *pg = LIST_OF(w, struct postgres, probe);
    rows_fini(&pg->probed);
    store_release(&pg->store);
}

/* A lane that sleeps is woken by the ping; one that tries to connect will tell by itself. */
static void probe(struct postgres *pg)
{
    bool asleep = true;
    for (int i = 0; i < LANE_COUNT; i++)
        asleep = asleep && pool_asleep(&pg->pools[i]);
    if (!pg->breaker.open || pg->probe.open || (!pg->ready && !asleep) ||
        !breaker_allows(&pg->breaker, clock_mono_now()))
        return;
    store_hold(&pg->store);
    store_ping(&pg->store, &pg->probed, &pg->probe);
}

void postgres_met(struct postgres *pg, PGconn *conn)
{
    if (!pg->met)
        log_say(LOG_INFO, "store", "connected to PostgreSQL %d.%d at %s:%s",
                PQserverVersion(conn) / 10000, PQserverVersion(conn) % 10000, PQhost(conn),
                PQport(conn));
    pg->met = true;
    if (!pg->breaker.open)
        return;
    postgres_note(pg, NULL, true);
    for (int i = 0; i < LANE_COUNT; i++)
        pool_expect(&pg->pools[i]);
}

static void ticked(void *owner)
{
    struct postgres *pg = owner;
    int64_t now = clock_mono_now();
    for (int i = 0; i < LANE_COUNT; i++)
        pool_tick(&pg->pools[i], now);
    probe(pg);
}

/* ---- the engine ---- */

/* While the breaker is open only pings pass. A ping goes where there is a connection. */
static bool postgres_ask(struct store *s, struct ask *ask)
{
    struct postgres *pg = postgres_of(s);
    struct job *job = job_of(ask);
    struct pool *pool = &pg->pools[job_lane(job)];
    job_init(job);
    for (int i = 0; i < LANE_COUNT && ask->probe && pg->ready && !pool->in[LINK_READY]; i++)
        pool = &pg->pools[i];
    for (int i = 0; i < ask->change.n; i++)
        must(ask->change.at[i].stmt->postgres);
    if (!pg->breaker.open || ask->probe)
        return pool_take(pool, job);
    job_answer(job, ERR_UNAVAILABLE);
    job_drop(job);
    return true;
}

static bool postgres_broken(const struct store *s)
{
    return postgres_of(s)->breaker.open;
}

static struct lane_health postgres_lane(const struct store *s, enum lane lane)
{
    return pool_look(&postgres_of(s)->pools[lane]);
}

static void postgres_close(struct store *s)
{
    struct postgres *pg = postgres_of(s);
    ticker_free(pg->ticker);
    pg->ticker = NULL;
    for (int i = 0; i < LANE_COUNT; i++)
        if (pg->pools[i].links)
            pool_close(&pg->pools[i]);
}

static void postgres_free(struct store *s)
{
    struct postgres *pg = postgres_of(s);
    for (int i = 0; i < LANE_COUNT; i++)
        pool_fini(&pg->pools[i]);
    free(pg->names);
    pgurl_fini(&pg->url);
}

static const struct engine postgres_engine = {
    .ask_size = sizeof(struct job),
    .read = postgres_ask,
    .commit = postgres_ask,
    .close = postgres_close,
    .shared = true,
    .free = postgres_free,
    .broken = postgres_broken,
    .lane = postgres_lane,
};

static enum err postgres_begin(struct postgres *pg)
{
    char place[200];
    if (pgurl_init(&pg->url, pg->setup.where) != OK) {
        log_say(LOG_ERROR, "store",
                "the database's URL is not one: postgresql://USER:PASSWORD@HOST:PORT/NAME");
        return ERR_INVALID;
    }
    pgurl_says(&pg->url, place, sizeof(place));
    snprintf(pg->store.says, sizeof(pg->store.says), "PostgreSQL at %s", place);
    pg->names = calloc((size_t)stmts_count + 1, sizeof(*pg->names));
    if (!pg->names)
        return ERR_NO_MEMORY;
    prepare_names(pg->names);
    for (int i = 0; i < LANE_COUNT; i++)
        TRY(pool_init(&pg->pools[i], (enum lane)i, pg));
    pg->ticker = ticker_new(TICK_MS, ticked, pg);
    return pg->ticker ? OK : ERR_NO_MEMORY;
}

enum err postgres_open(struct store **out, const struct store_setup *setup)
{
    struct postgres *pg = calloc(1, sizeof(*pg));
    if (!pg)
        return ERR_NO_MEMORY;
    store_init(&pg->store, &postgres_engine);
    pg->setup = *setup;
    wait_init(&pg->turn, turn_ends);
    wait_init(&pg->probe, probed);
    enum err err = postgres_begin(pg);
    pg->setup.where = NULL; /* borrowed for the call only */
    if (err != OK) {
        store_close(&pg->store);
        return err;
    }
    for (int i = 0; i < LANE_COUNT; i++) /* one of each lane comes first */
        pool_open(&pg->pools[i], 0, 1);
    for (int i = 0; i < LANE_COUNT; i++)
        pool_open(&pg->pools[i], 1, INT_MAX - 1);
    *out = &pg->store;
    return OK;
}
