/* gate/limit.c: gate 10: spends one call from each of the caller's windows.
 * After identity: we must know who asks. Before facts: a refusal stays cheap.
 * If no window can answer, the request is refused: an uncounted call is not allowed.
 */
#include "gate/facts.h"

#include "base/config.h"
#include "limits.h"

/* The identity that is counted: the user behind the session or key, else the address. */
static uint64_t key_of(const struct req *r, uint32_t dimension)
{
    if (r->who->kind == PRINCIPAL_ANONYMOUS)
        return limits_address(dimension, &r->address);
    return hash_kind(dimension, r->who->user_id.b, sizeof(r->who->user_id.b));
}

static int user_window(const struct req *r, struct window *w)
{
    if (r->who->kind == PRINCIPAL_ANONYMOUS)
        return 0; /* the address has its own, in gate flood */
    *w = (struct window){ key_of(r, LIMIT_USER), MINUTE, 1000 };
    if (config.rate_limit_profile == PROFILE_STRICT)
        w->length = HOUR;
    if (config.rate_limit_requests > 0) {
        w->length = (config.rate_limit_window * SECOND + 59) / 60 * 60; /* whole buckets */
        w->limit = config.rate_limit_requests;
    }
    return 1;
}

/* The route's class. The default class is the user's own window, counted above. */
static int class_windows(const struct req *r, struct window *w)
{
    const struct rate_class *c = rate_class(r->action->rate);
    const struct {
        int64_t length, limit;
    } lengths[] = { { MINUTE, c->minute }, { HOUR, c->hour }, { DAY, c->day } };
    int n = 0;

    if (r->action->rate == RATE_DEFAULT)
        return 0;
    for (uint32_t i = 0; i < 3; i++)
        if (lengths[i].limit > 0)
            w[n++] = (struct window){ key_of(r, LIMIT_CLASS + (uint32_t)r->action->rate * 3 + i),
                                      lengths[i].length, lengths[i].limit };
    return n;
}

static int resource_window(const struct req *r, struct window *w)
{
    if (config.rate_limit_profile != PROFILE_STRICT || r->target_ids.n == 0)
        return 0;
    *w = (struct window){ hash_kind(LIMIT_RESOURCE, r->target_ids.id.b, sizeof(r->target_ids.id.b)),
                          MINUTE, 100 };
    return 1;
}

enum verdict gate_limit(struct req *r)
{
    struct window want[WINDOWS_MAX];
    int n = 0;

    if (r->counted || r->who->kind == PRINCIPAL_OPERATOR || r->action->rate == RATE_NONE)
        return NEXT;
    n += user_window(r, want + n);
    n += class_windows(r, want + n);
    n += resource_window(r, want + n);
    if (n == 0)
        return NEXT;
    for (int i = 0; i < n && config.rate_limit_profile == PROFILE_OFF; i++)
        want[i].limit = LIMIT_OFF;
    r->counted = true;
    if (!window_spend(r->windows, want, n, clock_mono(), &r->spent, &r->wait))
        return WAIT;
    return gate_limit_spent(r);
}

enum verdict gate_limit_spent(struct req *r)
{
    if (r->spent.err != OK)
        return req_deny(r, r->spent.err);
    if (!r->spent.admitted)
        return req_deny_for(r, ERR_TOO_MANY, "window of the user or class");
    return NEXT;
}
