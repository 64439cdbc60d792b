/* cache/window.c: which source answers about a request's windows: permits in hand, a denial remembered, Redis, or the
 * windows here.
 */
#include "cache/window.h"

#include "allot.h"
#include "calls.h"
#include "base/metric.h"
#include "meter.h"
#include "share.h"

#include <stdlib.h>

void windows_told(enum source source, const struct spent *out)
{
    metric_add(METRIC_LIMIT_ANSWERS, source, 1);
    metric_add(METRIC_LIMIT_SPENT, out->admitted ? 0 : 1, 1);
}

/* ---- the windows here, for Redis ---- */

/* What this node may admit alone. */
static struct window share_of(const struct windows *ws, const struct window *w)
{
    struct window share = *w;
    int nodes = atomic_load(&ws->table->nodes);
    share.limit /= nodes > 1 ? nodes : 1;
    share.limit /= w->strict ? 2 : 1;
    share.limit = share.limit < 1 ? 1 : share.limit;
    return share;
}

void windows_spend_share(struct windows *ws, const struct window *want, int n, int64_t now,
                         struct spent *out)
{
    struct allotment *hands[WINDOWS_MAX];
    struct window shares[WINDOWS_MAX] = { 0 };
    int lacking = 0;
    for (int i = 0; i < n; i++) {
        hands[i] = allot_in_hand(ws->allotments, &want[i], now);
        if (!hands[i])
            shares[lacking++] = share_of(ws, &want[i]);
    }
    meter_spend(ws->table, shares, lacking, now, out);
    for (int i = 0; out->admitted && i < n; i++) {
        if (hands[i])
            allot_spend(hands[i], &want[i], now, out);
    }
    windows_told(FROM_LOST, out);
}

void windows_look_share(struct windows *ws, const struct window *want, int n, int64_t now,
                        struct spent *out)
{
    struct window shares[WINDOWS_MAX];
    for (int i = 0; i < n; i++)
        shares[i] = share_of(ws, &want[i]);
    meter_look(ws->table, shares, n, now, out);
}

/* ---- answers at once ---- */

bool windows_spend_at_once(struct windows *ws, const struct window *want, int n, int64_t now,
                           struct spent *out)
{
    struct allotment *hands[WINDOWS_MAX];
    int lacking = 0;
    *out = SPENT_NOTHING;
    for (int i = 0; i < n; i++) {
        hands[i] = allot_in_hand(ws->allotments, &want[i], now);
        lacking += !hands[i];
        int64_t denied = hands[i] ? 0 : allot_denied(ws->allotments, &want[i]);
        if (denied > now) {
            struct spent s = { .err = OK, .limit = want[i].limit, .reset = denied - now };
            spent_fold(out, &s);
        }
    }
    if (!out->admitted) {
        windows_told(FROM_DENIAL, out);
        return true;
    }
    if (lacking > 0 && redis_up(ws->redis))
        return false;
    if (lacking > 0) {
        windows_spend_share(ws, want, n, now, out);
        return true;
    }
    for (int i = 0; i < n; i++)
        allot_spend(hands[i], &want[i], now, out);
    windows_told(FROM_ALLOTMENT, out);
    return true;
}

/* ---- what is offered ---- */

bool window_spend(struct windows *ws, const struct window *want, int n, int64_t now,
                  struct spent *out, struct wait *w)
{
    must(n >= 0 && n <= WINDOWS_MAX);
    if (!ws->redis) {
        window_spend_here(ws, want, n, now, out);
        return true;
    }
    if (windows_spend_at_once(ws, want, n, now, out))
        return true;
    must(w != NULL);
    if (call_spend(ws, want, n, now, out, w))
        return false;
    windows_spend_share(ws, want, n, now, out);
    return true;
}

void window_spend_here(struct windows *ws, const struct window *want, int n, int64_t now,
                       struct spent *out)
{
    meter_spend(ws->table, want, n, now, out);
    windows_told(FROM_HERE, out);
}

bool window_look(struct windows *ws, const struct window *want, int n, int64_t now,
                 struct spent *out, struct wait *w)
{
    must(n >= 0 && n <= WINDOWS_MAX);
    if (!ws->redis || n == 0) {
        meter_look(ws->table, want, n, now, out);
        return true;
    }
    if (redis_up(ws->redis) && call_look(ws, want, n, now, out, w))
        return false;
    windows_look_share(ws, want, n, now, out);
    return true;
}

void window_return(struct windows *ws, const struct window *want, int n, int64_t now)
{
    must(n >= 0 && n <= WINDOWS_MAX);
    if (!ws->redis || n == 0 || !redis_up(ws->redis)) {
        meter_return(ws->table, want, n, now);
    } else {
        struct claim claims[WINDOWS_MAX];
        for (int i = 0; i < n; i++)
            claims[i] = (struct claim){ &want[i], allot_ahead(&want[i]), CLAIM_RETURN, 0, 0 };
        share_ask(ws->redis, claims, n, NULL, NULL);
    }
    for (int i = 0; ws->redis && i < n; i++)
        allot_admit(ws->allotments, &want[i]);
}

void window_clear(struct windows *ws, const struct window *want, int64_t now)
{
    meter_clear(ws->table, want, now);
    if (!ws->redis)
        return;
    share_clear(ws->redis, want);
    allot_admit(ws->allotments, want);
    struct allotment *hand = allot_find(ws->allotments, want);
    if (hand)
        hand->left = 0; /* they are counted no longer */
}

/* ---- life ---- */

size_t windows_size(uint32_t entries)
{
    return table_size(entries);
}

struct windows *windows_new(void *part, uint32_t entries, struct redis *redis)
{
    struct windows *ws = calloc(1, sizeof(*ws));
    if (!ws)
        return NULL;
    ws->table = table_init(part, entries);
    ws->redis = redis;
    calls_init(&ws->calls);
    if (!redis || (ws->allotments = allot_new()))
        return ws;
    free(ws);
    return NULL;
}

void windows_nodes(struct windows *ws, int nodes)
{
    atomic_store(&ws->table->nodes, nodes);
}

static void give_all_back(struct windows *ws)
{
    const struct allotment *hand;
    uint32_t at = 0;
    do {
        struct window windows[WINDOWS_MAX];
        struct claim claims[WINDOWS_MAX];
        int n = 0;
        while (n < WINDOWS_MAX && (hand = allot_next(ws->allotments, &at))) {
            windows[n] = (struct window){ hand->key, hand->length, 1, false };
            claims[n] = (struct claim){ &windows[n], true, 0, hand->left, hand->bucket };
            n++;
        }
        if (n > 0)
            share_ask(ws->redis, claims, n, NULL, NULL);
    } while (hand);
}

void windows_free(struct windows *ws)
{
    if (!ws)
        return;
    calls_fini(&ws->calls);
    if (ws->redis && redis_up(ws->redis))
        give_all_back(ws);
    allot_free(ws->allotments);
    free(ws);
}
