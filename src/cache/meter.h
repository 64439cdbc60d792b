/* cache/meter.h: the windows of this node, counted in the table that its workers share (entries.h). Lock-free, answered
 * at once. What each function does is what window.h says of its namesake.
 */
#ifndef CACHE_METER_H
#define CACHE_METER_H

#include "cache/window.h"

#include "entries.h"

#define SHARES 60 /* buckets of a window */

void meter_spend(struct table *t, const struct window *want, int n, int64_t now, struct spent *out);
void meter_look(struct table *t, const struct window *want, int n, int64_t now, struct spent *out);
void meter_return(struct table *t, const struct window *want, int n, int64_t now);
void meter_clear(struct table *t, const struct window *want, int64_t now);

/* What is answered when nothing stands against it. */
#define SPENT_NOTHING ((struct spent){ .err = OK, .admitted = true })

/* Puts one window's answer in, if it says more than what stands there: a refusal before a pass; of refusals the
 * longest, of passes the one with the least share left. */
static inline void spent_fold(struct spent *out, const struct spent *s)
{
    if (!s->admitted) {
        if (out->admitted || s->reset > out->reset)
            *out = *s;
    } else if (out->admitted && (out->limit == 0 || s->left * out->limit < out->left * s->limit)) {
        *out = *s;
    }
}

#endif
