/* cache/share.h: windows in Redis, which all nodes share: one script, atomic, on Redis' own clock.
 * A window is a hash: the permits of each bucket under its number, their sum, and the oldest and newest of those
 * numbers. Buckets that count no longer are dropped as they are met. A window whose permits are taken ahead of use
 * counts 63 buckets instead of 61: such a permit is used in the 3 buckets from the one it was counted in, so it must
 * stay for 2 more. It holds no state of its own.
 */
#ifndef CACHE_SHARE_H
#define CACHE_SHARE_H

#include "cache/redis.h"
#include "cache/window.h"

#include "meter.h"

#define GOOD_BUCKETS 3 /* that permits taken ahead may be used in, the one they were counted in included */

#define CLAIM_RETURN (-1)

/* What is asked of one window. */
struct claim {
    const struct window *w;
    bool ahead;    /* permits of this window are taken ahead of use; the same in every claim on it */
    int64_t asked; /* permits, at least one of which must be there; 0: a look; CLAIM_RETURN: the oldest is given back */
    int64_t back;  /* unspent permits given back, */
    int64_t bucket; /* and the bucket they were counted in */
};

/* What came of it. */
struct grant {
    bool refused;  /* no permit is left: nothing was taken of any window */
    int64_t taken; /* 0 to asked */
    int64_t left;  /* in the window after that */
    int64_t bucket; /* the one they were counted in */
    int64_t start;  /* when that began on this machine's monotonic clock; rather too early than too late */
    int64_t reset;  /* microseconds until a permit can be had (refused) or the window is empty */
};

/* n: 1 to WINDOWS_MAX; the windows differ. out and wait may be NULL, as in redis.h. */
void share_ask(struct redis *r, const struct claim *claims, int n, struct redis_reply *out,
               struct wait *wait);
/* Reads the reply to such an ask that was sent at `sent` or later. False: there is none that makes sense. */
bool share_read(const struct redis_reply *reply, const struct claim *claims, int n, int64_t sent,
                struct grant *grants);
/* Forgets a window; nobody waits. */
void share_clear(struct redis *r, const struct window *w);

#endif
