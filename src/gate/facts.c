/* gate/facts.c: gate 7: what is known of the row that the path names. From memory, else from the store; if neither
 * can answer, the request cannot be judged: 503, never a verdict. What is cached is the row, its JSON and what the
 * gates look at, under the epochs of the row, of its project and of the root of its tree.
 */
#include "gate/facts.h"

#include "cache/cache.h"

#include "sharing.h"

static const struct stmt *stmt_of(const struct resource *res)
{
    return res->facts ? res->facts : res->get;
}

/* The cached form: this, what it is shared with (where the gates look at that), the row's bytes, the JSON. */
struct head {
    int64_t version;
    struct uuid owner;
    uint64_t row_n;
};

static struct str pack(struct arena *a, const struct look *look, const struct facts *f,
                       struct str row, struct str json)
{
    size_t shared = look->res->facts ? sharing_size(f) : 0;
    const struct head head = { f->version, f->owner, row.n };
    size_t ahead = sizeof(head) + shared;
    char *p = arena_alloc(a, ahead + row.n + json.n);
    if (!p)
        return STR_NONE;
    memcpy(p, &head, sizeof(head));
    if (shared)
        sharing_write(f, p + sizeof(head));
    memcpy(p + ahead, row.p, row.n);
    memcpy(p + ahead + row.n, json.p, json.n);
    return (struct str){ p, ahead + row.n + json.n };
}

/* Its next n bytes; false: there are not so many. */
static bool take(struct str *packed, size_t n, struct str *out)
{
    if (packed->n < n)
        return false;
    *out = (struct str){ packed->p, n };
    *packed = (struct str){ packed->p + n, packed->n - n };
    return true;
}

static struct facts *unpack(struct req *r, const struct look *look, struct str packed)
{
    struct facts *f = ARENA_NEW(&r->arena, struct facts);
    struct head head;
    struct str bytes = STR_NONE;
    if (!f || !take(&packed, sizeof(head), &bytes))
        return NULL;
    memcpy(&head, bytes.p, sizeof(head));
    f->id = look->id;
    f->version = head.version;
    f->owner = head.owner;
    if (look->res->facts && !sharing_take(&packed, f))
        return NULL;
    if (!take(&packed, head.row_n, &bytes) || !rows_attach(&f->row, stmt_of(look->res), bytes))
        return NULL;
    f->json = packed;
    return f;
}

/* All actions on a resource share one cache type: that of the first that names one. */
static enum cache_type type_of(const struct look *look)
{
    const struct resource *res = look->res;
    if (look->afresh)
        return CACHE_NONE;
    for (int i = 0; i < res->nactions; i++)
        if (res->actions[i].cache != CACHE_NONE)
            return res->actions[i].cache;
    return CACHE_NONE;
}

static struct str key_of(const struct look *look)
{
    return (struct str){ look->key, look->key_n };
}

static void set_key(struct look *look)
{
    size_t n = strlen(look->res->noun);
    must(sizeof(look->id) + n <= sizeof(look->key));
    memcpy(look->key, look->id.b, sizeof(look->id));
    memcpy(look->key + sizeof(look->id), look->res->noun, n);
    look->key_n = sizeof(look->id) + n;
}

static enum verdict done(struct look *look, enum err err)
{
    look->err = err;
    return NEXT;
}

static enum verdict unpacked(struct req *r, struct look *look, struct str packed)
{
    look->facts = packed.p ? unpack(r, look, packed) : NULL;
    return done(look, look->facts ? OK : ERR_NO_MEMORY);
}

/* The epochs are read before the entry is: what moves in between makes it stale for later, never fresh. */
static void add_epochs(struct look *look)
{
    look->under = (struct epochs){ 0 };
    epochs_add(&look->under, EPOCH_RESOURCE, look->id.b, sizeof(look->id.b));
    for (int i = 0; i < COUNT(look->parents); i++)
        if (!uuid_nil(&look->parents[i]))
            epochs_add(&look->under, EPOCH_RESOURCE, look->parents[i].b, sizeof(struct uuid));
}

