/* gate/media.c: gate 6: access to the generation that a medium belongs to. No resource of this house has one; one
 * that gets it gets its rule here. */
#include "gate/facts.h"

enum verdict gate_media(struct req *r)
{
    if (r->facts && r->resource->media)
        return req_deny_for(r, ERR_NOT_FOUND, "the generation is not known");
    return NEXT;
}
