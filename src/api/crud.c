#include "api/crud.h"

#include "base/json.h"
#include "http/reply.h"

#include <stdio.h>

/* ---- parameters ---- */

static struct value null_of(enum value_type type)
{
    return (struct value){ .type = type, .null = true };
}

/* What a name means before any column or field does; false: nothing. */
static bool bind_known(const struct req *r, const char *name, struct value *out)
{
    if (strcmp(name, "viewer") == 0)
        *out = (struct value){ .type = VALUE_UUID, .uuid = r->who->user_id };
    else if (strcmp(name, "second") == 0)
        *out = (struct value){ .type = VALUE_UUID, .uuid = r->target_ids.second };
    else if (strcmp(name, "now") == 0)
        *out = (struct value){ .type = VALUE_TIME, .i = r->now };
    else if (strcmp(name, "version") == 0 && r->facts)
        *out = (struct value){ .type = VALUE_INT, .i = r->facts->version }; /* the one that was looked at */
    else
        return false;
    return true;
}

/* A field that is taken and never shown has no column: as given, or its default. */
static struct value bind_taken(struct req *r, const struct slot *slot)
{
    const struct input *in = r->input;
    for (int i = 0; in && i < in->n; i++)
        if (strcmp(in->fields[i].name, slot->name) == 0)
            return in->at[i];
    const struct field *f = resource_field(r->resource, slot->name);
    must(f);
    return field_standard(&r->arena, f);
}

static struct value bind_change(struct req *r, const struct slot *slot, const struct value *row)
{
    struct value v;
    int column = resource_column(r->resource, slot->name);
    if (bind_known(r, slot->name, &v))
        return v;
    if (row && column >= 0)
        return row[column];
    if (strcmp(slot->name, "id") == 0)
        return (struct value){ .type = VALUE_UUID, .uuid = r->target_ids.id };
    if (strcmp(slot->name, "owner_id") == 0)
        return (struct value){ .type = VALUE_UUID, .uuid = r->who->user_id };
    return bind_taken(r, slot);
}

void crud_change(struct req *r, const struct stmt *stmt, const struct value *row)
{
    struct value params[STMT_PARAMS_MAX];
    must(stmt->nparams <= STMT_PARAMS_MAX);
    for (int i = 0; i < stmt->nparams; i++) {
        params[i] = bind_change(r, &stmt->params[i], row);
        must(params[i].type == stmt->params[i].type);
    }
    change_add(&r->change, stmt, params);
}

static struct value bind_page(const struct req *r, const struct resource *res,
                              const struct page *page, const struct uuid *viewer,
                              const struct slot *slot)
{
    const char *name = slot->name;
    struct value v;
    if (strcmp(name, "viewer") == 0)
        return (struct value){ .type = VALUE_UUID, .uuid = *viewer };
    if (bind_known(r, name, &v))
        return v;
    if (strcmp(name, "limit") == 0)
        return (struct value){ .type = VALUE_INT, .i = page->limit + 1 }; /* one more: is there a next? */
    if (strcmp(name, "skip") == 0)
        return (struct value){ .type = VALUE_INT, .i = page->skip };
    if (strcmp(name, "after_key") == 0)
        return page->after ? page->after_key : null_of(slot->type);
    if (strcmp(name, "after_id") == 0)
        return page->after ? (struct value){ .type = VALUE_UUID, .uuid = page->after_id }
                           : null_of(slot->type);
    if (strcmp(name, "id") == 0)
        return (struct value){ .type = VALUE_UUID, .uuid = r->target_ids.id };

    const struct field *f = resource_field(res, name);
    must(f);
    return page->filters[f - res->fields];
}

const struct value *crud_page(struct req *r, const struct resource *res, const struct page *page,
                              const struct uuid *viewer)
{
    const struct stmt *stmt = page_stmt(res, page);
    struct value *params = ARENA_ARRAY(&r->arena, struct value, (size_t)stmt->nparams);
    for (int i = 0; params && i < stmt->nparams; i++) {
        params[i] = bind_page(r, res, page, viewer, &stmt->params[i]);
        must(params[i].type == stmt->params[i].type);
    }
    return params;
}

/* ---- preconditions (RFC 9110 section 13) ---- */

