/* gate/ownership.c: gate 3: a grant path from the principal to the row must reach the access that the action needs.
 * Without one the row does not exist for the caller: 404, the same as for a row that is not there.
 */
#include "gate/facts.h"

const char *grant_path(const struct principal *who, const struct resource *res,
                       const struct uuid *owner, enum access need)
{
    if (need == ACCESS_NONE)
        return NULL;
    if (!res->owned)
        return "permission";
    if (!uuid_nil(owner) && uuid_eq(&who->user_id, owner))
        return "direct_ownership";
    return NULL;
}

enum verdict gate_ownership(struct req *r)
{
    if (!r->facts)
        return NEXT; /* the path names no row */
    if (!grant_path(r->who, r->resource, &r->facts->owner, r->action->access))
        return req_deny_for(r, ERR_NOT_FOUND, "no grant path");
    return NEXT;
}
