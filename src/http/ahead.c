#include "ahead.h"

#include <stdlib.h>

/* Puts what is left to the front of the buffer of its own, with room for n bytes more. */
static bool own(struct ahead *a, size_t n)
{
    size_t need = a->in.n + n;
    char *to = need > a->cap ? malloc(need) : a->kept;
    if (!to)
        return false;
    if (a->in.n)
        memmove(to, a->in.p, a->in.n);
    if (to != a->kept) {
        free(a->kept);
        a->kept = to;
        a->cap = need;
    }
    a->in.p = to;
    return true;
}

bool ahead_add(struct ahead *a, const char *p, size_t n)
{
    if (a->in.n == 0) {
        a->in = (struct str){ p, n };
        return true;
    }
    if (!own(a, n))
        return false;
    memcpy(a->kept + a->in.n, p, n);
    a->in.n += n;
    return true;
}

bool ahead_keep(struct ahead *a)
{
    bool kept = a->kept && a->in.p >= a->kept && a->in.p < a->kept + a->cap;
    return a->in.n == 0 || kept || own(a, 0);
}

void ahead_free(struct ahead *a)
{
    free(a->kept);
    *a = (struct ahead){ 0 };
}
