/* gate/flood.c: spends one call from the window of the address, before anything else is looked at: a flood must be
 * cheap to refuse. The window is this node's own. Health checks are exempt, so that an orchestrator behind one
 * address never starves.
 */
#include "gate/facts.h"

#include "base/config.h"
#include "base/metric.h"
#include "gate/restraint.h"
#include "limits.h"

enum verdict gate_flood(struct req *r)
{
    if (r->local || str_starts(r->path, STR("/health")))
        return NEXT;

    struct window w = limits_of_address(&r->address);
    struct held held = restraint_look(limits_subject(w.key), r->now);
    if (held.level == RESTRAINT_BLOCK) {
        metric_add(METRIC_LIMIT_RESTRAINED, RESTRAINT_ADDRESS, 1);
        r->spent = limits_blocked(held.until - r->now);
        return req_deny_for(r, ERR_TOO_MANY, "the address is blocked");
    }
    w.limit = restraint_limit(held.level, w.limit);
    window_spend_here(r->windows, &w, 1, clock_mono(), &r->spent);
    if (r->spent.admitted)
        return NEXT;
    return req_deny_for(r, ERR_TOO_MANY, "window of the address");
}
