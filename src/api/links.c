#include "links.h"

#include "gate/facts.h"
#include "http/reply.h"
#include "route/resource.h"

bool link_all(const struct req *r)
{
    return r->grant.access >= ACCESS_ADMIN;
}

enum verdict link_get(struct req *r)
{
    struct value *ids = ARENA_ARRAY(&r->arena, struct value, 2);
    if (!ids)
        return req_deny(r, ERR_NO_MEMORY);
    ids[0] = (struct value){ .type = VALUE_UUID, .uuid = r->target_ids.id };
    ids[1] = (struct value){ .type = VALUE_UUID, .uuid = r->target_ids.second };
    store_ask(r->store, r->resource->get, ids, &r->rows, &r->wait);
    return WAIT;
}

static enum verdict reply_found(struct req *r, int status)
{
    struct value *row = resource_row(&r->arena, r->resource, &r->rows);
    return row ? reply_row(r, status, r->resource, row) : req_deny(r, ERR_NO_MEMORY);
}

enum verdict link_got(struct req *r)
{
    if (r->rows.err != OK)
        return req_deny(r, r->rows.err);
    return rows_next(&r->rows) ? reply_found(r, 200) : req_deny(r, ERR_NOT_FOUND);
}

enum verdict link_made(struct req *r)
{
    return rows_next(&r->rows) ? reply_found(r, 200) : req_deny(r, ERR_INTERNAL);
}
