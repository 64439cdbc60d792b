#include "each.h"

#include "base/clock.h"
#include "base/log.h"
#include "gen/stmt.h"

#define IDEMPOTENCY_KEPT DAY      /* so long a key answers as the first time */
#define SUCCESSOR_KEPT (10 * SECOND) /* the grace of a repeated refresh */
#define SESSIONS_KEPT (7 * DAY)   /* beyond their end, for who asks what was */

static struct {
    struct arena arena;
    struct change change;
    struct rows rows;
    struct wait wait;
} job;

static void done(struct wait *w)
{
    (void)w;
    if (job.rows.err != OK)
        log_say(LOG_WARN, "upkeep", "upkeep of the store failed: %s", err_info(job.rows.err)->code);
    rows_fini(&job.rows);
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

void upkeep_run(const struct jobs_setup *use)
{
    int64_t now = clock_wall();
    if (upkeep_busy())
        return;
    arena_reset(&job.arena);
    change_init(&job.change, &job.arena);
    add_idempotency_purge(&job.change, now - IDEMPOTENCY_KEPT);
    add_refresh_forget_successors(&job.change, now - SUCCESSOR_KEPT);
    add_session_purge(&job.change, now - SESSIONS_KEPT);
    if (keys_ended(use->keyring, now - JWT_SKEW))
        add_key_purge(&job.change, now - JWT_SKEW);
    wait_init(&job.wait, done);
    store_commit(use->store, &job.change, &job.rows, &job.wait);
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
