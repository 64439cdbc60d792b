#include "route/resource.h"

#include "field.h"
#include "shape.h"

static struct {
    struct arena arena;
    const struct resource *const *all;
    struct shape *shapes;
    int nshapes, nactions;
} known;

/* ---- names ---- */

/* With their lengths: a role's names are looked for whenever who has it becomes known. */
static const struct str permit_names[] = {
#define NAME(name) { name, sizeof(name) - 1 }
    [PERMIT_NONE] = NAME("none"),
    [PERMIT_ANYONE] = NAME("anyone"),
    [PERMIT_SIGNED_IN] = NAME("signed-in"),
#define PERMIT(id, name) [PERMIT_##id] = NAME(name),
    PERMITS(PERMIT)
#undef PERMIT
#undef NAME
};

const char *permit_name(enum permit p)
{
    must(p < PERMIT_COUNT);
    return permit_names[p].p;
}

/* A role's names stand in the order of the table, most of the time: each is looked for behind the last one found. */
enum permit permit_find(struct str name)
{
    static int found = PERMIT_COUNT - 1;
    int p = found;
    do {
        if (++p == PERMIT_COUNT)
            p = PERMIT_STARTUP_CREATE;
        if (str_eq(name, permit_names[p]))
            return (enum permit)(found = p);
    } while (p != found);
    return PERMIT_NONE;
}

const char *access_name(enum access access)
{
    static const char *const names[] = { "none",   "read",  "create", "write",
                                         "delete", "share", "admin" };
    must(access <= ACCESS_ADMIN);
    return names[access];
}

const struct rate_class *rate_class(enum rate rate)
{
    static const struct rate_class classes[] = {
#define RATE(id, name, minute, hour, day) { name, minute, hour, day },
        RATES(RATE)
#undef RATE
    };
    must(rate < RATE_COUNT);
    return &classes[rate];
}

/* ---- shapes ---- */

static void *room(size_t size)
{
    void *p = arena_zero(&known.arena, size);
    must(p); /* only at start */
    return p;
}

static struct str key_text(const char *name)
{
    struct text t = text_new(&known.arena, 0);
    text_printf(&t, ",\"%s\":", name);
    must(!t.failed);
    return text_str(&t);
}

static void shape_columns(struct shape *s, const struct stmt *get)
{
    struct column *columns = room(sizeof(*columns) * (size_t)(get->ncolumns + 1));
    for (int i = 0; i < get->ncolumns; i++) {
        const struct field *f = resource_field(s->res, get->columns[i].name);
        columns[i].key = key_text(get->columns[i].name);
        columns[i].type = get->columns[i].type;
        columns[i].hidden = f && f->hidden;
        s->keys += columns[i].key.n;
    }
    s->columns = columns;
    s->ncolumns = get->ncolumns;
    s->version = resource_column(s->res, "version");
}

static void shape_fields(struct shape *s)
{
    const struct resource *res = s->res;
    struct field *fields = room(sizeof(*fields) * (size_t)(res->nfields + 1));
    if (res->nfields > 0)
        memcpy(fields, res->fields, sizeof(*fields) * (size_t)res->nfields);
    s->nfields = res->nfields;
    if (!res->no_metadata)
        fields[s->nfields++] = metadata_field;
    s->fields = fields;
}

void resources_init(const struct resource *const *all)
{
    arena_reset(&known.arena);
    known.all = all;
    known.nshapes = known.nactions = 0;
    while (all[known.nshapes])
        known.nshapes++;
    known.shapes = room(sizeof(*known.shapes) * (size_t)(known.nshapes + 1));

    for (int i = 0; i < known.nshapes; i++) {
        struct shape *s = &known.shapes[i];
        *s = (struct shape){ .res = all[i], .version = -1, .first_action = known.nactions };
        shape_fields(s);
        if (all[i]->get)
            shape_columns(s, all[i]->get);
        known.nactions += all[i]->nactions;
    }
}

const struct shape *shape_of(const struct resource *res)
{
    const struct shape *s = known.shapes, *end = s + known.nshapes;
    while (s < end && s->res != res)
        s++;
    must(s < end);
    return s;
}

/* ---- bodies ---- */

bool action_takes_body(const struct action *a)
{
    return (a->method == POST || a->method == PUT || a->method == PATCH) && !a->no_body;
}

int action_fields(const struct action *a, const struct resource *res, const struct field **out)
{
    const struct shape *s = shape_of(res);
    *out = a->input ? a->input : s->fields;
    return a->input ? a->ninput : s->nfields;
}

bool action_needs_body(const struct action *a, const struct resource *res)
{
    const struct field *fields;
    int n = action_fields(a, res, &fields);
    for (int i = 0; i < n; i++)
        if (fields[i].required)
            return true;
    return a->method == PATCH && n > 0;
}

/* ---- looking up ---- */

const struct resource *const *resources(void)
{
    return known.all;
}

const struct resource *resource_find(const char *plural)
{
    for (int i = 0; i < known.nshapes; i++)
        if (known.all[i]->plural && strcmp(known.all[i]->plural, plural) == 0)
            return known.all[i];
    return NULL;
}

int resource_column(const struct resource *res, const char *name)
{
    const struct stmt *get = res->get;
    for (int i = 0; get && i < get->ncolumns; i++)
        if (get->columns[i].name[0] == name[0] && strcmp(get->columns[i].name, name) == 0)
            return i;
    return -1;
}

const struct field *resource_field(const struct resource *res, const char *name)
{
    int i = field_index(res->fields, res->nfields, str_of(name));
    return i < 0 ? NULL : &res->fields[i];
}

int action_count(void)
{
    return known.nactions;
}

const struct action *action_at(int index, const struct resource **res)
{
    must(index >= 0 && index < known.nactions);
    const struct shape *s = known.shapes;
    while (index >= s->first_action + s->res->nactions)
        s++;
    *res = s->res;
    return &s->res->actions[index - s->first_action];
}

int action_index(const struct action *a)
{
    uintptr_t place = (uintptr_t)a;
    for (int i = 0; i < known.nshapes; i++) {
        const struct resource *res = known.shapes[i].res;
        uintptr_t first = (uintptr_t)res->actions;
        if (place >= first && place < first + sizeof(*a) * (size_t)res->nactions)
            return known.shapes[i].first_action + (int)(a - res->actions);
    }
    must(!"an action of some resource");
    return -1;
}

/* ---- gatehouse routes ---- */

static int wider(int width, const char *text)
{
    int n = (int)strlen(text);
    return n > width ? n : width;
}

void resources_print(struct text *out)
{
    const struct resource *res;
    int path = 0, permit = 0, rate = 0;
    for (int i = 0; i < known.nactions; i++) {
        const struct action *a = action_at(i, &res);
        path = wider(path, a->path);
        permit = wider(permit, permit_name(a->permit));
        rate = wider(rate, rate_class(a->rate)->name);
    }
    for (int i = 0; i < known.nactions; i++) {
        const struct action *a = action_at(i, &res);
        text_printf(out, "%-6s  %-*s  %-*s  %-*s  %s\n", method_name(a->method).p, path, a->path,
                    permit, permit_name(a->permit), rate, rate_class(a->rate)->name,
                    cache_type_name(a->cache));
    }
}
