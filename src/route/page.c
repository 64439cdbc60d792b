#include "route/page.h"

#include "cursor.h"
#include "field.h"
#include "http/reply.h"
#include "route/input.h"
#include "row.h"

/* What has been seen of a query so far. If several things are wrong the first of these counts: what cannot
 * be read, a foreign cursor, a value that does not fit.
 */
struct reading {
    struct req *r;
    struct page *page;
    bool limit, skip, after, sort; /* stood there */
    bool bad, foreign, unfit;
    struct str cursor;
};

static void bad(struct reading *q, const char *name, const char *code, const char *message)
{
    q->bad = true;
    req_fault(q->r, name, code, message);
}

/* False, and a fault, when the parameter has been there before. */
static bool first(struct reading *q, bool *seen, const char *name)
{
    if (*seen)
        bad(q, name, "duplicate", "Stands twice.");
    bool fresh = !*seen;
    *seen = true;
    return fresh;
}

/* ---- parameters ---- */

static void read_limit(struct reading *q, struct str value)
{
    if (first(q, &q->limit, "limit") && !str_int(value, 1, PAGE_MAX, &q->page->limit))
        bad(q, "limit", "range", "Must be 1 to 1000.");
}

static void read_skip(struct reading *q, struct str value)
{
    if (first(q, &q->skip, "skip") && !str_int(value, 0, PAGE_SKIP_MAX, &q->page->skip))
        bad(q, "skip", "range", "Must be 0 to 100000.");
}

static void read_after(struct reading *q, struct str value)
{
    if (first(q, &q->after, "after"))
        q->cursor = value;
}

static void read_sort(struct reading *q, struct str value)
{
    if (!first(q, &q->sort, "sort"))
        return;
    bool down = value.n > 0 && value.p[0] == '-';
    struct str name = down ? (struct str){ value.p + 1, value.n - 1 } : value;
    const char *const *sorts = q->r->resource->sorts;
    for (int i = 0; sorts[i]; i++) {
        if (str_eq(name, str_of(sorts[i]))) {
            q->page->sort = i;
            q->page->down = down;
            return;
        }
    }
    bad(q, "sort", "oneof", "The list cannot be sorted by this.");
}

static void read_filter(struct reading *q, struct str name, struct str value)
{
    const struct resource *res = q->r->resource;
    int i = field_index(res->fields, res->nfields, name);
    if (i < 0 || !res->fields[i].filter) {
        const char *shown = name.n <= 64 ? arena_copy(&q->r->arena, name.p, name.n) : NULL;
        bad(q, shown ? shown : "", "unknown", "There is no such parameter.");
        return;
    }
    bool seen = !q->page->filters[i].null;
    if (first(q, &seen, res->fields[i].name) &&
        !field_read_text(q->r, &res->fields[i], value, &q->page->filters[i]))
        q->unfit = true;
}

static void read_parameter(struct reading *q, struct str name, struct str value)
{
    if (str_eq(name, STR("limit")))
        read_limit(q, value);
    else if (str_eq(name, STR("skip")))
        read_skip(q, value);
    else if (str_eq(name, STR("after")))
        read_after(q, value);
    else if (str_eq(name, STR("sort")))
        read_sort(q, value);
    else
        read_filter(q, name, value);
}

void page_first(struct page *page, const struct resource *res)
{
    *page = (struct page){ .limit = PAGE_DEFAULT, .down = true };
    must(res->nfields <= COUNT(page->filters));
    for (int i = 0; i < res->nfields; i++)
        page->filters[i] =
            (struct value){ .type = field_value_type(&res->fields[i]), .null = true };
}

bool page_token_read(struct arena *a, const struct resource *res, struct str token,
                     struct page *page)
{
    struct cursor c;
    if (!cursor_read(a, res, token, &c))
        return false;
    page->sort = c.sort;
    page->down = c.down;
    page->after = true;
    page->after_key = c.key;
    page->after_id = c.id;
    return true;
}

/* The cursor's order holds; a sort that says otherwise makes it a cursor of another list. */
static void go_on(struct reading *q)
{
    struct page *page = q->page;
    int sort = page->sort;
    bool down = page->down;
    if (q->skip)
        bad(q, "after", "exclusive", "Excludes skip.");
    if (!page_token_read(&q->r->arena, q->r->resource, q->cursor, page) ||
        (q->sort && (page->sort != sort || page->down != down)))
        q->foreign = true;
}

enum err page_read(struct req *r, struct page *out)
{
    struct reading q = { .r = r, .page = out };
    struct str query = r->query, name, value;
    enum err err = OK;

    page_first(out, r->resource);
    while (query_next(&r->arena, &query, &name, &value, &err))
        read_parameter(&q, name, value);
    if (err != OK)
        return err;
    if (q.after)
        go_on(&q);
    if (r->arena.failed)
        return ERR_NO_MEMORY;
    return q.bad ? ERR_BAD_QUERY : q.foreign ? ERR_BAD_CURSOR : q.unfit ? ERR_INVALID : OK;
}

const struct stmt *page_stmt(const struct resource *res, const struct page *page)
{
    return &res->list[2 * page->sort + page->down];
}

/* ---- the reply ---- */

void page_token_write(struct text *out, const struct resource *res, const struct page *page,
                      const struct value *row)
{
    const struct cursor c = {
        .sort = page->sort,
        .down = page->down,
        .key = row[resource_column(res, res->sorts[page->sort])],
        .id = row[resource_column(res, "id")].uuid,
    };
    cursor_write(out, res, &c);
}

/* "next": where the list goes on behind this row, the last one shown. */
static void put_next(struct text *out, const struct resource *res, const struct page *page,
                     const struct value *row)
{
    text_char(out, '"');
    page_token_write(out, res, page, row);
    text_char(out, '"');
}

enum verdict reply_page(struct req *r, const struct resource *res, struct rows *rows)
{
    const struct shape *s = shape_of(res);
    const struct page *page = r->page;
    struct value row[COLUMNS_MAX];
    /* Values grow when they become text: ids and times most, by 30 bytes at the most. */
    size_t size = (size_t)rows->count * (s->keys + (size_t)s->ncolumns * 30) + rows->size + 64;
    struct text body = text_new(&r->arena, size);
    int64_t shown = 0;

    must(page && s->ncolumns > 0 && s->ncolumns <= COLUMNS_MAX);
    text_lit(&body, "{\"items\":[");
    while (shown < page->limit && rows_next(rows)) {
        if (shown++ > 0)
            text_char(&body, ',');
        row_values(rows, s->ncolumns, row);
        if (res->show && res->show(r, row) != NEXT)
            return DENY;
        row_json(&body, s, row);
    }
    text_lit(&body, "],\"next\":");
    if (shown > 0 && rows->count > page->limit)
        put_next(&body, res, page, row);
    else
        text_lit(&body, "null");
    text_char(&body, '}');

    if (body.failed)
        return req_deny(r, ERR_NO_MEMORY);
    reply_json(r, 200, text_str(&body));
    return NEXT;
}
