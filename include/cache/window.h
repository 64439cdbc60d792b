/* cache/window.h: sliding rate-limit windows, shared by the workers of a node through the segment; lock-free.
 * A window is 60 buckets, the oldest counted whole, so no interval of its length ever admits more than its limit;
 * early refusal is at most one bucket's share. All windows of a request are spent together or not at all.
 * A full table makes newcomers share one window per length; it never turns into no limit.
 */
#ifndef CACHE_WINDOW_H
#define CACHE_WINDOW_H

#include "base/err.h"
#include "net/wait.h"

#include <stdbool.h>
#include <stdint.h>

#define WINDOWS_MAX 8 /* windows of one request */

/* One window asked for. */
struct window {
    uint64_t key;   /* hash of dimension, identity and class */
    int64_t length; /* microseconds; a multiple of 60 */
    int64_t limit;  /* permits per length, at least 1 */
};

/* What came of it: of the window with the least share left, or of the one that refused. */
struct spent {
    enum err err; /* OK: answered; ERR_UNAVAILABLE: no window could answer */
    bool admitted;
    int64_t limit;
    int64_t left; /* permits left there; 0 when refused */
    int64_t reset; /* microseconds until a permit can be had (refused) or the window is empty */
};

struct windows;
/* entries: windows that can be told apart (each about 0.5 KiB). */
size_t windows_size(uint32_t entries);
struct windows *windows_init(void *part, uint32_t entries);

/* Spends one permit of each window. True: `out` is filled now. False: the wait will be woken, then it is. now:
 * monotonic microseconds. */
bool window_spend(struct windows *ws, const struct window *want, int n, int64_t now,
                  struct spent *out, struct wait *w);
/* Looks without spending. */
bool window_look(struct windows *ws, const struct window *want, int n, int64_t now,
                 struct spent *out, struct wait *w);
/* Gives one permit of each window back: what was spent ahead and turned out not to count. Never blocks, needs no
 * answer. */
void window_return(struct windows *ws, const struct window *want, int n, int64_t now);
/* Forgets a window's count (an operator lifted it). */
void window_clear(struct windows *ws, const struct window *want, int64_t now);

#endif
