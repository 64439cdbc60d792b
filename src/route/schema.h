/* schema.h: JSON Schemas (2020-12, the dialect of OpenAPI 3.1) of what is declared. */
#ifndef ROUTE_SCHEMA_H
#define ROUTE_SCHEMA_H

#include "route/resource.h"

/* Writing a document: members and elements set their own commas. */
void put_text(struct text *t, const char *key, const char *value);
void put_int(struct text *t, const char *key, int64_t value);
void put_raw(struct text *t, const char *key, const char *json);
/* "key":{ and "key":[ ; the caller closes. */
void put_object(struct text *t, const char *key);
void put_array(struct text *t, const char *key);
/* The comma before an element or a member, unless it is the first. */
void put_comma(struct text *t);

/* The reply of success shows the row. */
bool action_shows_row(const struct action *a, const struct resource *res);

/* {"$ref":"#/components/schemas/ApiKeyCreate"}; suffix may be "". */
void schema_ref(struct text *t, const struct resource *res, const char *suffix);
/* The value of one field. */
void schema_field(struct text *t, const struct field *f);
/* A body of exactly these fields; a patch requires none and leaves out the fixed ones; an open one may hold more. */
enum body { BODY_WHOLE, BODY_PATCH, BODY_OPEN };
void schema_body(struct text *t, const struct field *fields, int n, enum body body);
/* The members of components.schemas that resources make: rows, pages, bodies. */
void schema_resources(struct text *t);

#endif
