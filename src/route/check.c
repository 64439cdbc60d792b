/* check.c: what start refuses: a table in which something was forgotten. */
#include "complaint.h"

#include "route/input.h"

#include <stdarg.h>
#include <stdio.h>

enum err complain(const struct complaint *c, const char *format, ...)
{
    const char *name = c->res->plural ? c->res->plural : c->res->noun ? c->res->noun : "?";
    struct str method = c->action ? method_name(c->action->method) : STR("");
    int n = c->action && c->action->path
                ? snprintf(c->why, c->size, "%s: %.*s %s: ", name, STR_ARG(method), c->action->path)
                : snprintf(c->why, c->size, "%s: ", name);
    va_list args;
    va_start(args, format);
    if (n >= 0 && (size_t)n < c->size)
        vsnprintf(c->why + n, c->size - (size_t)n, format, args);
    va_end(args);
    return ERR_INVALID;
}

/* ---- paths ---- */

static bool literal_fits(struct str segment)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";
    for (size_t i = 0; i < segment.n; i++)
        if (!memchr(letters, segment.p[i], sizeof(letters) - 1))
            return false;
    return segment.n > 0 && !str_eq(segment, STR(".")) && !str_eq(segment, STR(".."));
}

static enum err check_path(const struct complaint *c, int *ids)
{
    struct str rest = str_of(c->action->path), segment;
    *ids = 0;
    if (rest.n == 0 || rest.p[0] != '/')
        return complain(c, "its path does not begin with a slash");
    if (rest.n == 1)
        return OK;
    rest = (struct str){ rest.p + 1, rest.n - 1 };
    while (str_cut(&rest, '/', &segment)) {
        if (str_eq(segment, STR("*")) && !rest.p && c->action->method == ANY_METHOD)
            continue;
        if (str_eq(segment, STR("{id}")))
            ++*ids;
        else if (!literal_fits(segment))
            return complain(c, "the segment '%.*s' of its path is neither {id} nor a plain word",
                            STR_ARG(segment));
    }
    return *ids > TARGET_IDS ? complain(c, "its path has more than %d ids", TARGET_IDS) : OK;
}

static enum err check_unique(const struct complaint *c)
{
    const struct resource *res;
    for (int i = 0; i < action_count(); i++) {
        const struct action *other = action_at(i, &res);
        if (other == c->action)
            return OK; /* only those before it */
        if (other->method == c->action->method && other->path &&
            strcmp(other->path, c->action->path) == 0)
            return complain(c, "declared twice");
    }
    return OK;
}

/* ---- actions ---- */

static enum err check_method(const struct complaint *c)
{
    const struct action *a = c->action;
    bool changes =
        a->method == POST || a->method == PUT || a->method == PATCH || a->method == DELETE;
    if (!changes && a->method != GET && a->method != ANY_METHOD)
        return complain(c, "its method is none of GET, POST, PUT, PATCH, DELETE, ANY");
    if (a->method == ANY_METHOD && !(a->unread && a->plain))
        return complain(c, "for any method, but it looks at a body or is not plain");
    if (changes && !a->audit && !a->plain)
        return complain(c, "neither audited nor plain");
    if (!changes && a->audit)
        return complain(c, "a GET changes nothing, so it is not audited");
    if (a->audit && !strchr(a->audit, '.'))
        return complain(c, "its audit noun '%s' is not of the form noun.verb", a->audit);
    return OK;
}

static enum err check_permit(const struct complaint *c, int ids)
{
    const struct action *a = c->action;
    if (a->permit <= PERMIT_NONE || a->permit >= PERMIT_COUNT)
        return complain(c, "no permission");
    if ((unsigned)a->rate >= RATE_COUNT || (unsigned)a->cache >= CACHE_TYPE_COUNT ||
        (unsigned)a->access > ACCESS_ADMIN)
        return complain(c, "unknown rate class, cache type or access");
    if (ids > 0 && c->res->get && a->access == ACCESS_NONE)
        return complain(c, "its path names a row, but no access to it is asked for");
    if (c->res->under && ids == 0)
        return complain(c, "its path names no row of %s", c->res->under->plural);
    if (a->open && a->access != ACCESS_READ)
        return complain(c, "open to anyone is what is read, and nothing else");
    if (ids > 0 && !c->res->get)
        return complain(c, "its path names a row, but the resource has no statement that gets it");
    return OK;
}

static enum err check_handler(const struct complaint *c)
{
    const struct action *a = c->action;
    if (!a->run == !a->steps)
        return complain(c, "needs either run or steps");
    if (a->then && !a->run)
        return complain(c, "then without run");
    if (a->status != 0 && (a->status < 200 || a->status > 299))
        return complain(c, "%d is no status of success", a->status);
    if (!a->says || !a->says[0])
        return complain(c, "nothing is said about it");
    return OK;
}

static enum err check_list(const struct complaint *c)
{
    if (!c->action->list)
        return OK;
    if (c->action->method != GET)
        return complain(c, "a list is got");
    if (!c->res->list || !c->res->sorts || !c->res->sorts[0])
        return complain(c, "a list without statements or sort columns");
    return OK;
}

static enum err check_body(const struct complaint *c)
{
    const struct action *a = c->action;
    bool may = a->method == POST || a->method == PUT || a->method == PATCH;
    if ((a->input || a->ninput > 0) && (!may || a->no_body))
        return complain(c, "takes no body but declares its fields");
    if (!may || a->no_body)
        return OK;
    if (a->input)
        return check_fields(c, a->input, a->ninput);
    if (c->res->nfields == 0 && c->res->no_metadata)
        return complain(c, "takes a body that has no fields");
    return OK;
}

static enum err check_action(struct complaint *c, const struct action *a)
{
    int ids;
    c->action = a;
    TRY(check_path(c, &ids));
    TRY(check_unique(c));
    TRY(check_method(c));
    TRY(check_permit(c, ids));
    TRY(check_handler(c));
    TRY(check_list(c));
    return check_body(c);
}

/* ---- the whole ---- */

static enum err check_names(const struct complaint *c)
{
    const struct resource *res = c->res;
    if (!res->noun || !res->plural || !res->noun[0] || !res->plural[0])
        return complain(c, "a resource without noun or plural");
    if (resource_find(res->plural) != res)
        return complain(c, "declared twice");
    if (res->nactions <= 0)
        return complain(c, "nothing can be done with it");
    return OK;
}

static enum err check_resource(struct complaint *c)
{
    const struct resource *res = c->res;
    TRY(check_fields(c, res->fields, res->nfields));
    if (res->nfields + !res->no_metadata > INPUT_FIELDS_MAX)
        return complain(c, "more than %d fields", INPUT_FIELDS_MAX);
    TRY(check_statements(c));
    for (int i = 0; i < res->nactions; i++)
        TRY(check_action(c, &res->actions[i]));
    return OK;
}

enum err resources_check(char *why, size_t why_size)
{
    for (const struct resource *const *res = resources(); *res; res++) {
        const struct complaint c = { .res = *res, .why = why, .size = why_size };
        TRY(check_names(&c)); /* all of them first: others look them up */
    }
    for (const struct resource *const *res = resources(); *res; res++) {
        struct complaint c = { .res = *res, .why = why, .size = why_size };
        TRY(check_resource(&c));
    }
    return OK;
}
