#include "schema.h"

#include "base/json.h"
#include "field.h"
#include "shape.h"

/* ---- writing ---- */

void put_text(struct text *t, const char *key, const char *value)
{
    json_key(t, key);
    json_put_text(t, str_of(value));
}

void put_int(struct text *t, const char *key, int64_t value)
{
    json_key(t, key);
    text_int(t, value);
}

void put_raw(struct text *t, const char *key, const char *json)
{
    json_key(t, key);
    text_add(t, str_of(json));
}

void put_object(struct text *t, const char *key)
{
    put_raw(t, key, "{");
}

void put_array(struct text *t, const char *key)
{
    put_raw(t, key, "[");
}

void put_comma(struct text *t)
{
    if (t->n > 0 && t->p[t->n - 1] != '[' && t->p[t->n - 1] != '{')
        text_char(t, ',');
}

/* ---- what an action takes and shows ---- */

static bool names_row(const struct action *a)
{
    static const char end[] = "/{id}";
    size_t n = strlen(a->path);
    return n >= sizeof(end) - 1 && strcmp(a->path + n - (sizeof(end) - 1), end) == 0;
}

bool action_shows_row(const struct action *a, const struct resource *res)
{
    if (!res->get || a->list || a->status == 204)
        return false;
    if (a->method == GET)
        return names_row(a);
    if (a->method == PATCH || a->method == PUT)
        return names_row(a) && !a->input;
    return a->method == POST && a->status == 201;
}

/* ---- one field ---- */

static void put_choices(struct text *t, const char *oneof, bool null)
{
    struct str rest = str_of(oneof), word;
    put_array(t, "enum");
    while (str_cut(&rest, '|', &word)) {
        put_comma(t);
        json_put_text(t, word);
    }
    if (null) {
        put_comma(t);
        text_lit(t, "null");
    }
    text_char(t, ']');
}

static void put_type(struct text *t, const char *type, bool null)
{
    if (!null) {
        put_text(t, "type", type);
        return;
    }
    put_array(t, "type");
    json_put_text(t, str_of(type));
    text_lit(t, ",\"null\"]");
}

static void put_range(struct text *t, const struct field *f)
{
    if (!field_ranged(f))
        return;
    put_int(t, "minimum", f->min);
    put_int(t, "maximum", f->max);
}

static void put_elements(struct text *t, const struct field *f)
{
    if (f->min > 0)
        put_int(t, "minItems", f->min);
    put_int(t, "maxItems", field_max(f));
    put_object(t, "items");
    put_text(t, "type", "string");
    if (f->oneof)
        put_choices(t, f->oneof, false);
    text_char(t, '}');
}

static void put_kind(struct text *t, const struct field *f)
{
    switch (f->type) {
    case TEXT:
        put_type(t, "string", f->null);
        if (field_min(f) > 0)
            put_int(t, "minLength", field_min(f));
        put_int(t, "maxLength", field_max(f));
        break;
    case ONEOF:
        put_type(t, "string", f->null);
        put_choices(t, f->oneof, f->null);
        break;
    case UUID:
        put_type(t, "string", f->null);
        put_text(t, "format", "uuid");
        break;
    case TIME:
        put_type(t, "string", f->null);
        put_text(t, "format", "date-time");
        break;
    case INT:
        put_type(t, "integer", f->null);
        put_text(t, "format", "int64");
        put_range(t, f);
        break;
    case REAL:
        put_type(t, "number", f->null);
        put_range(t, f);
        break;
    case BOOL:
        put_type(t, "boolean", f->null);
        break;
    case OBJECT:
        put_type(t, "object", f->null);
        break;
    case TEXTS:
        put_type(t, "array", f->null);
        put_elements(t, f);
        break;
    case ANY:
        break;
    }
}

static void put_field(struct text *t, const struct field *f, bool with_default)
{
    text_char(t, '{');
    put_kind(t, f);
    if (f->says)
        put_text(t, "description", f->says);
    if (with_default && f->standard)
        put_raw(t, "default", f->standard);
    if (f->refers)
        put_text(t, "x-refers", f->refers);
    text_char(t, '}');
}

void schema_field(struct text *t, const struct field *f)
{
    put_field(t, f, false);
}

/* ---- bodies ---- */

