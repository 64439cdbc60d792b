/* kinds.h: a table with one column of each type, on either engine. */
#ifndef TESTS_STORE_KINDS_H
#define TESTS_STORE_KINDS_H

#include "fixture.h"

static const struct slot kinds[] = {
    { "a", VALUE_UUID, true },  { "b", VALUE_TEXT, true }, { "c", VALUE_JSON, true },
    { "d", VALUE_BYTES, true }, { "e", VALUE_INT, true },  { "f", VALUE_TIME, true },
    { "g", VALUE_BOOL, true },  { "h", VALUE_REAL, true },
};

static inline void check_kinds(const struct rows *rows, const struct value values[8])
{
    for (int i = 0; i < 8; i++) {
        struct value got = rows_value(rows, i);
        assert_int_equal(got.type, values[i].type);
        assert_int_equal(got.null, values[i].null);
        if (got.null)
            continue;
        if (got.type == VALUE_UUID)
            assert_true(uuid_eq(&got.uuid, &values[i].uuid));
        else if (got.type == VALUE_REAL)
            assert_true(got.real == values[i].real);
        else if (got.type >= VALUE_INT)
            assert_int_equal(got.i, values[i].i);
        else
            assert_true(str_eq(got.text, values[i].text));
    }
}

#endif
