/* gate/inheritance.c: gate 5: restrictions of ancestors. No resource of this house has ancestors; one that gets them
 * gets its rule here. */
#include "gate/facts.h"

enum verdict gate_inheritance(struct req *r)
{
    if (r->facts && r->resource->tree)
        return req_deny_for(r, ERR_NOT_FOUND, "ancestors are not known");
    return NEXT;
}
