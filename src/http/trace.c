#include "http/trace.h"

#define FLAGS 2
#define LENGTH (2 + 1 + TRACE_ID + 1 + TRACE_SPAN + 1 + FLAGS)

/* Takes n lower-case hexadecimal digits off the front. */
static bool take_digits(struct str *rest, size_t n, struct str *out)
{
    *out = (struct str){ rest->p, n };
    for (size_t i = 0; i < n; i++) {
        char c = rest->p[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
            return false;
    }
    *rest = (struct str){ rest->p + n, rest->n - n };
    return true;
}

static bool take_hyphen(struct str *rest)
{
    bool there = rest->p[0] == '-';
    *rest = (struct str){ rest->p + 1, rest->n - 1 };
    return there;
}

static bool zeros(struct str digits)
{
    for (size_t i = 0; i < digits.n; i++)
        if (digits.p[i] != '0')
            return false;
    return true;
}

bool trace_read(struct str value, struct trace *out)
{
    struct str rest = value, version, flags;
    if (value.n != LENGTH)
        return false;
    return take_digits(&rest, 2, &version) && zeros(version) && take_hyphen(&rest) &&
           take_digits(&rest, TRACE_ID, &out->id) && !zeros(out->id) && take_hyphen(&rest) &&
           take_digits(&rest, TRACE_SPAN, &out->parent) && !zeros(out->parent) &&
           take_hyphen(&rest) && take_digits(&rest, FLAGS, &flags);
}

bool trace_of(const struct req *r, struct trace *out)
{
    const struct header *found = NULL;
    for (int i = 0; i < r->nheaders; i++) {
        if (!str_ieq(r->headers[i].name, STR("traceparent")))
            continue;
        if (found)
            return false;
        found = &r->headers[i];
    }
    return found && trace_read(str_trim(found->value), out);
}
