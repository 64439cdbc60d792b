/* query.c: the query string, parameter by parameter. */
#include "route/page.h"

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* In place of *s its decoded form; borrowed when nothing is encoded. */
static enum err decode(struct arena *a, struct str *s)
{
    if (s->n == 0)
        return OK;
    if (!memchr(s->p, '%', s->n) && !memchr(s->p, '+', s->n))
        return str_utf8(*s) ? OK : ERR_BAD_QUERY;

    char *out = arena_alloc(a, s->n);
    size_t n = 0;
    if (!out)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < s->n; i++) {
        if (s->p[i] != '%') {
            out[n++] = s->p[i] == '+' ? ' ' : s->p[i];
            continue;
        }
        int high = i + 2 < s->n ? hex(s->p[i + 1]) : -1;
        int low = high >= 0 ? hex(s->p[i + 2]) : -1;
        if (low < 0)
            return ERR_BAD_QUERY;
        out[n++] = (char)(high << 4 | low);
        i += 2;
    }
    *s = (struct str){ out, n };
    return str_utf8(*s) ? OK : ERR_BAD_QUERY;
}

bool query_next(struct arena *a, struct str *query, struct str *name, struct str *value,
                enum err *err)
{
    struct str pair;
    do {
        if (!str_cut(query, '&', &pair))
            return false;
    } while (pair.n == 0); /* "a=1&&b=2" */

    *value = pair;
    str_cut(value, '=', name);
    if (!value->p)
        *value = STR("");
    *err = decode(a, name);
    if (*err == OK)
        *err = decode(a, value);
    return *err == OK;
}
