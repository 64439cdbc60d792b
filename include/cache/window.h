/* cache/window.h: sliding rate-limit windows. A window is 60 buckets, the oldest counted whole, so no interval of its
 * length ever admits more than its limit; early refusal is at most one bucket's share. All windows of a request are
 * spent together or not at all.
 * Here: shared by the workers of a node through the segment; lock-free. A full table makes newcomers share one window
 * per length; it never turns into no limit.
 * In Redis: shared by all nodes. All windows of a request are one atomic script on Redis' own clock. Of a large limit
 * a worker takes permits ahead of use (an allotment), so that most requests ask nobody: counted when taken, good for
 * 3 buckets, of which the 3 oldest are counted whole then, so early refusal is at most 3/60 and what is outstanding. A
 * denial is remembered until its reset. Redis lost: the window here with this node's share of the limit.
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
    uint64_t key;   /* hash of dimension, identity and class; the same on all nodes that share a Redis */
    int64_t length; /* microseconds; a multiple of 60 */
    int64_t limit;  /* permits per length, at least 1 */
    bool strict;    /* of failed sign-ins: half the share while Redis is lost */
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
struct redis;
/* The table in the segment. entries: windows that can be told apart (each about 0.5 KiB). */
size_t windows_size(uint32_t entries);
/* A worker's hold on it; the first worker finds the part zeroed. redis: where windows are shared by nodes; NULL: only
 * here. Borrowed. NULL: no memory. */
struct windows *windows_new(void *part, uint32_t entries, struct redis *redis);
/* Gives what is left of the allotments back, as far as Redis answers. */
void windows_free(struct windows *ws);
/* How many nodes there are, this one included, for the share of each; in the segment, so all workers see it. */
void windows_nodes(struct windows *ws, int nodes);

/* Spends one permit of each window; the windows of one request differ. True: `out` is filled now. False: the wait will
 * be woken, then it is; never without Redis. now: monotonic microseconds. */
bool window_spend(struct windows *ws, const struct window *want, int n, int64_t now,
                  struct spent *out, struct wait *w);
/* The same of this node's windows alone; always at once. */
void window_spend_here(struct windows *ws, const struct window *want, int n, int64_t now,
                       struct spent *out);
/* Looks without spending. */
bool window_look(struct windows *ws, const struct window *want, int n, int64_t now,
                 struct spent *out, struct wait *w);
/* Gives one permit of each window back, the oldest: what was spent ahead and turned out not to count. Never blocks,
 * needs no answer. */
void window_return(struct windows *ws, const struct window *want, int n, int64_t now);
/* Forgets a window's count (an operator lifted it). */
void window_clear(struct windows *ws, const struct window *want, int64_t now);

#endif