/* Takes one entity-tag and the comma behind it off the list; false when the list is malformed. */
static bool next_tag(struct str *list, bool *weak, struct str *tag)
{
    *weak = str_starts(*list, STR("W/"));
    struct str rest = *weak ? (struct str){ list->p + 2, list->n - 2 } : *list;
    if (rest.n == 0 || rest.p[0] != '"')
        return false;
    size_t n = 1;
    while (n < rest.n && rest.p[n] != '"' && (unsigned char)rest.p[n] > 0x20 && rest.p[n] != 0x7f)
        n++;
    if (n == rest.n || rest.p[n] != '"')
        return false;
    *tag = (struct str){ rest.p + 1, n - 1 };

    rest = str_trim((struct str){ rest.p + n + 1, rest.n - n - 1 });
    if (rest.n > 0 && rest.p[0] != ',')
        return false;
    *list = rest;
    return true;
}

/* Whether the list names this version. One that cannot be read names none. */
static bool tags_name(struct str list, int64_t version, bool weakly)
{
    char text[24];
    int n = snprintf(text, sizeof(text), "v%lld", (long long)version);
    struct str wanted = { text, (size_t)n }, tag;
    bool named = false, weak;

    list = str_trim(list);
    if (str_eq(list, STR("*")))
        return true;
    for (;;) {
        while (list.n > 0 && (list.p[0] == ',' || list.p[0] == ' ' || list.p[0] == '\t'))
            list = (struct str){ list.p + 1, list.n - 1 };
        if (list.n == 0)
            return named;
        if (!next_tag(&list, &weak, &tag))
            return false;
        named = named || (str_eq(tag, wanted) && (weakly || !weak));
    }
}

enum err crud_match(const struct req *r)
{
    if (!r->if_match.p)
        return OK;
    return r->facts && tags_name(r->if_match, r->facts->version, false) ? OK : ERR_STALE;
}

/* ---- rows ---- */

static void put(struct value *row, const struct resource *res, const char *name, struct value v)
{
    int column = resource_column(res, name);
    if (column >= 0)
        row[column] = v;
}

/* The defaults of the resource, for a body that has other fields than it. */
static void put_defaults(struct req *r, struct value *row)
{
    const struct resource *res = r->resource;
    for (int i = 0; i < res->nfields; i++)
        put(row, res, res->fields[i].name, field_standard(&r->arena, &res->fields[i]));
    put(row, res, "metadata", (struct value){ .type = VALUE_JSON, .text = STR("{}") });
}

static struct value *row_new(struct req *r, const struct uuid *id)
{
    const struct resource *res = r->resource;
    const struct input *in = r->input;
    struct value *row = ARENA_ARRAY(&r->arena, struct value, (size_t)res->get->ncolumns);
    if (!row)
        return NULL;
    for (int i = 0; i < res->get->ncolumns; i++)
        row[i] = null_of(res->get->columns[i].type);
    if (!in || r->action->input)
        put_defaults(r, row);
    for (int i = 0; in && i < in->n; i++)
        put(row, res, in->fields[i].name, in->at[i]); /* as given, or its default */

    put(row, res, "id", (struct value){ .type = VALUE_UUID, .uuid = *id });
    put(row, res, "owner_id", (struct value){ .type = VALUE_UUID, .uuid = r->who->user_id });
    put(row, res, "version", (struct value){ .type = VALUE_INT, .i = 1 });
    put(row, res, "created_at", (struct value){ .type = VALUE_TIME, .i = r->now });
    put(row, res, "updated_at", (struct value){ .type = VALUE_TIME, .i = r->now });
    return row;
}

/* An object given for an object: RFC 7396. The result must fit the field as if it had been given whole. */
static enum err merge(struct req *r, const struct field *f, const struct json *patch,
                      struct value *into)
{
    const struct json *target = NULL, *whole;
    struct text merged = text_new(&r->arena, 256);
    if (!into->null)
        TRY(json_read(&r->arena, into->text, &target));
    json_merge(&merged, target, patch);
    if (merged.failed)
        return ERR_NO_MEMORY;
    TRY(json_read(&r->arena, text_str(&merged), &whole));
    if (field_read_json(r, f, whole, into))
        return OK;
    return r->arena.failed ? ERR_NO_MEMORY : ERR_INVALID;
}

