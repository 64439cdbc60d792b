/* gate/rbac.c: gate 2: the principal's permissions must hold the action's. An API key's scopes are intersected
 * already. */
#include "gate/facts.h"

enum verdict gate_rbac(struct req *r)
{
    const struct principal *who = r->who;
    enum permit permit = r->action->permit;

    if (permit == PERMIT_ANYONE)
        return NEXT;
    if (permit == PERMIT_NONE)
        return req_deny_for(r, ERR_FORBIDDEN, "the action has no permission");
    if (who->kind == PRINCIPAL_ANONYMOUS)
        return r->action->open ? NEXT : req_deny(r, ERR_NO_TOKEN); /* ownership asks whether the row is open too */
    if (r->action->session_only && who->kind != PRINCIPAL_USER)
        return req_deny(r, ERR_SESSION_NEEDED);
    if (permit == PERMIT_SIGNED_IN)
        return NEXT;
    if (!(who->permits & PERMIT_BIT(permit)))
        return req_deny_for(r, ERR_FORBIDDEN, permit_name(permit));
    return NEXT;
}
