/* unit.h: cmocka, with the headers that it wants before it, and what every test of texts needs. */
#ifndef TESTS_UNIT_H
#define TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/str.h"

#define assert_str(s, literal) assert_bytes((s), STR(literal), __FILE__, __LINE__)

static inline void assert_bytes(struct str s, struct str wanted, const char *file, int line)
{
    if (str_eq(s, wanted))
        return;
    print_error("\"%.*s\" is not \"%.*s\"\n", STR_ARG(s), STR_ARG(wanted));
    _fail(file, line);
}

#ifndef COUNT /* route/resource.h has one of its own */
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#endif

#endif
