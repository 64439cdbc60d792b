#include "each.h"

#include "base/clock.h"
#include "base/log.h"
#include "gen/stmt.h"

#define IDEMPOTENCY_KEPT DAY      /* so long a key answers as the first time */
#define SUCCESSOR_KEPT (10 * SECOND) /* the grace of a repeated refresh */
#define SESSIONS_KEPT (7 * DAY)   /* beyond their end, for who asks what was */
#define RESTRAINTS_KEPT (90 * DAY) /* likewise */
#define BUMPS_KEPT (15 * MINUTE)  /* more than freshness.c ever reads again */
#define BATCH 5000 /* about as many rows of a kind at once, so that nobody waits long for their locks */

static struct {
    const struct jobs_setup *use;
    struct arena arena;
    struct change change;
    struct rows rows;
    struct wait wait;
} job;

static void begin(wait_fn *then)
{
    arena_reset(&job.arena);
    change_init(&job.change, &job.arena);
    wait_init(&job.wait, then);
}

static bool end(void)
{
    bool ok = job.rows.err == OK;
    if (!ok)
        log_say(LOG_WARN, "upkeep", "upkeep of the store failed: %s", err_info(job.rows.err)->code);
    rows_fini(&job.rows);
    return ok;
}

static void bumps_purged(struct wait *w);

static void purge_bumps(void)
{
    begin(bumps_purged);
    add_bump_purge(&job.change, BUMPS_KEPT, BATCH);
    store_commit(job.use->store, &job.change, &job.rows, &job.wait);
}

static void bumps_purged(struct wait *w)
{
    (void)w;
    bool more = job.rows.changed >= BATCH;
    if (end() && more && duty_held())
        purge_bumps();
}

/* A purge of keys makes every worker read them again, so it is left out while there is nothing to purge. */
static bool keys_ended(const struct keyring *ring, int64_t before)
{
    const struct keys *keys = keyring_keys(ring);
    for (int i = 0; i < keys->n; i++)
        if (keys->at[i].until != 0 && keys->at[i].until < before)
            return true;
    return false;
}

static void purged(struct wait *w);

static void purge(void)
{
    int64_t now = clock_wall();
    begin(purged);
    add_idempotency_purge(&job.change, now - IDEMPOTENCY_KEPT, BATCH);
    add_refresh_forget_successors(&job.change, now - SUCCESSOR_KEPT, BATCH);
    add_session_purge(&job.change, now - SESSIONS_KEPT, BATCH);
    add_restraint_purge(&job.change, now - RESTRAINTS_KEPT, BATCH);
    if (keys_ended(job.use->keyring, now - JWT_SKEW))
        add_key_purge(&job.change, now - JWT_SKEW);
    store_commit(job.use->store, &job.change, &job.rows, &job.wait);
}

static void purged(struct wait *w)
{
    (void)w;
    bool more = job.rows.changed >= BATCH;
    if (!end())
        return;
    if (more && duty_held())
        purge();
    else if (store_shared(job.use->store))
        purge_bumps();
}

void upkeep_run(const struct jobs_setup *use)
{
    job.use = use;
    if (!upkeep_busy())
        purge();
}

bool upkeep_busy(void)
{
    return job.wait.open;
}

void upkeep_fini(void)
{
    rows_fini(&job.rows);
    arena_reset(&job.arena);
}
