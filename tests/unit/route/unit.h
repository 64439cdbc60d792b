/* unit.h: cmocka, a request, and what the tests of this room share. */
#ifndef TESTS_ROUTE_UNIT_H
#define TESTS_ROUTE_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "things.h"

#define assert_str(s, wanted) assert_bytes((s), str_of(wanted), __FILE__, __LINE__)

static inline void assert_bytes(struct str s, struct str wanted, const char *file, int line)
{
    if (str_eq(s, wanted))
        return;
    print_error("\"%.*s\" is not \"%.*s\"\n", STR_ARG(s), STR_ARG(wanted));
    _fail(file, line);
}

/* An empty request for one action; the arena of the one before is given back. */
static inline struct req *ask(struct req *r, const struct resource *res, const struct action *a)
{
    arena_reset(&r->arena);
    memset(r, 0, sizeof(*r));
    r->resource = res;
    r->action = a;
    r->method = a ? a->method : GET;
    r->now = 1763640000000000;
    return r;
}

static inline int done(void **state)
{
    struct req *r = *state;
    arena_reset(&r->arena);
    return 0;
}

/* Whether this was said of the field. */
static inline bool told(const struct req *r, const char *field, const char *code)
{
    for (int i = 0; i < r->nfaults; i++)
        if (strcmp(r->faults[i].field, field) == 0 && strcmp(r->faults[i].code, code) == 0)
            return true;
    return false;
}

#endif
