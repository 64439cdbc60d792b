/* row.c: one row of a resource, as values and as JSON. */
#include "route/resource.h"

#include "base/clock.h"
#include "base/json.h"
#include "http/reply.h"
#include "row.h"

/* Bytes that a value takes at most, when no character of its text is escaped. */
static size_t expect(const struct value *v)
{
    switch (v->type) {
    case VALUE_TEXT:
    case VALUE_JSON:
        return v->null ? 4 : v->text.n + 2;
    default:
        return UUID_TEXT + 2; /* the longest of the others */
    }
}

static void put_value(struct text *out, const struct value *v)
{
    if (v->null) {
        text_lit(out, "null");
        return;
    }
    switch (v->type) {
    case VALUE_UUID:
        json_put_uuid(out, &v->uuid);
        return;
    case VALUE_TEXT:
        json_put_text(out, v->text);
        return;
    case VALUE_JSON:
        text_add(out, v->text);
        return;
    case VALUE_INT:
        text_int(out, v->i);
        return;
    case VALUE_TIME:
        json_put_time(out, v->i);
        return;
    case VALUE_BOOL:
        json_put_bool(out, v->i != 0);
        return;
    case VALUE_REAL:
        json_put_real(out, v->real);
        return;
    case VALUE_BYTES: /* resources_check refuses such a column */
        return;
    }
}

void row_json(struct text *out, const struct shape *s, const struct value *row)
{
    size_t comma = 1; /* in front of a key; not of the first */
    text_char(out, '{');
    for (int i = 0; i < s->ncolumns; i++) {
        struct str key = s->columns[i].key;
        if (s->columns[i].hidden)
            continue;
        text_add(out, (struct str){ key.p + comma, key.n - comma });
        comma = 0;
        put_value(out, &row[i]);
    }
    text_char(out, '}');
}

void resource_json(struct text *out, const struct resource *res, const struct value *row)
{
    row_json(out, shape_of(res), row);
}

void row_values(const struct rows *rows, int n, struct value *out)
{
    for (int i = 0; i < n; i++)
        out[i] = rows_value(rows, i);
}

struct value *resource_row(struct arena *a, const struct resource *res, const struct rows *rows)
{
    int n = res->get->ncolumns;
    struct value *row = ARENA_ARRAY(a, struct value, (size_t)n);
    if (row)
        row_values(rows, n, row);
    return row;
}

enum verdict reply_row(struct req *r, int status, const struct resource *res,
                       const struct value *row)
{
    const struct shape *s = shape_of(res);
    size_t size = s->keys + 2;
    for (int i = 0; i < s->ncolumns; i++)
        size += expect(&row[i]);

    struct text body = text_new(&r->arena, size);
    row_json(&body, s, row);
    if (body.failed)
        return req_deny(r, ERR_NO_MEMORY);
    reply_json(r, status, text_str(&body));
    if (s->version >= 0)
        r->reply.version = row[s->version].i;
    return NEXT;
}
