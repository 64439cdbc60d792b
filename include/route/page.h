/* route/page.h: lists: limit, skip, after (keyset cursor), sort, filters. The cursor is opaque to clients: base64url
 * of sort, direction, key and id of the last row shown, checked against the list it comes back to. */
#ifndef ROUTE_PAGE_H
#define ROUTE_PAGE_H

#include "route/resource.h"

#define PAGE_DEFAULT 100
#define PAGE_MAX 1000
#define PAGE_SKIP_MAX 100000

struct page {
    int64_t limit, skip;
    int sort; /* index into the resource's sorts */
    bool down;
    bool after; /* a cursor was given */
    struct value after_key;
    struct uuid after_id;
    struct value filters[32]; /* by the resource's fields; null: not filtered */
};

/* Reads the query of a list. Unknown or repeated parameters, limit outside 1-1000, a field that is no filter:
 * ERR_BAD_QUERY with a fault; a filter's value that does not fit: ERR_INVALID; a cursor that is not of this list:
 * ERR_BAD_CURSOR. skip and after exclude each other. */
enum err page_read(struct req *r, struct page *out) CHECKED;
/* The first page of a list, in its own order, unfiltered; then where its cursor leads. */
void page_first(struct page *page, const struct resource *res);
bool page_token_read(struct arena *a, const struct resource *res, struct str token,
                     struct page *page);
/* The cursor behind this row. */
void page_token_write(struct text *out, const struct resource *res, const struct page *page,
                      const struct value *row);
/* The statement to ask for this page: list, sort and direction. One row more than the limit is asked for, to know
 * whether there is a next. */
const struct stmt *page_stmt(const struct resource *res, const struct page *page);
/* Replies {"items":[...],"next":cursor or null}. */
enum verdict reply_page(struct req *r, const struct resource *res, struct rows *rows);

/* One parameter of a query string, percent-decoded ('+' is a space) into the arena; false at the end. ERR_BAD_QUERY
 * in *err for a bad escape, invalid UTF-8 or U+0000. */
bool query_next(struct arena *a, struct str *query, struct str *name, struct str *value,
                enum err *err);

#endif
