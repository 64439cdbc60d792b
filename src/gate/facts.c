/* gate/facts.c: gate 7: what is known of the row that the path names. From memory, else from the store; if neither
 * can answer, the request cannot be judged: 503, never a verdict. What is cached is the row and its JSON, under the
 * row's epoch.
 */
#include "gate/facts.h"

#include "cache/cache.h"

/* The cached form: the length of the row's bytes, the bytes, the JSON. */
static struct str pack(struct arena *a, struct str row, struct str json)
{
    uint32_t n = (uint32_t)row.n;
    char *p = arena_alloc(a, sizeof(n) + row.n + json.n);
    if (!p)
        return STR_NONE;
    memcpy(p, &n, sizeof(n));
    memcpy(p + sizeof(n), row.p, row.n);
    memcpy(p + sizeof(n) + row.n, json.p, json.n);
    return (struct str){ p, sizeof(n) + row.n + json.n };
}

static struct facts *unpack(struct req *r, const struct look *look, struct str packed)
{
    struct facts *f = ARENA_NEW(&r->arena, struct facts);
    uint32_t n;
    if (!f)
        return NULL;
    memcpy(&n, packed.p, sizeof(n));
    f->id = look->id;
    f->json = (struct str){ packed.p + sizeof(n) + n, packed.n - sizeof(n) - n };
    rows_attach(&f->row, look->res->get, (struct str){ packed.p + sizeof(n), n });
    f->version = rows_int(&f->row, resource_column(look->res, "version"));
    if (look->res->owned)
        f->owner = rows_uuid(&f->row, resource_column(look->res, "owner_id"));
    return f;
}

/* All actions on a resource share one cache type: that of the first that names one. */
static enum cache_type type_of(const struct resource *res)
{
    for (int i = 0; i < res->nactions; i++)
        if (res->actions[i].cache != CACHE_NONE)
            return res->actions[i].cache;
    return CACHE_NONE;
}

static struct str key_of(const struct look *look)
{
    return (struct str){ (const char *)look->id.b, sizeof(look->id.b) };
}

static enum verdict done(struct look *look, enum err err)
{
    look->err = err;
    return NEXT;
}

static enum verdict look_up(struct req *r, struct look *look)
{
    enum cache_type type = type_of(look->res);
    struct str packed;

    if (type != CACHE_NONE) {
        /* The epochs are read before the entry is: what moves in between makes it stale for later, never fresh. */
        look->under = (struct epochs){ 0 };
        epochs_add(&look->under, EPOCH_RESOURCE, look->id.b, sizeof(look->id.b));
        switch (cache_get(r->cache, type, key_of(look), &look->under, &r->arena, &packed, &r->wait)) {
        case CACHE_HIT:
            look->facts = packed.p ? unpack(r, look, packed) : NULL;
            return done(look, look->facts ? OK : ERR_NO_MEMORY);
        case CACHE_WAIT:
            return WAIT;
        case CACHE_FILL:
            r->filling.type = type;
            r->filling.key = key_of(look);
            break;
        }
    }

    struct value *id = ARENA_NEW(&r->arena, struct value);
    if (!id)
        return done(look, ERR_NO_MEMORY);
    *id = (struct value){ .type = VALUE_UUID, .uuid = look->id };
    look->asked = true;
    store_ask(r->store, look->res->get, id, &r->found, &r->wait);
    return WAIT;
}

enum verdict look_begin(struct req *r, struct look *look, const struct resource *res,
                        const struct uuid *id)
{
    *look = (struct look){ .res = res, .id = *id };
    return look_up(r, look);
}

/* The row as it came from the store, packed; p is NULL when memory is out. */
static struct str pack_found(struct req *r, const struct look *look)
{
    struct text json = text_new(&r->arena, 512);
    struct value *row = resource_row(&r->arena, look->res, &r->found);
    if (!row)
        return STR_NONE;
    resource_json(&json, look->res, row);
    return json.failed ? STR_NONE : pack(&r->arena, rows_bytes(&r->found), text_str(&json));
}

enum verdict look_again(struct req *r, struct look *look)
{
    if (!look->asked)
        return look_up(r, look); /* somebody else has filled the cache, or failed to */
    look->asked = false;

    enum cache_type type = type_of(look->res);
    enum err err = r->found.err;
    struct str packed = STR_NONE;
    if (err == OK && rows_next(&r->found)) {
        packed = pack_found(r, look);
        if (!packed.p)
            err = ERR_NO_MEMORY;
    }
    r->filling.key = STR_NONE;
    if (type != CACHE_NONE && packed.p)
        cache_fill(r->cache, type, key_of(look), &look->under, packed);
    else if (type != CACHE_NONE)
        cache_drop(r->cache, type, key_of(look));
    rows_fini(&r->found);

    if (packed.p && !(look->facts = unpack(r, look, packed)))
        err = ERR_NO_MEMORY;
    return done(look, err);
}

struct value *facts_row(struct req *r)
{
    return resource_row(&r->arena, r->resource, &r->facts->row);
}

/* ---- the stage ---- */

static enum verdict known(struct req *r)
{
    struct look *look = r->look;
    r->look = NULL;
    if (look->err != OK)
        return req_deny(r, look->err);
    if (!look->facts)
        return req_deny_for(r, ERR_NOT_FOUND, "no such row");
    r->facts = look->facts;
    r->carried[1] = look->under;
    return NEXT;
}

enum verdict gate_facts(struct req *r)
{
    if (r->target_ids.n == 0 || !r->resource->get)
        return NEXT;
    r->look = ARENA_NEW(&r->arena, struct look);
    if (!r->look)
        return req_deny(r, ERR_NO_MEMORY);
    return look_begin(r, r->look, r->resource, &r->target_ids.id) == WAIT ? WAIT : known(r);
}

enum verdict gate_facts_known(struct req *r)
{
    return look_again(r, r->look) == WAIT ? WAIT : known(r);
}
