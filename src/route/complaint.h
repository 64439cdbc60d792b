/* complaint.h: what the checks at start share: whom they look at, and the one line they say. */
#ifndef ROUTE_COMPLAINT_H
#define ROUTE_COMPLAINT_H

#include "route/resource.h"

struct complaint {
    const struct resource *res;
    const struct action *action; /* NULL while fields and statements are looked at */
    char *why;
    size_t size;
};

/* Writes "startups: ..." or "startups: PATCH /api/v1/startups/{id}: ..." and returns ERR_INVALID. */
enum err complain(const struct complaint *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The fields of a resource, or of an action's own body. */
enum err check_fields(const struct complaint *c, const struct field *fields, int n) CHECKED;
/* The statements of a resource: their columns, and whether every parameter can be bound. */
enum err check_statements(const struct complaint *c) CHECKED;

/* A column that every row may have without a declared field: what the server fills itself. */
struct built_in {
    const char *name;
    enum value_type type;
};
const struct built_in *built_in(const char *name);

#endif