static enum err patch_row(struct req *r, struct value *row)
{
    const struct input *in = r->input;
    for (int i = 0; in && i < in->n; i++) {
        int column = resource_column(r->resource, in->fields[i].name);
        if (!in->given[i] || column < 0)
            continue;
        bool object = json_type(in->raw[i]) == JSON_OBJECT;
        if (object)
            TRY(merge(r, &in->fields[i], in->raw[i], &row[column]));
        else
            row[column] = in->at[i];
    }
    return OK;
}

/* ---- handlers ---- */

/* A table that names a handler without giving its statement. */
static enum verdict incomplete(struct req *r)
{
    return req_deny_for(r, ERR_INTERNAL, "the resource lacks the statement of this handler");
}

enum verdict crud_list(struct req *r)
{
    const struct value *params = crud_page(r, r->resource, r->page, &r->who->user_id);
    if (!params)
        return req_deny(r, ERR_NO_MEMORY);
    store_ask(r->store, page_stmt(r->resource, r->page), params, &r->rows, &r->wait);
    return WAIT;
}

enum verdict crud_listed(struct req *r)
{
    if (r->rows.err != OK)
        return req_deny(r, r->rows.err);
    return reply_page(r, r->resource, &r->rows);
}

enum verdict crud_get(struct req *r)
{
    enum err err = crud_match(r);
    if (!r->facts)
        return incomplete(r);
    if (err != OK)
        return req_deny(r, err);
    if (r->if_none_match.p && tags_name(r->if_none_match, r->facts->version, true)) {
        reply_empty(r, 304);
        r->reply.version = r->facts->version;
        return DONE;
    }
    reply_json(r, 200, r->facts->json);
    r->reply.version = r->facts->version;
    return NEXT;
}

void crud_location(struct req *r, const struct uuid *id)
{
    struct text where = text_new(&r->arena, 80);
    text_lit(&where, "/api/v1/");
    text_add(&where, str_of(r->resource->plural));
    text_char(&where, '/');
    char *room = text_room(&where, UUID_TEXT);
    if (!room)
        return; /* the arena remembers that it is full */
    uuid_format(id, room);
    where.n += UUID_TEXT;
    reply_header(r, "Location", text_str(&where));
}

enum verdict crud_create(struct req *r)
{
    const struct resource *res = r->resource;
    struct uuid id = uuid_new(r->now);
    if (!res->add || !res->get)
        return incomplete(r);
    struct value *row = row_new(r, &id);
    if (!row)
        return req_deny(r, ERR_NO_MEMORY);
    if (res->adjust && res->adjust(r, row) != NEXT)
        return DENY;

    crud_change(r, res->add, row);
    r->row = row;
    r->audit_target = id;
    crud_location(r, &id);
    return r->arena.failed ? req_deny(r, ERR_NO_MEMORY) : reply_row(r, 201, res, row);
}

enum verdict crud_update(struct req *r)
{
    const struct resource *res = r->resource;
    enum err err = crud_match(r);
    if (!res->set || !r->facts)
        return incomplete(r);
    if (err != OK)
        return req_deny(r, err);
    struct value *row = facts_row(r);
    if (!row)
        return req_deny(r, ERR_NO_MEMORY);
    err = patch_row(r, row);
    if (err != OK)
        return req_deny(r, err);
    if (res->adjust && res->adjust(r, row) != NEXT)
        return DENY;

    put(row, res, "version", (struct value){ .type = VALUE_INT, .i = r->facts->version + 1 });
    put(row, res, "updated_at", (struct value){ .type = VALUE_TIME, .i = r->now });
    crud_change(r, res->set, row);
    r->row = row;
    return r->arena.failed ? req_deny(r, ERR_NO_MEMORY) : reply_row(r, 200, res, row);
}

enum verdict crud_delete(struct req *r)
{
    const struct resource *res = r->resource;
    enum err err = crud_match(r);
    if (!res->del || !r->facts)
        return incomplete(r);
    if (err != OK)
        return req_deny(r, err);
    struct value *row = facts_row(r);
    if (!row)
        return req_deny(r, ERR_NO_MEMORY);

    crud_change(r, res->del, row);
    r->row = row;
    reply_empty(r, 204);
    return r->arena.failed ? req_deny(r, ERR_NO_MEMORY) : NEXT;
}
