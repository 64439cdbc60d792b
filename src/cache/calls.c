#include "calls.h"

#include "allot.h"
#include "base/clock.h"
#include "meter.h"
#include "share.h"

#include <stdlib.h>
#include <string.h>

#define CALLS_KEPT 256 /* for later, so that a call does not reach malloc */
#define NOT_HELD (-1)
#define ALONE (-1)

/* What memory could not answer. */
struct call {
    struct list node; /* in the line of another's call, or spare */
    struct windows *ws;
    struct wait answered; /* by Redis */
    struct redis_reply reply;
    struct list line; /* who waits for this call */
    int behind;       /* how many those are */
    int n, nclaims;
    struct window want[WINDOWS_MAX];
    int64_t held[WINDOWS_MAX]; /* of those with a permit in hand: the bucket it was counted in */
    struct claim claims[WINDOWS_MAX]; /* of the others */
    int64_t sent;
    struct spent paid; /* by what is held */
    struct spent *out;
    struct wait *asker;
};

static struct call *take(struct windows *ws, const struct window *want, int n, struct spent *out,
                         struct wait *w)
{
    struct list *node = list_take(&ws->calls.spare);
    struct call *c = node ? LIST_OF(node, struct call, node) : malloc(sizeof(*c));
    if (!c)
        return NULL;
    ws->calls.spares -= node != NULL;
    ws->calls.under_way++;
    *c = (struct call){ .ws = ws, .n = n, .out = out, .asker = w };
    memcpy(c->want, want, (size_t)n * sizeof(*want));
    list_init(&c->node);
    list_init(&c->line);
    wait_open(w);
    return c;
}

static void give(struct call *c)
{
    struct windows *ws = c->ws;
    redis_reply_fini(&c->reply);
    ws->calls.under_way--;
    if (ws->calls.spares >= CALLS_KEPT) {
        free(c);
        return;
    }
    list_push(&ws->calls.spare, &c->node);
    ws->calls.spares++;
}

/* Puts what is held back into the hand, unless that holds permits of another bucket by now: those it is not like. */
static void put_back(struct call *c)
{
    for (int i = 0; i < c->n; i++) {
        struct allotment *hand =
            c->held[i] == NOT_HELD ? NULL : allot_find(c->ws->allotments, &c->want[i]);
        if (hand && hand->bucket == c->held[i])
            hand->left++;
        c->held[i] = NOT_HELD;
    }
}

/* Claims one permit of a window; of one that is taken ahead of, more: also for those who wait behind already. */
static void claim(struct call *c, const struct window *w, int behind)
{
    struct claim *one = &c->claims[c->nclaims++];
    *one = (struct claim){ .w = w, .ahead = allot_ahead(w), .asked = 1 };
    struct allotment *hand = NULL;
    if (one->ahead && behind != ALONE)
        hand = allot_make(c->ws->allotments, w);
    if (!hand)
        return;
    one->asked = w->limit / SHARES + behind;
    one->back = hand->left;
    one->bucket = hand->bucket;
    hand->left = 0;
    hand->call = c;
}

static void spend_answered(struct wait *w);

static void send(struct call *c, int behind, int64_t now)
{
    c->nclaims = 0;
    c->sent = now;
    c->paid = SPENT_NOTHING;
    for (int i = 0; i < c->n; i++) {
        struct allotment *hand = allot_in_hand(c->ws->allotments, &c->want[i], now);
        c->held[i] = hand ? hand->bucket : NOT_HELD;
        if (hand)
            allot_spend(hand, &c->want[i], now, &c->paid);
        else
            claim(c, &c->want[i], behind);
    }
    wait_init(&c->answered, spend_answered);
    share_ask(c->ws->redis, c->claims, c->nclaims, &c->reply, &c->answered);
}

/* A call under way for one of the windows that lack a permit. */
static struct call *call_to_wait_for(const struct call *c, int64_t now)
{
    for (int i = 0; i < c->n; i++) {
        if (!allot_ahead(&c->want[i]) || allot_in_hand(c->ws->allotments, &c->want[i], now))
            continue;
        const struct allotment *place = allot_find(c->ws->allotments, &c->want[i]);
        if (place && place->call)
            return place->call;
    }
    return NULL;
}

static void end(struct call *c)
{
    wait_done(c->asker);
    give(c);
}

/* behind: how many wait in the same line after this one; ALONE: it waits for no other, and takes nothing ahead. */
static void go_on(struct call *c, int behind, int64_t now)
{
    if (windows_spend_at_once(c->ws, c->want, c->n, now, c->out)) {
        end(c);
        return;
    }
    struct call *other = behind == ALONE ? NULL : call_to_wait_for(c, now);
    if (other) {
        list_push(&other->line, &c->node);
        other->behind++;
    } else {
        send(c, behind, now);
    }
}

/* ---- answers ---- */

