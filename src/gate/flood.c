/* gate/flood.c: spends one call from the window of the address, before anything else is looked at: a flood must be
 * cheap to refuse. The window is this node's own. Health checks are exempt, so that an orchestrator behind one
 * address never starves.
 */
#include "gate/facts.h"

#include "base/config.h"
#include "limits.h"

enum verdict gate_flood(struct req *r)
{
    if (r->local || str_starts(r->path, STR("/health")))
        return NEXT;

    struct window w = { .key = limits_address(LIMIT_ADDRESS, &r->address),
                        .length = MINUTE,
                        .limit = 2000 };
    if (config.rate_limit_profile == PROFILE_STRICT)
        w.length = HOUR;
    if (config.rate_limit_profile == PROFILE_OFF)
        w.limit = LIMIT_OFF;
    window_spend_here(r->windows, &w, 1, clock_mono(), &r->spent);
    if (r->spent.err != OK)
        return req_deny(r, r->spent.err);
    if (r->spent.admitted)
        return NEXT;
    return req_deny_for(r, ERR_TOO_MANY, "window of the address");
}
