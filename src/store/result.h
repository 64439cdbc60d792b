/* store/result.h: how an engine fills a struct rows. Any thread. */
#ifndef STORE_RESULT_H
#define STORE_RESULT_H

#include "store/store.h"

#define COLUMNS_MAX 64 /* of one statement; sql/grammar.py refuses more */

/* Appends a row with one value for each column of out->stmt; texts are copied. ERR_NO_MEMORY. */
enum err rows_add(struct rows *out, const struct value *values) CHECKED;
/* Back to no rows and no memory; statement and error stay. */
void rows_clear(struct rows *out);

#endif
