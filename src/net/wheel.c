/* net/wheel.c: 512 slots of 100 ms. An entry lies in the slot of its time or an earlier one: a deadline that is
 * moved to a later time stays where it is and is slotted anew when its old slot comes. What is further away than a
 * round does the same.
 */
#include "net/wheel.h"

#include "base/clock.h"
#include "base/err.h"
#include "uvloop.h"

#include <stdbool.h>

#define SLOTS 512
#define TICK_MS 100
#define TICK (TICK_MS * (SECOND / 1000))

static struct {
    uv_timer_t timer; /* active while there are entries */
    struct list slots[SLOTS];
    int64_t tick;     /* the first slot that will be looked at next */
    unsigned entries;
    bool open;
} wheel;

static void slot(struct deadline *d)
{
    int64_t tick = d->at / TICK;
    if (tick < wheel.tick)
        tick = wheel.tick;
    list_push(&wheel.slots[tick % SLOTS], &d->node);
}

/* Ends what is due in one slot. expired() may set and clear any deadline, also those that were taken here. */
static void turn_slot(struct list *slot_list, int64_t now)
{
    struct list taken;
    list_init(&taken);
    list_splice(&taken, slot_list);

    struct list *node;
    while ((node = list_take(&taken))) {
        struct deadline *d = LIST_OF(node, struct deadline, node);
        if (d->at > now) {
            slot(d);
            continue;
        }
        wheel.entries--;
        d->expired(d);
    }
}

static void turn(uv_timer_t *timer)
{
    loop_woke();
    int64_t now = clock_mono(), last = now / TICK, first = wheel.tick;
    if (last - first >= SLOTS)
        first = last - SLOTS + 1; /* a long sleep: each slot once */

    /* From here on nothing is slotted before the last one, which is looked at again next time. */
    wheel.tick = last;
    for (int64_t tick = first; tick <= last; tick++)
        turn_slot(&wheel.slots[tick % SLOTS], now);
    if (wheel.entries == 0)
        uv_timer_stop(timer);
}

void wheel_init(void)
{
    for (int i = 0; i < SLOTS; i++)
        list_init(&wheel.slots[i]);
    uv_timer_init(loop_uv(), &wheel.timer);
    uv_unref((uv_handle_t *)&wheel.timer); /* what a deadline ends keeps the loop, the deadline does not */
    wheel.entries = 0;
    wheel.open = true;
}

void wheel_fini(void)
{
    if (!wheel.open)
        return;
    wheel.open = false;
    uv_close((uv_handle_t *)&wheel.timer, NULL);
}

void deadline_init(struct deadline *d, void (*expired)(struct deadline *d))
{
    list_init(&d->node);
    d->at = 0;
    d->expired = expired;
}

void deadline_set(struct deadline *d, int64_t at)
{
    bool set = !list_empty(&d->node);
    bool later = at >= d->at;
    d->at = at;
    if (set && later)
        return;

    must(wheel.open);
    if (!set && wheel.entries++ == 0 && !uv_is_active((uv_handle_t *)&wheel.timer)) {
        wheel.tick = clock_mono() / TICK;
        uv_timer_start(&wheel.timer, turn, TICK_MS, TICK_MS);
    }
    list_remove(&d->node);
    slot(d);
}

void deadline_clear(struct deadline *d)
{
    if (list_empty(&d->node))
        return;
    list_remove(&d->node);
    wheel.entries--;
}
