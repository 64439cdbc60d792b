/* check_stmt.c: the checks at start: the statements of a resource against its fields. */
#include "complaint.h"

#include "field.h"
#include "shape.h"

const struct built_in *built_in(const char *name)
{
    static const struct built_in all[] = {
        { "id", VALUE_UUID },         { "owner_id", VALUE_UUID },   { "version", VALUE_INT },
        { "created_at", VALUE_TIME }, { "updated_at", VALUE_TIME }, { "metadata", VALUE_JSON },
    };
    for (int i = 0; i < COUNT(all); i++)
        if (strcmp(all[i].name, name) == 0)
            return &all[i];
    return NULL;
}

static const struct slot *find(const struct slot *slots, int n, const char *name)
{
    for (int i = 0; i < n; i++)
        if (strcmp(slots[i].name, name) == 0)
            return &slots[i];
    return NULL;
}

/* ---- columns ---- */

static enum err check_column(const struct complaint *c, const struct slot *column)
{
    const struct field *f = resource_field(c->res, column->name);
    const struct built_in *b = built_in(column->name);
    if (!f && !b)
        return complain(c, "the column %s is no declared field", column->name);
    if (column->type == VALUE_BYTES || column->type != (f ? field_value_type(f) : b->type))
        return complain(c, "the column %s is of another type than its field", column->name);
    return OK;
}

static enum err check_has(const struct complaint *c, bool needed, const char *name)
{
    const struct stmt *get = c->res->get;
    bool has = find(get->columns, get->ncolumns, name) != NULL;
    if (needed && !has)
        return complain(c, "%s has no column %s", get->name, name);
    return OK;
}

static enum err check_get(const struct complaint *c)
{
    const struct resource *res = c->res;
    const struct stmt *get = res->get;
    int ids = res->under ? 2 : 1;
    static const char *const names[] = { "id", "second" };
    bool by_id = !get->change && get->nparams == ids;
    for (int i = 0; by_id && i < ids; i++)
        by_id = strcmp(get->params[i].name, names[i]) == 0 && get->params[i].type == VALUE_UUID;
    if (!by_id)
        return complain(c, "%s is not a read by id alone", get->name);
    if (get->ncolumns > COLUMNS_MAX)
        return complain(c, "%s has more than %d columns", get->name, COLUMNS_MAX);
    for (int i = 0; i < get->ncolumns; i++)
        TRY(check_column(c, &get->columns[i]));
    TRY(check_has(c, true, "id"));
    TRY(check_has(c, true, "version"));
    TRY(check_has(c, res->owned, "owner_id"));
    TRY(check_has(c, !res->no_metadata, "metadata"));
    if (res->no_metadata && find(get->columns, get->ncolumns, "metadata"))
        return complain(c, "%s has a column metadata", get->name);
    for (int i = 0; i < res->nfields; i++)
        if (!res->fields[i].hidden && !res->fields[i].shown)
            TRY(check_has(c, true, res->fields[i].name));
    return OK;
}

/* The columns of get, then what else the gates look at. */
static enum err check_facts(const struct complaint *c)
{
    const struct stmt *get = c->res->get, *facts = c->res->facts;
    if (!facts)
        return OK;
    bool fits = !facts->change && facts->nparams == 1 && facts->ncolumns > get->ncolumns;
    for (int i = 0; fits && i < get->ncolumns; i++)
        fits = strcmp(facts->columns[i].name, get->columns[i].name) == 0 &&
               facts->columns[i].type == get->columns[i].type;
    return fits ? OK
                : complain(c, "%s does not begin with the columns of %s", facts->name, get->name);
}

/* ---- changes ---- */

/* Whether a row made of declared fields may hold null there. What adjust puts in cannot be known here. */
static bool may_be_null(const struct resource *res, const struct field *f, bool creation)
{
    if (!f || res->adjust)
        return false;
    return f->null || (creation && !f->required && !f->standard);
}

static enum err check_param(const struct complaint *c, const struct stmt *stmt,
                            const struct slot *param, bool creation)
{
    const struct resource *res = c->res;
    const struct field *f = resource_field(res, param->name);
    const struct slot *column = find(res->get->columns, res->get->ncolumns, param->name);
    enum value_type type;

    if (!strcmp(param->name, "id") || !strcmp(param->name, "owner_id") ||
        !strcmp(param->name, "viewer"))
        type = VALUE_UUID;
    else if (!strcmp(param->name, "now"))
        type = VALUE_TIME;
    else if (!strcmp(param->name, "version"))
        type = VALUE_INT;
    else if (column)
        type = column->type;
    else if (f && creation)
        type = field_value_type(f); /* taken at creation, never shown */
    else
        return complain(c, "%s: nothing binds the parameter %s", stmt->name, param->name);
    if (param->type != type)
        return complain(c, "%s: the parameter %s is of another type than its field", stmt->name,
                        param->name);
    if (!param->null && may_be_null(res, f, creation))
        return complain(c, "%s: the parameter %s takes no null, its field does", stmt->name,
                        param->name);
    return OK;
}

