/* gate/context.c: gate 4: the session or key that the request came with must be alive now, and used by whom it is
 * used to be: what is too unlike itself is refused (gate/risk.h), though it is not ended.
 */
#include "gate/country.h"
#include "gate/facts.h"

enum verdict gate_context(struct req *r)
{
    const struct principal *who = r->who;
    if (who->kind == PRINCIPAL_OPERATOR)
        return NEXT;
    country_of(&r->address, r->country);
    if (who->kind == PRINCIPAL_ANONYMOUS)
        return NEXT;
    if (!who->live)
        return req_deny_for(r, ERR_SESSION_ENDED, "session, key or user is not live");
    if (who->expires <= r->now)
        return req_deny_for(r, ERR_SESSION_ENDED, "expired");
    const struct risk_facts facts = { .key = who->kind == PRINCIPAL_APIKEY, .place = who->place };
    if (risk_of(r, &facts, &who->user_id) == RISK_RED)
        return req_deny_for(r, ERR_SESSION_ENDED, "risk is red");
    return NEXT;
}
