/* base/breaker.h: whether a dependency is worth asking. Open after 5 consecutive failures, or when half of the last
 * 100 answers were failures; then one ask every 500 ms is let through as a probe, and the first that succeeds closes
 * it. Plain data of one thread; it asks nothing itself.
 */
#ifndef BASE_BREAKER_H
#define BASE_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

#define BREAKER_WINDOW 100
#define BREAKER_CONSECUTIVE 5
#define BREAKER_PROBE (500 * 1000) /* microseconds */

/* Zeroed is closed. */
struct breaker {
    bool open;
    int consecutive;     /* failures since the last success */
    int answers, failed; /* in the window */
    int next;            /* place of the oldest answer */
    int64_t probe_at;    /* while open: when the next ask is let through */
    uint64_t outcome[(BREAKER_WINDOW + 63) / 64]; /* 1: failed */
};

/* Whether to ask now (monotonic microseconds). While open, true takes the probe that was due. */
bool breaker_allows(struct breaker *b, int64_t now);
/* What came of an ask. True when that opened or closed it. */
bool breaker_note(struct breaker *b, bool ok, int64_t now);

#endif