void schema_body(struct text *t, const struct field *fields, int n, enum body body)
{
    bool patch = body == BODY_PATCH;
    text_char(t, '{');
    put_text(t, "type", "object");
    put_object(t, "properties");
    for (int i = 0; i < n; i++) {
        if (fields[i].shown || (patch && fields[i].fixed))
            continue;
        json_key(t, fields[i].name);
        put_field(t, &fields[i], !patch);
    }
    text_char(t, '}');
    put_array(t, "required");
    for (int i = 0; i < n && !patch; i++) {
        if (!fields[i].required)
            continue;
        put_comma(t);
        json_put_text(t, str_of(fields[i].name));
    }
    text_char(t, ']');
    put_raw(t, "additionalProperties", body == BODY_OPEN ? "true" : "false");
    text_char(t, '}');
}

/* ---- rows ---- */

static const struct field *built_in_field(const char *name)
{
    static const struct field all[] = {
        { "id", UUID, .says = "Made by the server, version 7." },
        { "owner_id", UUID, .says = "The user whose row this is." },
        { "version", INT, .min = 1, .max = INT64_MAX, .says = "Counts the changes; the ETag is \"v<version>\"." },
        { "created_at", TIME },
        { "updated_at", TIME },
    };
    int i = field_index(all, COUNT(all), str_of(name));
    return i < 0 ? &metadata_field : &all[i];
}

static void put_row(struct text *t, const struct shape *s)
{
    const struct slot *columns = s->res->get->columns;
    text_char(t, '{');
    put_text(t, "type", "object");
    put_object(t, "properties");
    for (int i = 0; i < s->ncolumns; i++) {
        if (s->columns[i].hidden)
            continue;
        const struct field *declared = resource_field(s->res, columns[i].name);
        struct field f = declared ? *declared : *built_in_field(columns[i].name);
        f.null = columns[i].null;
        json_key(t, columns[i].name);
        put_field(t, &f, false);
    }
    text_char(t, '}');
    put_array(t, "required");
    for (int i = 0; i < s->ncolumns; i++) {
        if (s->columns[i].hidden)
            continue;
        put_comma(t);
        json_put_text(t, str_of(columns[i].name));
    }
    text_lit(t, "]}");
}

static void put_page(struct text *t, const struct resource *res)
{
    text_char(t, '{');
    put_text(t, "type", "object");
    put_object(t, "properties");
    put_object(t, "items");
    put_text(t, "type", "array");
    json_key(t, "items");
    schema_ref(t, res, "");
    text_char(t, '}');
    put_object(t, "next");
    put_type(t, "string", true);
    put_text(t, "description", "Give it as after to go on; null at the end.");
    text_lit(t, "}}");
    put_raw(t, "required", "[\"items\",\"next\"]");
    text_char(t, '}');
}

/* ---- components ---- */

/* "api_key" and "Create" become "ApiKeyCreate". */
static void put_name(struct text *t, const struct resource *res, const char *suffix)
{
    bool upper = true;
    for (const char *c = res->noun; *c; c++) {
        if (*c == '_' || *c == '-') {
            upper = true;
            continue;
        }
        text_char(t, upper && *c >= 'a' && *c <= 'z' ? (char)(*c - 'a' + 'A') : *c);
        upper = false;
    }
    text_add(t, str_of(suffix));
}

void schema_ref(struct text *t, const struct resource *res, const char *suffix)
{
    text_lit(t, "{\"$ref\":\"#/components/schemas/");
    put_name(t, res, suffix);
    text_lit(t, "\"}");
}

static void begin_schema(struct text *t, const struct resource *res, const char *suffix)
{
    put_comma(t);
    text_char(t, '"');
    put_name(t, res, suffix);
    text_lit(t, "\":");
}

static void put_resource(struct text *t, const struct shape *s)
{
    const struct resource *res = s->res;
    bool row = false, page = false, create = false, update = false;
    for (int i = 0; i < res->nactions; i++) {
        const struct action *a = &res->actions[i];
        bool body = action_takes_body(a) && !a->input;
        page = page || a->list;
        row = row || a->list || action_shows_row(a, res);
        create = create || (body && a->method != PATCH);
        update = update || (body && a->method == PATCH);
    }
    if (row) {
        begin_schema(t, res, "");
        put_row(t, s);
    }
    if (page) {
        begin_schema(t, res, "Page");
        put_page(t, res);
    }
    if (create) {
        begin_schema(t, res, "Create");
        schema_body(t, s->fields, s->nfields, BODY_WHOLE);
    }
    if (update) {
        begin_schema(t, res, "Update");
        schema_body(t, s->fields, s->nfields, BODY_PATCH);
    }
}

void schema_resources(struct text *t)
{
    for (const struct resource *const *res = resources(); *res; res++)
        put_resource(t, shape_of(*res));
}
