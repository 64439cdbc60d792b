#include "each.h"

#include "base/clock.h"
#include "base/log.h"
#include "gen/stmt.h"

#define NAME STR("jobs")
#define LIFE (10 * SECOND)
#define RENEW (3 * SECOND)

static struct {
    const struct jobs_setup *use;
    bool stopped, giving;
    bool said; /* as it was last said */
    struct arena arena;
    struct change change;
    struct rows rows;
    struct wait wait;
    int64_t asked_at; /* monotonic microseconds, as all here: the store's clock need not be ours */
    int64_t until;    /* it is held */
} duty;

bool duty_held(void)
{
    if (!duty.use || duty.stopped)
        return false;
    return !store_shared(duty.use->store) || clock_mono() < duty.until;
}

static void say(void)
{
    if (duty_held() == duty.said)
        return;
    duty.said = !duty.said;
    if (duty.said)
        log_say(LOG_INFO, "duty", "this node does what one of all nodes does");
    else
        log_say(LOG_INFO, "duty", "another node may do what one of all nodes does");
}

static void answered(struct wait *w);

static void begin(void)
{
    arena_reset(&duty.arena);
    change_init(&duty.change, &duty.arena);
    wait_init(&duty.wait, answered);
    duty.asked_at = clock_mono();
}

static void give(void)
{
    duty.giving = true;
    begin();
    add_duty_give(&duty.change, NAME, &duty.use->node);
    store_commit(duty.use->store, &duty.change, &duty.rows, &duty.wait);
}

/* A failed ask changes nothing: what was held ends at its time. */
static void answered(struct wait *w)
{
    (void)w;
    if (!duty.giving && duty.rows.err == OK)
        duty.until = rows_next(&duty.rows) ? duty.asked_at + LIFE : 0;
    rows_fini(&duty.rows);
    if (duty.stopped && !duty.giving)
        give();
    say();
}

void duty_turn(const struct jobs_setup *use)
{
    duty.use = use;
    if (!store_shared(use->store))
        return;
    if (!duty.wait.open && (!duty.asked_at || clock_mono() - duty.asked_at >= RENEW)) {
        begin();
        add_duty_take(&duty.change, NAME, &use->node, LIFE);
        store_commit(use->store, &duty.change, &duty.rows, &duty.wait);
    }
    say();
}

void duty_stop(void)
{
    if (duty.stopped || !duty.use)
        return;
    bool held = duty_held() && store_shared(duty.use->store);
    duty.stopped = true;
    if (held && !duty.wait.open)
        give();
}

bool duty_busy(void)
{
    return duty.wait.open;
}

void duty_fini(void)
{
    rows_fini(&duty.rows);
    arena_reset(&duty.arena);
}
