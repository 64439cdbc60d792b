#include "each.h"

#include "base/clock.h"
#include "base/epoch.h"
#include "gate/restraint.h"
#include "gen/stmt.h"
#include "net/loop.h"

#define TICK_MS 50
#define AGAIN SECOND /* after the store has failed */

static struct {
    const struct jobs_setup *use;
    struct ticker *ticker;
    bool loaded;
    int64_t not_before; /* monotonic */
    struct epochs under; /* what is being loaded, or was */
    struct arena arena;
    struct rows rows;
    struct wait wait;
} job;

/* What cannot be read as a subject or level holds nobody. */
static bool take(struct restraint_row *out)
{
    struct uuid user;
    struct in6_addr address;
    struct str kind = rows_text(&job.rows, COL_RESTRAINT_ACTIVE_KIND);
    struct str subject = rows_text(&job.rows, COL_RESTRAINT_ACTIVE_SUBJECT);
    bool principal = str_eq(kind, str_of(restraint_kind_name(RESTRAINT_PRINCIPAL)));
    if (!restraint_subject_read(principal ? RESTRAINT_PRINCIPAL : RESTRAINT_ADDRESS, subject, &user,
                                &address) ||
        !restraint_level_find(rows_text(&job.rows, COL_RESTRAINT_ACTIVE_LEVEL), &out->level))
        return false;
    out->subject = principal ? restraint_user(&user) : restraint_address(&address);
    out->until = rows_int(&job.rows, COL_RESTRAINT_ACTIVE_UNTIL);
    return true;
}

static enum err load(void)
{
    struct restraint_row *all = ARENA_ARRAY(&job.arena, struct restraint_row, RESTRAINT_PLACES);
    int n = 0;
    if (job.rows.err != OK)
        return job.rows.err;
    if (!all)
        return ERR_NO_MEMORY;
    while (n < RESTRAINT_PLACES && rows_next(&job.rows))
        n += take(&all[n]);
    restraint_load(all, n, clock_wall());
    return OK;
}

/* What has moved since it was asked for is asked for again at the next tick. */
static void came(struct wait *w)
{
    (void)w;
    job.loaded = load() == OK;
    if (!job.loaded)
        job.not_before = clock_mono() + AGAIN;
    rows_fini(&job.rows);
    arena_reset(&job.arena);
}

static void tick(void *owner)
{
    (void)owner;
    if (job.wait.open || (job.loaded && !epochs_moved(&job.under)) || clock_mono() < job.not_before)
        return;
    job.under = (struct epochs){ 0 };
    epochs_add(&job.under, EPOCH_RESTRAINTS, NULL, 0);
    wait_init(&job.wait, came);
    ask_restraint_active(job.use->store, &job.arena, clock_wall(), RESTRAINT_PLACES, &job.rows,
                         &job.wait);
}

void restraints_start(const struct jobs_setup *use)
{
    job.use = use;
    job.loaded = false;
    job.not_before = 0;
    job.ticker = ticker_new(TICK_MS, tick, NULL);
    tick(NULL);
}

void restraints_stop(void)
{
    ticker_free(job.ticker);
    job.ticker = NULL;
}

bool restraints_busy(void)
{
    return job.wait.open;
}

void restraints_fini(void)
{
    rows_fini(&job.rows);
    arena_reset(&job.arena);
}