/* What was asked ahead is the answer, if nothing has moved since. */
static bool take_ahead(struct req *r, struct look *look)
{
    if (!look->ahead)
        return false;
    look->ahead = false;
    if (epochs_moved(&look->ahead_under)) {
        rows_fini(&r->ahead);
        return false;
    }
    look->under = look->ahead_under;
    r->found = r->ahead;
    r->ahead = (struct rows){ 0 };
    return true;
}

/* And what was found beside the principal, if nothing has moved since. */
static struct str take_beside(struct look *look)
{
    struct str known = look->known;
    look->known = STR_NONE;
    if (!known.p || !epochs_fresh(&look->ahead_under))
        return STR_NONE;
    look->under = look->ahead_under;
    return known;
}

static enum verdict look_up(struct req *r, struct look *look)
{
    enum cache_type type = type_of(look);
    struct str packed = take_beside(look);

    look->asked = false;
    if (packed.p)
        return unpacked(r, look, packed);
    /* Of what memory has, no epoch need be read: it carries its own. */
    if (type != CACHE_NONE && cache_recall(r->cache, type, key_of(look), &look->under, &packed))
        return unpacked(r, look, str_copy(&r->arena, packed));
    add_epochs(look);
    if (type != CACHE_NONE) {
        switch (
            cache_get(r->cache, type, key_of(look), &look->under, &r->arena, &packed, &r->wait)) {
        case CACHE_HIT:
            return unpacked(r, look, packed);
        case CACHE_WAIT:
            return WAIT;
        case CACHE_FILL:
            r->filling.type = type;
            r->filling.key = key_of(look);
            break;
        }
    }

    look->asked = true;
    if (take_ahead(r, look))
        return look_again(r, look);
    store_ask(r->store, stmt_of(look->res), &look->param, &r->found, &r->wait);
    return WAIT;
}

static void look_init(struct look *look, const struct resource *res, const struct uuid *id)
{
    *look = (struct look){ .res = res, .id = *id, .param = { .type = VALUE_UUID, .uuid = *id } };
    set_key(look);
}

enum verdict look_begin(struct req *r, struct look *look, const struct resource *res,
                        const struct uuid *id)
{
    look_init(look, res, id);
    return look_up(r, look);
}

enum verdict look_begin_afresh(struct req *r, struct look *look, const struct resource *res,
                               const struct uuid *id)
{
    look_init(look, res, id);
    look->afresh = true;
    return look_up(r, look);
}

/* The row as it came from the store, packed. */
static enum err pack_found(struct req *r, const struct look *look, struct str *packed)
{
    struct text json = text_new(&r->arena, 512);
    struct value *row = resource_row(&r->arena, look->res, &r->found);
    struct facts f = { .id = look->id };
    if (!row)
        return ERR_NO_MEMORY;
    f.version = rows_int(&r->found, resource_column(look->res, "version"));
    if (look->res->owned)
        f.owner = rows_uuid(&r->found, resource_column(look->res, "owner_id"));
    resource_json(&json, look->res, row);
    if (look->res->facts)
        TRY(sharing_read(&r->arena, &r->found, &f));
    if (!json.failed)
        *packed = pack(&r->arena, look, &f, rows_bytes(&r->found), text_str(&json));
    return packed->p ? OK : ERR_NO_MEMORY;
}

/* The first look at a row tells what else its facts stand on. Those epochs were not read before the ask, so what came
 * serves to know them, and is read again. */
static bool parents_new(const struct req *r, struct look *look)
{
    static const char *const names[] = { "project_id", "root_id" };
    bool new = false;
    if (look->parents_known || look->afresh || !look->res->facts)
        return false;
    for (int i = 0; i < COUNT(names); i++) {
        int column = resource_column(look->res, names[i]);
        if (column < 0)
            continue;
        look->parents[i] = rows_uuid(&r->found, column);
        new = new || !uuid_eq(&look->parents[i], &look->id);
    }
    look->parents_known = true;
    return new;
}

static void end_load(struct req *r, const struct look *look, struct str packed)
{
    enum cache_type type = type_of(look);
    if (type != CACHE_NONE)
        r->filling.key = STR_NONE;
    if (type != CACHE_NONE && packed.p)
        cache_fill(r->cache, type, key_of(look), &look->under, packed);
    else if (type != CACHE_NONE)
        cache_drop(r->cache, type, key_of(look));
    rows_fini(&r->found);
}

