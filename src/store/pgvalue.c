#include "pgvalue.h"

#include "result.h"

#include <endian.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* As in PostgreSQL's pg_type: fixed for good. */
enum {
    OID_BOOL = 16,
    OID_BYTEA = 17,
    OID_INT8 = 20,
    OID_INT2 = 21,
    OID_INT4 = 23,
    OID_TEXT = 25,
    OID_FLOAT8 = 701,
    OID_VARCHAR = 1043,
    OID_UUID = 2950,
};

static Oid type_of(enum value_type type)
{
    switch (type) {
    case VALUE_UUID:
        return OID_UUID;
    case VALUE_TEXT:
    case VALUE_JSON:
        return OID_TEXT;
    case VALUE_BYTES:
        return OID_BYTEA;
    case VALUE_INT:
    case VALUE_TIME:
        return OID_INT8;
    case VALUE_BOOL:
        return OID_BOOL;
    case VALUE_REAL:
        return OID_FLOAT8;
    }
    return OID_TEXT;
}

/* ---- parameters ---- */

void pgparams_types(const struct stmt *stmt, Oid out[STMT_PARAMS_MAX])
{
    for (int i = 0; i < stmt->nparams; i++)
        out[i] = type_of(stmt->params[i].type);
}

static void set_number(struct pgparams *out, int i, uint64_t big_endian, int length)
{
    out->numbers[i] = big_endian;
    out->values[i] = (const char *)&out->numbers[i];
    out->lengths[i] = length;
}

static bool set_text(struct pgparams *out, int i, struct str text)
{
    out->values[i] = text.p ? text.p : ""; /* libpq would take NULL for null */
    out->lengths[i] = (int)text.n;
    return text.n <= INT_MAX / 2;
}

static bool set(struct pgparams *out, int i, const struct value *v)
{
    uint64_t bits;
    out->formats[i] = 1;
    if (v->null) {
        out->values[i] = NULL;
        out->lengths[i] = 0;
        return true;
    }
    switch (v->type) {
    case VALUE_UUID:
        out->values[i] = (const char *)v->uuid.b;
        out->lengths[i] = sizeof(v->uuid.b);
        return true;
    case VALUE_TEXT:
    case VALUE_JSON:
    case VALUE_BYTES:
        return set_text(out, i, v->text);
    case VALUE_INT:
    case VALUE_TIME:
        set_number(out, i, htobe64((uint64_t)v->i), 8);
        return true;
    case VALUE_BOOL:
        bits = v->i != 0;
        set_number(out, i, bits << 56 | bits, 1); /* the first byte, on either kind of machine */
        return true;
    case VALUE_REAL:
        memcpy(&bits, &v->real, sizeof(bits));
        set_number(out, i, htobe64(bits), 8);
        return true;
    }
    return false;
}

bool pgparams_set(struct pgparams *out, const struct stmt *stmt, const struct value *params)
{
    for (int i = 0; i < stmt->nparams; i++)
        if (!set(out, i, &params[i]))
            return false;
    return true;
}

/* ---- results ---- */

/* Whether a column of that type in the database can be read as ours. */
static bool readable(Oid from, enum value_type type)
{
    Oid own = type_of(type);
    return from == own || (own == OID_TEXT && from == OID_VARCHAR) ||
           (own == OID_INT8 && (from == OID_INT4 || from == OID_INT2));
}

/* Big-endian, of 1 to 8 bytes. */
static int64_t integer(const char *p, int n)
{
    uint64_t bits = n > 0 && (p[0] & 0x80) ? UINT64_MAX : 0;
    for (int i = 0; i < n; i++)
        bits = bits << 8 | (unsigned char)p[i];
    return (int64_t)bits;
}

/* False: not as long as its type. */
static bool cell(const PGresult *result, int row, int column, struct value *v)
{
    const char *p = PQgetvalue(result, row, column);
    int n = PQgetlength(result, row, column);
    int64_t bits;
    switch (v->type) {
    case VALUE_UUID:
        if (n != (int)sizeof(v->uuid.b))
            return false;
        memcpy(v->uuid.b, p, sizeof(v->uuid.b));
        return true;
    case VALUE_TEXT:
    case VALUE_JSON:
    case VALUE_BYTES:
        v->text = (struct str){ p, (size_t)n };
        return true;
    case VALUE_INT:
    case VALUE_TIME:
        v->i = integer(p, n);
        return n == 8 || n == 4 || n == 2;
    case VALUE_BOOL:
        v->i = n == 1 && p[0];
        return n == 1;
    case VALUE_REAL:
        bits = integer(p, n);
        memcpy(&v->real, &bits, sizeof(bits));
        return n == 8;
    }
    return false;
}

static bool columns_fit(const PGresult *result, const struct stmt *stmt)
{
    bool fit = PQnfields(result) == stmt->ncolumns;
    for (int i = 0; fit && i < stmt->ncolumns; i++)
        fit = PQfformat(result, i) == 1 && readable(PQftype(result, i), stmt->columns[i].type);
    return fit;
}

enum err pgvalue_rows(const PGresult *result, struct rows *out, const char **why)
{
    struct value values[COLUMNS_MAX];
    const struct stmt *stmt = out->stmt;
    int rows = PQntuples(result);
    *why = "it gives other columns than it declares";
    if (!columns_fit(result, stmt))
        return ERR_UNAVAILABLE;
    for (int row = 0; row < rows; row++) {
        for (int i = 0; i < stmt->ncolumns; i++) {
            struct value *v = &values[i];
            v->type = stmt->columns[i].type;
            v->null = PQgetisnull(result, row, i);
            if (v->null ? !stmt->columns[i].null : !cell(result, row, i, v))
                return ERR_UNAVAILABLE;
        }
        if (rows_add(out, values) != OK) {
            *why = "out of memory for the result";
            return ERR_NO_MEMORY;
        }
    }
    return OK;
}

bool pgvalue_uuid(const PGresult *result, int row, int column, struct uuid *out)
{
    struct value v = { .type = VALUE_UUID };
    bool good = column < PQnfields(result) && PQftype(result, column) == OID_UUID &&
                !PQgetisnull(result, row, column) && cell(result, row, column, &v);
    if (good)
        *out = v.uuid;
    return good;
}

int64_t pgvalue_number(const PGresult *result)
{
    struct value v = { .type = VALUE_INT };
    bool good = PQntuples(result) > 0 && PQnfields(result) > 0 &&
                readable(PQftype(result, 0), VALUE_INT) && !PQgetisnull(result, 0, 0) &&
                cell(result, 0, 0, &v);
    return good ? v.i : 0;
}

int64_t pgvalue_changed(const PGresult *result, const struct stmt *stmt)
{
    if (stmt->counted)
        return pgvalue_number(result);
    return strtoll(PQcmdTuples((PGresult *)result), NULL, 10);
}
