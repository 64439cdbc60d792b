/* row.h: what lists share with single rows. */
#ifndef ROUTE_ROW_H
#define ROUTE_ROW_H

#include "shape.h"

/* The first n columns of the current row. */
void row_values(const struct rows *rows, int n, struct value *out);
/* As resource_json, for many rows of one shape. */
void row_json(struct text *out, const struct shape *s, const struct value *row);

#endif