/* What Redis granted goes into the hands, less the one permit of each window that was asked for. */
static void take_grants(struct call *c, const struct grant *grants)
{
    *c->out = c->paid;
    for (int i = 0; i < c->nclaims; i++) {
        const struct window *w = c->claims[i].w;
        const struct grant *g = &grants[i];
        struct spent s = { .err = OK, .admitted = true, .limit = w->limit, .reset = g->reset };
        s.left = g->left + g->taken - 1;
        spent_fold(c->out, &s);

        struct allotment *hand = allot_ahead(w) ? allot_find(c->ws->allotments, w) : NULL;
        if (!hand || hand->call != c)
            continue;
        hand->left = g->taken - 1;
        hand->until = g->start + GOOD_BUCKETS * (w->length / SHARES);
        hand->bucket = g->bucket;
        hand->rest = g->left;
    }
}

static void take_refusals(struct call *c, const struct grant *grants)
{
    put_back(c);
    *c->out = SPENT_NOTHING;
    for (int i = 0; i < c->nclaims; i++) {
        const struct window *w = c->claims[i].w;
        if (!grants[i].refused)
            continue;
        struct spent s = { .err = OK, .limit = w->limit, .reset = grants[i].reset };
        spent_fold(c->out, &s);
        allot_deny(c->ws->allotments, w, c->sent + s.reset);
    }
}

static void end_call(struct call *c)
{
    for (int i = 0; i < c->nclaims; i++) {
        struct allotment *hand = allot_find(c->ws->allotments, c->claims[i].w);
        if (hand && hand->call == c)
            hand->call = NULL;
    }
}

/* Whether what was taken ahead is stale already, so slow is Redis: then the line must not go on one by one. */
static bool came_late(const struct call *c, int64_t now)
{
    for (int i = 0; i < c->nclaims; i++) {
        const struct allotment *hand = allot_find(c->ws->allotments, c->claims[i].w);
        if (hand && hand->left > 0 && hand->until <= now)
            return true;
    }
    return false;
}

static void end_line(struct call *c, bool lost, int64_t now)
{
    struct list *node;
    bool late = came_late(c, now);
    while ((node = list_take(&c->line))) {
        struct call *next = LIST_OF(node, struct call, node);
        c->behind--;
        if (lost) {
            windows_spend_share(next->ws, next->want, next->n, now, next->out);
            end(next);
        } else {
            go_on(next, late ? ALONE : c->behind, now);
        }
    }
}

static void spend_answered(struct wait *w)
{
    struct call *c = LIST_OF(w, struct call, answered);
    struct grant grants[WINDOWS_MAX];
    int64_t now = clock_mono();
    bool admitted = true;
    bool lost = !share_read(&c->reply, c->claims, c->nclaims, c->sent, grants);
    for (int i = 0; !lost && i < c->nclaims; i++)
        admitted = admitted && !grants[i].refused;

    if (lost) {
        put_back(c);
        windows_spend_share(c->ws, c->want, c->n, now, c->out);
    } else {
        if (admitted)
            take_grants(c, grants);
        else
            take_refusals(c, grants);
        windows_told(FROM_REDIS, c->out);
    }
    end_call(c);
    end_line(c, lost, now);
    end(c);
}

static void look_answered(struct wait *w)
{
    struct call *c = LIST_OF(w, struct call, answered);
    struct grant grants[WINDOWS_MAX];
    int64_t now = clock_mono();
    bool lost = !share_read(&c->reply, c->claims, c->nclaims, c->sent, grants);
    *c->out = SPENT_NOTHING;
    if (lost)
        windows_look_share(c->ws, c->want, c->n, now, c->out);
    for (int i = 0; !lost && i < c->n; i++) {
        const struct allotment *hand = allot_in_hand(c->ws->allotments, &c->want[i], now);
        struct spent s = { .err = OK, .limit = c->want[i].limit, .reset = grants[i].reset };
        s.left = grants[i].left + (hand ? hand->left : 0);
        s.admitted = s.left > 0;
        spent_fold(c->out, &s);
    }
    end(c);
}

/* ---- what is offered ---- */

bool call_spend(struct windows *ws, const struct window *want, int n, int64_t now,
                struct spent *out, struct wait *w)
{
    struct call *c = take(ws, want, n, out, w);
    if (c)
        go_on(c, 0, now);
    return c != NULL;
}

bool call_look(struct windows *ws, const struct window *want, int n, int64_t now, struct spent *out,
               struct wait *w)
{
    struct call *c = take(ws, want, n, out, w);
    if (!c)
        return false;
    for (int i = 0; i < n; i++)
        c->claims[i] = (struct claim){ .w = &c->want[i], .ahead = allot_ahead(&c->want[i]) };
    c->nclaims = n;
    c->sent = now;
    wait_init(&c->answered, look_answered);
    share_ask(ws->redis, c->claims, n, &c->reply, &c->answered);
    return true;
}

void calls_init(struct calls *calls)
{
    list_init(&calls->spare);
}

void calls_fini(struct calls *calls)
{
    struct list *node;
    must(calls->under_way == 0);
    while ((node = list_take(&calls->spare)))
        free(LIST_OF(node, struct call, node));
}
