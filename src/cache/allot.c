#include "allot.h"

#include "meter.h"

#include <stdlib.h>

#define AHEAD_FROM 600 /* a smaller limit is never taken ahead of */
#define SET 4
#define PLACES 16384 /* 56 bytes each, touched as they are used */
#define DENIALS 4096

struct denial {
    uint64_t key;
    int64_t length, limit;
    int64_t until;
};

struct allotments {
    struct allotment places[PLACES];
    struct denial denials[DENIALS];
};

struct allotments *allot_new(void)
{
    return calloc(1, sizeof(struct allotments));
}

void allot_free(struct allotments *as)
{
    free(as);
}

/* 0 to places - 1; places: a power of two. */
static uint32_t hash_of(const struct window *w, uint32_t places)
{
    uint64_t mixed = (w->key ^ (uint64_t)w->length) * UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)(mixed >> 32) & (places - 1);
}

static struct allotment *set_of(struct allotments *as, const struct window *w)
{
    return &as->places[hash_of(w, PLACES / SET) * SET];
}

struct allotment *allot_find(struct allotments *as, const struct window *w)
{
    struct allotment *set = set_of(as, w);
    for (struct allotment *a = set; a < set + SET; a++) {
        if (a->key == w->key && a->length == w->length)
            return a;
    }
    return NULL;
}

/* Of several that can be given away, the one whose permits end first. */
struct allotment *allot_make(struct allotments *as, const struct window *w)
{
    struct allotment *set = set_of(as, w), *oldest = NULL, *own = allot_find(as, w);
    if (own)
        return own;
    for (struct allotment *a = set; a < set + SET; a++) {
        if (!a->call && (!oldest || a->until < oldest->until))
            oldest = a;
    }
    if (oldest)
        *oldest = (struct allotment){ .key = w->key, .length = w->length };
    return oldest;
}

struct allotment *allot_next(struct allotments *as, uint32_t *at)
{
    while (*at < PLACES) {
        struct allotment *a = &as->places[(*at)++];
        if (a->left > 0)
            return a;
    }
    return NULL;
}

/* ---- permits in hand ---- */

bool allot_ahead(const struct window *w)
{
    return w->limit >= AHEAD_FROM && !w->strict;
}

struct allotment *allot_in_hand(struct allotments *as, const struct window *w, int64_t now)
{
    if (!allot_ahead(w))
        return NULL;
    struct allotment *a = allot_find(as, w);
    return a && a->left > 0 && now < a->until ? a : NULL;
}

void allot_spend(struct allotment *a, const struct window *w, int64_t now, struct spent *out)
{
    a->left--;
    struct spent s = {
        .err = OK,
        .admitted = true,
        .limit = w->limit,
        .left = a->rest + a->left,
        .reset = a->until + w->length - now,
    };
    spent_fold(out, &s);
}

/* ---- denials ---- */

static bool is_of(const struct denial *d, const struct window *w)
{
    return d->key == w->key && d->length == w->length && d->limit == w->limit;
}

void allot_deny(struct allotments *as, const struct window *w, int64_t until)
{
    as->denials[hash_of(w, DENIALS)] = (struct denial){ w->key, w->length, w->limit, until };
}

int64_t allot_denied(const struct allotments *as, const struct window *w)
{
    const struct denial *d = &as->denials[hash_of(w, DENIALS)];
    return is_of(d, w) ? d->until : 0;
}

void allot_admit(struct allotments *as, const struct window *w)
{
    struct denial *d = &as->denials[hash_of(w, DENIALS)];
    if (d->key == w->key && d->length == w->length)
        *d = (struct denial){ 0 };
}
