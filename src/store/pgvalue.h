/* store/pgvalue.h: values on their way to PostgreSQL and back, all in its binary format. JSON travels as text. */
#ifndef STORE_PGVALUE_H
#define STORE_PGVALUE_H

#include "store/store.h"

#include <libpq-fe.h>

/* The parameters of one statement as libpq wants them. Texts are borrowed. */
struct pgparams {
    const char *values[STMT_PARAMS_MAX];
    int lengths[STMT_PARAMS_MAX];
    int formats[STMT_PARAMS_MAX];
    uint64_t numbers[STMT_PARAMS_MAX]; /* what values of numbers point to */
};

/* False: a text is longer than PostgreSQL takes. */
bool pgparams_set(struct pgparams *out, const struct stmt *stmt, const struct value *params);
/* The type of each parameter, for preparing. */
void pgparams_types(const struct stmt *stmt, Oid out[STMT_PARAMS_MAX]);

/* Adds all rows of a result to `out`, whose stmt names the columns. On failure *why tells, in words of ours.
 * ERR_UNAVAILABLE: it has other columns than the statement declares. ERR_NO_MEMORY. */
enum err pgvalue_rows(const PGresult *result, struct rows *out, const char **why) CHECKED;
/* A column of a row as a uuid; false when it is none. */
bool pgvalue_uuid(const PGresult *result, int row, int column, struct uuid *out);
/* The first column of the first row as a number, 0 when there is none. */
int64_t pgvalue_number(const PGresult *result);
/* Rows that a change changed. */
int64_t pgvalue_changed(const PGresult *result, const struct stmt *stmt);

#endif
