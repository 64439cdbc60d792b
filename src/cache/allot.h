/* cache/allot.h: what one worker remembers of the windows in Redis: permits taken ahead of use (allotments), and
 * refusals. Bounded: an allotment pushed out loses its permits, a denial pushed out costs a round trip. No allocation
 * after the start, no I/O.
 */
#ifndef CACHE_ALLOT_H
#define CACHE_ALLOT_H

#include "cache/window.h"

struct call;

/* Permits of one window in hand. */
struct allotment {
    uint64_t key;
    int64_t length;   /* of the window; 0: a free place */
    struct call *call; /* that takes permits for it; while it is set, the place is not given away */
    int64_t left;     /* permits in hand */
    int64_t until;    /* they are good before that; monotonic microseconds */
    int64_t bucket;   /* of Redis, in which they were counted */
    int64_t rest;     /* permits that were left in the window besides */
};

struct allotments;
/* NULL: no memory. */
struct allotments *allot_new(void);
void allot_free(struct allotments *as);

/* The window's place, NULL when it has none; and the same, made when it has none: NULL when none can be given away. */
struct allotment *allot_find(struct allotments *as, const struct window *w);
struct allotment *allot_make(struct allotments *as, const struct window *w);
/* A place with permits in hand, spent or not, from *at on, which is moved behind it; NULL: no more. */
struct allotment *allot_next(struct allotments *as, uint32_t *at);

/* Whether permits of the window are taken ahead of use. */
bool allot_ahead(const struct window *w);
/* The window's place, if there is a permit in it that is good; and spends that permit. */
struct allotment *allot_in_hand(struct allotments *as, const struct window *w, int64_t now);
void allot_spend(struct allotment *a, const struct window *w, int64_t now, struct spent *out);

/* Remembers that the window has no permit before `until`. */
void allot_deny(struct allotments *as, const struct window *w, int64_t until);
/* Until when that is remembered; not after `now`: it is not. */
int64_t allot_denied(const struct allotments *as, const struct window *w);
void allot_admit(struct allotments *as, const struct window *w);

#endif