enum verdict look_again(struct req *r, struct look *look)
{
    if (!look->asked)
        return look_up(r, look); /* somebody else has filled the cache, or failed to */

    enum err err = r->found.err;
    struct str packed = STR_NONE;
    if (err == OK && rows_next(&r->found)) {
        if (parents_new(r, look)) {
            end_load(r, look, STR_NONE);
            return look_up(r, look);
        }
        err = pack_found(r, look, &packed);
    }
    end_load(r, look, packed);

    if (packed.p && !(look->facts = unpack(r, look, packed)))
        err = ERR_NO_MEMORY;
    return done(look, err == ERR_INTERNAL ? ERR_UNAVAILABLE : err);
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
        return req_deny_for(r, look->err, "the row's facts cannot be had");
    if (!look->facts) /* nobody signed in sees no difference to a row that is hidden */
        return req_deny_for(r, r->who->kind == PRINCIPAL_ANONYMOUS ? ERR_NO_TOKEN : ERR_NOT_FOUND,
                            "no such row");
    r->facts = look->facts;
    r->carried[1] = look->under;
    return NEXT;
}

/* Whose row the path names; NULL: it names none that has facts. */
static const struct resource *looked_at(const struct req *r)
{
    const struct resource *res = r->resource->under ? r->resource->under : r->resource;
    return r->target_ids.n == 0 || !res->get ? NULL : res;
}

static bool look_new(struct req *r, const struct uuid *id)
{
    r->look = arena_alloc(&r->arena, sizeof(*r->look));
    if (r->look)
        look_init(r->look, looked_at(r), id);
    return r->look;
}

/* A look at the row in the path, before gate uuid has seen its id; NULL: there is none to be had, or memory has it. */
static struct look *look_early(struct req *r)
{
    struct uuid id;
    if (r->look || !r->resource || !looked_at(r) || !uuid_parse(r->target_ids.text[0], &id) ||
        !uuid_acceptable(&id) || !look_new(r, &id))
        return NULL;
    struct look *look = r->look;
    add_epochs(look);
    look->ahead_under = look->under;
    enum cache_type type = type_of(look);
    return type != CACHE_NONE && cache_holds(r->cache, type, key_of(look)) ? NULL : look;
}

struct wait *look_ahead(struct req *r)
{
    struct look *look = cache_shared(r->cache) ? NULL : look_early(r);
    if (!look)
        return &r->wait;
    look->ahead = true;
    both_begin(&look->both, &r->wait);
    store_ask(r->store, stmt_of(look->res), &look->param, &r->ahead, &look->both.second);
    return &look->both.first;
}

/* What nobody has yet, gate facts looks for again when it comes to that: the principal may be denied before. */
static bool still_beside(struct look *look)
{
    struct req *r = look->asker;
    enum cache_type type = type_of(look);
    enum cache_got got = cache_get(r->cache, type, key_of(look), &look->ahead_under, &r->arena,
                                   &look->known, &look->beside);
    if (got == CACHE_FILL)
        cache_drop(r->cache, type, key_of(look));
    return got == CACHE_WAIT;
}

static void beside_here(struct wait *w)
{
    struct look *look = LIST_OF(w, struct look, beside);
    if (!still_beside(look))
        wait_done(&look->both.second);
}

struct wait *look_beside(struct req *r)
{
    struct look *look = cache_shared(r->cache) ? look_early(r) : NULL;
    bool waits = false;
    if (look && type_of(look) != CACHE_NONE) {
        look->asker = r;
        wait_init(&look->beside, beside_here);
        waits = still_beside(look);
    }
    if (!waits) {
        wait_open(&r->wait);
        return &r->wait;
    }
    both_begin(&look->both, &r->wait);
    wait_open(&look->both.first);
    wait_open(&look->both.second);
    return &look->both.first;
}

enum verdict gate_facts(struct req *r)
{
    if (!looked_at(r))
        return NEXT;
    if (!r->look && !look_new(r, &r->target_ids.id))
        return req_deny(r, ERR_NO_MEMORY);
    return look_up(r, r->look) == WAIT ? WAIT : known(r);
}

enum verdict gate_facts_known(struct req *r)
{
    return look_again(r, r->look) == WAIT ? WAIT : known(r);
}
