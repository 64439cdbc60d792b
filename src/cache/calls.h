/* cache/calls.h: what memory cannot answer about windows is asked of Redis, and waits.
 * At most one call at a time takes permits ahead for a window: who needs that window meanwhile waits in its line, and
 * is answered from what it brings, in order, or calls itself. Redis failing, or being too slow for permits in hand, is
 * the same for a whole line, so a line never goes on from deadline to deadline. A call lives until it is answered; the
 * wait and `out` are the asker's.
 */
#ifndef CACHE_CALLS_H
#define CACHE_CALLS_H

#include "cache/window.h"

#include "base/list.h"

struct calls {
    struct list spare;
    int spares, under_way;
};

/* A worker's hold on the windows (window.c). */
struct windows {
    struct table *table;
    struct redis *redis; /* NULL: nothing is shared with other nodes, and what follows is unused */
    struct allotments *allotments;
    struct calls calls;
};

void calls_init(struct calls *calls);
void calls_fini(struct calls *calls); /* none is under way */

/* As window.h says of spending and looking, but never at once. False: no memory; nothing was done. */
bool call_spend(struct windows *ws, const struct window *want, int n, int64_t now,
                struct spent *out, struct wait *w);
bool call_look(struct windows *ws, const struct window *want, int n, int64_t now, struct spent *out,
               struct wait *w);

/* ---- of window.c, for calls ---- */

/* Answers from memory, or from here while Redis is lost. False: it must be asked. */
bool windows_spend_at_once(struct windows *ws, const struct window *want, int n, int64_t now,
                           struct spent *out);
/* Answers without Redis: permits in hand count, and of windows without any this node's share. */
void windows_spend_share(struct windows *ws, const struct window *want, int n, int64_t now,
                         struct spent *out);
void windows_look_share(struct windows *ws, const struct window *want, int n, int64_t now,
                        struct spent *out);

/* Cells of METRIC_LIMIT_ANSWERS. */
enum source { FROM_HERE, FROM_ALLOTMENT, FROM_REDIS, FROM_DENIAL, FROM_LOST };
void windows_told(enum source source, const struct spent *out);

#endif
