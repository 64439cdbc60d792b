/* store/change.c: statements gathered into one transaction. */
#include "store/store.h"

void change_init(struct change *c, struct arena *a)
{
    *c = (struct change){ .arena = a, .answer = -1 };
}

void change_add(struct change *c, const struct stmt *stmt, const struct value *params)
{
    must(stmt->change);
    must(c->n < CHANGE_MAX);
    struct value *copy = NULL;
    if (stmt->nparams) {
        size_t size = sizeof(*copy) * (size_t)stmt->nparams;
        copy = arena_alloc(c->arena, size);
        if (copy)
            memcpy(copy, params, size);
    }
    if (c->n == 0)
        c->answer = -1;
    if (c->answer < 0 && stmt->ncolumns)
        c->answer = c->n;
    c->at[c->n].stmt = stmt;
    c->at[c->n].params = copy; /* NULL: out of memory, and the commit says so */
    c->n++;
}
