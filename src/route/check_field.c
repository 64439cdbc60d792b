/* check_field.c: the checks at start: one declared field. */
#include "complaint.h"

#include "base/json.h"
#include "field.h"
#include "route/input.h"

#define FILTER_TEXT_MAX 4096 /* a longer text would not fit into a cursor or a query */

static bool name_fits(const char *name)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789_";
    if (!name || name[0] < 'a' || name[0] > 'z')
        return false;
    return strspn(name, letters) == strlen(name);
}

static enum err check_name(const struct complaint *c, const struct field *fields, int i)
{
    const char *name = fields[i].name;
    if (!name_fits(name))
        return complain(c, "field %d: '%s' is no name for a field", i, name ? name : "");
    if (field_index(fields, i, str_of(name)) >= 0)
        return complain(c, "the field %s is declared twice", name);
    if (built_in(name) && fields == c->res->fields)
        return complain(c, "the field %s is there without saying", name);
    return OK;
}

static enum err check_type(const struct complaint *c, const struct field *f)
{
    bool ranged = f->type == TEXT || f->type == INT || f->type == REAL || f->type == TEXTS;
    if ((unsigned)f->type > TEXTS)
        return complain(c, "the field %s has no type", f->name);
    if (f->type == ONEOF && !f->oneof)
        return complain(c, "the field %s does not say what it is one of", f->name);
    if (f->oneof && f->type != ONEOF && f->type != TEXTS)
        return complain(c, "the field %s is no ONEOF", f->name);
    if (ranged && f->max != 0 && f->min > f->max)
        return complain(c, "the field %s has a range without values", f->name);
    if (f->type != INT && f->type != REAL && (f->min < 0 || f->max < 0))
        return complain(c, "the field %s has a negative length", f->name);
    return OK;
}

static enum err check_marks(const struct complaint *c, const struct field *f)
{
    if (f->required && f->standard)
        return complain(c, "the field %s is required, so its default is never used", f->name);
    if (f->shown && (f->required || f->hidden || f->fixed))
        return complain(c, "the field %s is only shown, so it is not taken either", f->name);
    if (f->filter && (f->hidden || f->type == OBJECT || f->type == ANY || f->type == TEXTS))
        return complain(c, "lists cannot be filtered by the field %s", f->name);
    if (f->filter && f->type == TEXT && field_max(f) > FILTER_TEXT_MAX)
        return complain(c, "the field %s is too long for a filter", f->name);
    if (f->filter && (!strcmp(f->name, "limit") || !strcmp(f->name, "skip") ||
                      !strcmp(f->name, "after") || !strcmp(f->name, "sort")))
        return complain(c, "every list has a parameter %s already", f->name);
    return OK;
}

static enum err check_refers(const struct complaint *c, const struct field *f)
{
    if (!f->refers)
        return f->needs ? complain(c, "the field %s refers to nothing", f->name) : OK;
    const struct resource *other = resource_find(f->refers);
    if (f->type != UUID)
        return complain(c, "the field %s refers to a row, so it is a UUID", f->name);
    if (!other)
        return complain(c, "the field %s refers to '%s', which is no resource", f->name, f->refers);
    if (!other->get)
        return complain(c, "the field %s refers to '%s', whose rows cannot be got", f->name,
                        f->refers);
    return OK;
}

/* The default must pass its own field, as if a caller had given it. */
static enum err check_standard(const struct complaint *c, const struct field *f)
{
    static struct req r; /* too large for the stack, and only its arena and faults are used */
    const struct json *v;
    struct value ignored;
    if (!f->standard)
        return OK;
    r.nfaults = 0;
    bool read = json_read(&r.arena, str_of(f->standard), &v) == OK;
    bool fits = read && json_type(v) != JSON_NULL && field_read_json(&r, f, v, &ignored);
    arena_reset(&r.arena);
    if (!read)
        return complain(c, "the default of the field %s is not JSON: %s", f->name, f->standard);
    return fits ? OK
                : complain(c, "the default of the field %s does not fit it: %s", f->name,
                           f->standard);
}

enum err check_fields(const struct complaint *c, const struct field *fields, int n)
{
    if (n > INPUT_FIELDS_MAX)
        return complain(c, "more than %d fields", INPUT_FIELDS_MAX);
    for (int i = 0; i < n; i++) {
        const struct field *f = &fields[i];
        TRY(check_name(c, fields, i));
        TRY(check_type(c, f));
        TRY(check_marks(c, f));
        TRY(check_refers(c, f));
        TRY(check_standard(c, f));
    }
    return OK;
}
