/* api/crud.h: what every resource does alike, driven by its table. Named in the actions of a resource like any
 * handler. Parameters of a statement are bound by name: id second owner_id viewer now version limit skip after_key
 * after_id, else the column or field of that name.
 */
#ifndef API_CRUD_H
#define API_CRUD_H

#include "gate/facts.h"
#include "route/input.h"
#include "route/page.h"
#include "route/resource.h"

stage_fn crud_list, crud_listed; /* .run and .then */
stage_fn crud_get; /* answers from the facts */
stage_fn crud_create; /* 201, Location, ETag */
stage_fn crud_update; /* merge patch onto the row; If-Match */
stage_fn crud_delete; /* 204; If-Match */

/* Adds a statement to the request's change, its parameters bound by name from `row` (by the resource's columns) and
 * the request. */
void crud_change(struct req *r, const struct stmt *stmt, const struct value *row);
/* What the list statement of a page is asked with, for somebody who looks; in the arena, NULL when memory is out. */
const struct value *crud_page(struct req *r, const struct resource *res, const struct page *page,
                              const struct uuid *viewer);
/* ERR_STALE when If-Match is given and does not name the version of the row in the path; OK otherwise. */
enum err crud_match(const struct req *r) CHECKED;
/* The Location of a row that was made. */
void crud_location(struct req *r, const struct uuid *id);

/* The row in the path as a stream of server-sent events (api/events.c). */
extern const struct stage events_steps[];

/* Every resource table of this folder. */
extern const struct resource *const api_resources[];

#endif
