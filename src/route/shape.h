/* shape.h: what is worked out once, at start, from a resource's table, so that no request compares names
 * for it.
 */
#ifndef ROUTE_SHAPE_H
#define ROUTE_SHAPE_H

#include "route/resource.h"

#define COLUMNS_MAX 64 /* of one statement; sql/gen.py refuses more */

struct column {
    struct str key; /* ,"name": as it stands behind another member */
    enum value_type type;
    bool hidden;
};

struct shape {
    const struct resource *res;
    const struct field *fields; /* the declared ones, then metadata unless the rows lack it */
    int nfields;
    const struct column *columns; /* those of res->get */
    int ncolumns;
    size_t keys;      /* bytes of all keys */
    int version;      /* column; -1: none */
    int first_action; /* its number among all actions */
};

/* must() on a resource that resources_init was not given. */
const struct shape *shape_of(const struct resource *res);

/* The fields of an action's body: its own, or those of the resource. Returns their number. */
int action_fields(const struct action *a, const struct resource *res, const struct field **out);
bool action_takes_body(const struct action *a);
/* A body in which nothing must stand may be left out. An empty patch is a mistake. */
bool action_needs_body(const struct action *a, const struct resource *res);

#endif