static enum err check_change(const struct complaint *c, const struct stmt *stmt, bool creation)
{
    if (!stmt)
        return OK;
    if (!c->res->get)
        return complain(c, "%s changes rows that cannot be got", stmt->name);
    if (!stmt->change)
        return complain(c, "%s is not a change", stmt->name);
    for (int i = 0; i < stmt->nparams; i++)
        TRY(check_param(c, stmt, &stmt->params[i], creation));
    if (stmt == c->res->set && !find(stmt->params, stmt->nparams, "version"))
        return complain(c, "%s does not look at the version", stmt->name);
    return OK;
}

/* ---- lists ---- */

static enum err check_list_param(const struct complaint *c, const struct stmt *stmt,
                                 const struct slot *param, enum value_type key)
{
    static const struct {
        struct slot slot;
        bool any; /* its type is the sort column's */
    } all[] = {
        { { "id", VALUE_UUID, false }, false },      { { "viewer", VALUE_UUID, false }, false },
        { { "now", VALUE_TIME, false }, false },     { { "limit", VALUE_INT, false }, false },
        { { "skip", VALUE_INT, false }, false },     { { "after_key", VALUE_INT, true }, true },
        { { "after_id", VALUE_UUID, true }, false },
    };
    const struct field *f = resource_field(c->res, param->name);
    enum value_type type;

    int i = 0;
    while (i < COUNT(all) && strcmp(all[i].slot.name, param->name) != 0)
        i++;
    if (i < COUNT(all))
        type = all[i].any ? key : all[i].slot.type;
    else if (f && f->filter)
        type = field_value_type(f);
    else
        return complain(c, "%s: nothing binds the parameter %s", stmt->name, param->name);
    if (param->type != type)
        return complain(c, "%s: the parameter %s is of another type", stmt->name, param->name);
    if (!param->null && (i == COUNT(all) || all[i].slot.null))
        return complain(c, "%s: the parameter %s is not always given", stmt->name, param->name);
    return OK;
}

static enum err check_list_stmt(const struct complaint *c, const struct stmt *stmt,
                                enum value_type key)
{
    const struct resource *res = c->res;
    if (stmt->change || stmt->ncolumns != res->get->ncolumns)
        return complain(c, "%s does not list the columns of %s", stmt->name, res->get->name);
    for (int i = 0; i < stmt->ncolumns; i++)
        if (strcmp(stmt->columns[i].name, res->get->columns[i].name) ||
            stmt->columns[i].type != res->get->columns[i].type)
            return complain(c, "%s does not list the columns of %s", stmt->name, res->get->name);
    for (int i = 0; i < stmt->nparams; i++)
        TRY(check_list_param(c, stmt, &stmt->params[i], key));

    static const char *const needed[] = { "after_key", "after_id", "limit", "skip" };
    for (int i = 0; i < COUNT(needed); i++)
        if (!find(stmt->params, stmt->nparams, needed[i]))
            return complain(c, "%s has no parameter %s", stmt->name, needed[i]);
    if (res->owned && !res->common && !find(stmt->params, stmt->nparams, "viewer"))
        return complain(c, "%s does not ask who looks", stmt->name);
    for (int i = 0; i < res->nfields; i++)
        if (res->fields[i].filter && !find(stmt->params, stmt->nparams, res->fields[i].name))
            return complain(c, "%s does not filter by %s", stmt->name, res->fields[i].name);
    return OK;
}

static enum err check_lists(const struct complaint *c)
{
    const struct resource *res = c->res;
    if (!res->list)
        return OK;
    if (!res->get || !res->sorts || !res->sorts[0])
        return complain(c, "a list without get or sort columns");
    for (int i = 0; res->sorts[i]; i++) {
        const struct slot *column = find(res->get->columns, res->get->ncolumns, res->sorts[i]);
        if (!column || column->null || column->type == VALUE_JSON)
            return complain(c, "the sort column %s is missing, may be null or is JSON",
                            res->sorts[i]);
        TRY(check_list_stmt(c, &res->list[2 * i], column->type));
        TRY(check_list_stmt(c, &res->list[2 * i + 1], column->type));
    }
    return OK;
}

enum err check_statements(const struct complaint *c)
{
    const struct resource *res = c->res;
    if (res->get)
        TRY(check_get(c));
    TRY(check_facts(c));
    TRY(check_change(c, res->add, true));
    TRY(check_change(c, res->set, false));
    TRY(check_change(c, res->del, false));
    return check_lists(c);
}
