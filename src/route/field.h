/* field.h: what the files of this room share about one field. */
#ifndef ROUTE_FIELD_H
#define ROUTE_FIELD_H

#include "route/resource.h"

/* A field of every resource without saying. */
extern const struct field metadata_field;

/* What a field becomes as a parameter or column. */
enum value_type field_value_type(const struct field *f);
/* Bytes of TEXT, OBJECT and ANY, elements of TEXTS; the default put in where the table says 0. */
int64_t field_min(const struct field *f);
int64_t field_max(const struct field *f);
/* INT and REAL: whether the table gives a range. */
bool field_ranged(const struct field *f);
/* Index of the field of that name, -1 if none. */
int field_index(const struct field *fields, int n, struct str name);

#endif
