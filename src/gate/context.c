/* gate/context.c: gate 4: the session or key that the request came with must be alive now. */
#include "gate/facts.h"

enum verdict gate_context(struct req *r)
{
    const struct principal *who = r->who;
    if (who->kind == PRINCIPAL_ANONYMOUS || who->kind == PRINCIPAL_OPERATOR)
        return NEXT;
    if (!who->live)
        return req_deny_for(r, ERR_SESSION_ENDED, "session, key or user is not live");
    if (who->expires <= r->now)
        return req_deny_for(r, ERR_SESSION_ENDED, "expired");
    return NEXT;
}
