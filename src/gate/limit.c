/* gate/limit.c: gate 10: spends one call from each of the caller's windows, which are smaller for who is held back;
 * who is blocked has none. After identity: we must know who asks. Before facts: a refusal stays cheap. If no window
 * can answer, the request is refused: an uncounted call is not allowed.
 */
#include "gate/facts.h"

#include "base/config.h"
#include "base/metric.h"
#include "gate/restraint.h"
#include "limits.h"

/* The identity that is counted: the user behind the session or key, else the address. */
static uint64_t key_of(const struct req *r, uint32_t dimension)
{
    if (r->who->kind == PRINCIPAL_ANONYMOUS)
        return limits_address(dimension, &r->address);
    return limits_user(dimension, &r->who->user_id);
}

/* An address has its own, in gate flood. */
static int user_window(const struct req *r, struct window *w)
{
    if (r->who->kind == PRINCIPAL_ANONYMOUS)
        return 0;
    *w = limits_of_user(&r->who->user_id);
    return 1;
}

/* The route's class. The default class is the user's own window, counted above. */
static int class_windows(const struct req *r, struct window *w)
{
    if (r->action->rate == RATE_DEFAULT)
        return 0;
    const struct rate_class *c = rate_class(r->action->rate);
    const struct {
        int64_t length, limit;
    } lengths[] = { { MINUTE, c->minute }, { HOUR, c->hour }, { DAY, c->day } };
    int n = 0;
    for (uint32_t i = 0; i < 3; i++)
        if (lengths[i].limit)
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

/* All of them, as large as the restraint leaves them; that of the row in the path is not the caller's alone. */
static int windows_of(const struct req *r, enum restraint_level level, struct window *want)
{
    int n = user_window(r, want);
    n += class_windows(r, want + n);
    for (int i = 0; i < n; i++)
        want[i].limit = restraint_limit(level, want[i].limit);
    n += resource_window(r, want + n);
    for (int i = 0; i < n && config.rate_limit_profile == PROFILE_OFF; i++)
        want[i].limit = LIMIT_OFF;
    return n;
}

/* How the caller is held back; of who has no name, gate flood has seen the address. */
static struct held held_back(const struct req *r)
{
    if (r->who->kind == PRINCIPAL_ANONYMOUS)
        return (struct held){ .level = RESTRAINT_RECORDED };
    return restraint_look(restraint_user(&r->who->user_id), r->now);
}

static bool exempt(const struct req *r)
{
    return r->who->kind == PRINCIPAL_OPERATOR || r->action->rate == RATE_NONE;
}

static enum verdict blocked(struct req *r, int64_t until)
{
    metric_add(METRIC_LIMIT_RESTRAINED, RESTRAINT_PRINCIPAL, 1);
    r->spent = limits_blocked(until - r->now);
    return req_deny_for(r, ERR_TOO_MANY, "the principal is blocked");
}

/* From the answer of the windows. */
static enum verdict judge(struct req *r)
{
    if (r->spent.err != OK)
        return req_deny(r, r->spent.err);
    if (!r->spent.admitted)
        return req_deny_for(r, ERR_TOO_MANY, "window of the user or class");
    return NEXT;
}

enum verdict gate_limit(struct req *r)
{
    struct window want[WINDOWS_MAX];
    if (exempt(r))
        return NEXT;
    struct held held = held_back(r);
    if (held.level == RESTRAINT_BLOCK)
        return blocked(r, held.until);
    int n = r->counted ? 0 : windows_of(r, held.level, want);
    if (n == 0)
        return NEXT;
    r->counted = true;
    return window_spend(r->windows, want, n, clock_mono(), &r->spent, &r->wait) ? judge(r) : WAIT;
}

enum verdict gate_limit_spent(struct req *r)
{
    return judge(r);
}

enum verdict gate_limit_look(struct req *r)
{
    struct window want[WINDOWS_MAX];
    if (exempt(r))
        return NEXT;
    struct held held = held_back(r);
    if (held.level == RESTRAINT_BLOCK)
        return blocked(r, held.until);
    int n = windows_of(r, held.level, want);
    if (n == 0)
        return NEXT;
    return window_look(r->windows, want, n, clock_mono(), &r->spent, &r->wait) ? judge(r) : WAIT;
}

enum verdict gate_limit_looked(struct req *r)
{
    return judge(r);
}
