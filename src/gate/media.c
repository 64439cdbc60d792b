/* gate/media.c: gate 6: a medium hangs on a generation, and who cannot read that has no part in the medium either, not
 * even who made it. The facts of a medium name the generation as the nearest ancestor, so this is a function of them.
 * What a signed URL was signed for must still be in force. (What can be told from the URL alone: gate/signature.c.)
 */
#include "gate/facts.h"

#include "gate/signature.h"

/* The generation's facts, as far as the medium's hold them. */
static bool generation_of(const struct facts *medium, struct facts *out)
{
    if (medium->nancestors == 0)
        return false;
    *out = *medium;
    out->id = medium->ancestors[0].id;
    out->owner = medium->ancestors[0].owner;
    out->ancestors = medium->ancestors + 1;
    out->nancestors = medium->nancestors - 1;
    out->depth = out->nancestors;
    return true;
}

enum err judge_media(const struct principal *who, const struct resource *res,
                     const struct facts *facts, int64_t now, const char **reason)
{
    struct facts generation;
    struct reach reach;
    if (!res->media)
        return OK;
    *reason = "the generation is not known";
    if (!generation_of(facts, &generation))
        return ERR_NOT_FOUND;
    TRY(judge_ownership(who, res, &generation, ACCESS_READ, now, &reach, reason));
    TRY(judge_inheritance(who, &generation, ACCESS_READ, now, reason));
    *reason = NULL;
    return OK;
}

enum verdict gate_media(struct req *r)
{
    if (!r->facts || !r->resource->media)
        return NEXT;
    enum err err = judge_media(r->who, r->resource, r->facts, r->now, &r->reason);
    if (err != OK)
        return req_deny(r, err);
    int version = resource_column(r->resource, "sign_version");
    if (r->signature && rows_int(&r->facts->row, version) != r->signature->version)
        return req_deny_for(r, ERR_NOT_FOUND, "the URL has been revoked");
    return NEXT;
}
