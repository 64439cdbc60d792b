#include "each.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/metric.h"
#include "gate/emergency.h"
#include "gate/audit.h"
#include "gen/stmt.h"
#include "net/loop.h"

#define TICK_MS 100
#define AGAIN (SECOND / 2) /* after a failed ask */
#define UNTOLD_MAX 12      /* moves that the audit does not have yet; of more only the number is kept */

/* The breakers' mode has moved. */
struct move {
    struct uuid id; /* of its audit row: a repeated commit makes no second one */
    enum mode was, is;
    int64_t at;
    int left_out; /* moves before it that there was no room for */
};

static struct {
    const struct jobs_setup *use;
    struct ticker *ticker;
    enum mode now; /* as it was last said */
    bool said;

    /* the row of the mode that was set by hand */
    struct arena arena;
    struct rows rows;
    struct wait wait;
    struct epochs under, reading;
    bool read;
    int64_t again_at;

    /* the breakers, and what the audit is to be told of them */
    enum mode breakers;
    struct move untold[UNTOLD_MAX];
    int nuntold, telling, left_out;
    struct audited written[UNTOLD_MAX];
    struct arena tell_arena;
    struct change change;
    struct rows told_rows;
    struct wait told_wait;
    int64_t tell_at;
} modes;

/* ---- the mode set by hand ---- */

static void ask(void);

/* Without an answer the mode stays what it was, and is asked for again. */
static void answered(struct wait *w)
{
    (void)w;
    if (mode_take(&modes.rows) == OK) {
        modes.under = modes.reading;
        modes.read = true;
    } else {
        modes.again_at = clock_mono() + AGAIN;
    }
    rows_fini(&modes.rows);
    modes_hear();
}

static void ask(void)
{
    arena_reset(&modes.arena);
    wait_init(&modes.wait, answered);
    modes.reading = (struct epochs){ 0 };
    epochs_add(&modes.reading, EPOCH_MODE, NULL, 0);
    ask_mode_get(modes.use->store, &modes.arena, &modes.rows, &modes.wait);
}

void modes_hear(void)
{
    if (!modes.ticker || modes.wait.open || clock_mono() < modes.again_at)
        return;
    if (!modes.read || epochs_moved(&modes.under))
        ask();
}

/* ---- what the audit is told ---- */

static struct str detail_of(struct arena *a, const struct move *m)
{
    struct text t = text_new(a, 160);
    text_lit(&t, "{\"address\":\"local\",\"detail\":{\"mode\":");
    json_put_text(&t, str_of(mode_name(m->is)));
    json_key(&t, "was");
    json_put_text(&t, str_of(mode_name(m->was)));
    json_key(&t, "node");
    json_put_uuid(&t, &modes.use->node);
    json_key(&t, "left_out");
    text_int(&t, m->left_out);
    text_lit(&t, "}}");
    return t.failed ? STR_NONE : text_str(&t);
}

static void settle(enum err err)
{
    for (int i = 0; i < modes.telling; i++)
        audit_settle(&modes.written[i], err);
}

static void told(struct wait *w)
{
    (void)w;
    enum err err = modes.told_rows.err;
    settle(err);
    rows_fini(&modes.told_rows);
    if (err == OK || err == ERR_EXISTS) {
        modes.nuntold -= modes.telling;
        memmove(modes.untold, modes.untold + modes.telling,
                sizeof(modes.untold[0]) * (size_t)modes.nuntold);
        modes.telling = 0;
    } else {
        modes.tell_at = clock_mono() + AGAIN;
    }
}

static enum err compose(void)
{
    for (int i = 0; i < modes.telling; i++) {
        const struct move *m = &modes.untold[i];
        const struct audit_row row = {
            .id = m->id,
            .at = m->at,
            .kind = PRINCIPAL_SYSTEM,
            .decision = uuid_new(m->at),
            .action = m->is > m->was ? STR("mode.enter") : STR("mode.leave"),
            .correlation = STR("-"),
            .outcome = "made",
            .risk = "unrated",
            .payload = detail_of(&modes.tell_arena, m),
        };
        if (!row.payload.p)
            return ERR_NO_MEMORY;
        TRY(audit_add(&modes.change, &modes.tell_arena, keyring_chain(modes.use->keyring), &row,
                      &modes.written[i]));
    }
    return OK;
}

/* What was sent once is sent again as it was, so that it is there as a whole or not at all. */
static void tell(void)
{
    if (modes.nuntold == 0 || modes.told_wait.open || store_broken(modes.use->store) ||
        clock_mono() < modes.tell_at)
        return;
    if (!modes.telling)
        modes.telling = modes.nuntold;
    arena_reset(&modes.tell_arena);
    change_init(&modes.change, &modes.tell_arena);
    wait_init(&modes.told_wait, told);
    enum err err = compose();
    if (err != OK) {
        settle(err);
        return;
    }
    store_commit(modes.use->store, &modes.change, &modes.told_rows, &modes.told_wait);
}

/* ---- what is seen ---- */

static void look_at_breakers(void)
{
    enum mode is = mode_by_breakers(), was = modes.breakers;
    if (is == was)
        return;
    modes.breakers = is;
    log_say(is > was ? LOG_WARN : LOG_INFO, "mode", "%s %s: breakers have %s",
            is > was ? "enters" : "leaves", mode_name(is > was ? is : was),
            is > was ? "opened" : "closed");
    if (modes.nuntold == UNTOLD_MAX) {
        modes.left_out++;
        return;
    }
    int64_t now = clock_wall();
    modes.untold[modes.nuntold++] = (struct move){ uuid_new(now), was, is, now, modes.left_out };
    modes.left_out = 0;
}

static void show(void)
{
    enum mode now = mode_now();
    for (unsigned m = 0; m < MODE_COUNT; m++)
        metric_set(METRIC_GATE_MODE, m, m == (unsigned)now);
    if (modes.said && now != modes.now)
        log_say(now > modes.now ? LOG_WARN : LOG_INFO, "mode", "the mode is %s now, it was %s",
                mode_name(now), mode_name(modes.now));
    modes.now = now;
    modes.said = true;
}

/* ---- the first worker ---- */

static void tick(void *owner)
{
    (void)owner;
    look_at_breakers();
    show();
    modes_hear();
    tell();
}

void modes_start(const struct jobs_setup *use)
{
    modes.use = use;
    modes.ticker = ticker_new(TICK_MS, tick, NULL);
    tick(NULL);
}

void modes_stop(void)
{
    ticker_free(modes.ticker);
    modes.ticker = NULL;
}

bool modes_busy(void)
{
    return modes.wait.open || modes.told_wait.open;
}

void modes_fini(void)
{
    rows_fini(&modes.rows);
    rows_fini(&modes.told_rows);
    arena_reset(&modes.arena);
    arena_reset(&modes.tell_arena);
}
