#include "route/openapi.h"

#include "base/json.h"
#include "component.h"
#include "schema.h"
#include "shape.h"

/* ---- parameters ---- */

static void put_ref(struct text *t, const char *kind, const char *name)
{
    put_comma(t);
    text_printf(t, "{\"$ref\":\"#/components/%s/%s\"}", kind, name);
}

int action_ids(const struct action *a)
{
    int n = 0;
    for (const char *at = a->path; (at = strstr(at, "{id}")); at++)
        n++;
    return n;
}

/* A change of the row in the path, which can be made on condition. */
static bool changes_row(const struct action *a, const struct resource *res)
{
    return res->get && action_ids(a) > 0 &&
           (a->method == PATCH || a->method == PUT || a->method == DELETE);
}

/* Opens a parameter of the query; the schema and the end are the caller's. */
static void put_query(struct text *t, const char *name)
{
    put_comma(t);
    text_char(t, '{');
    put_text(t, "name", name);
    put_text(t, "in", "query");
}

static void put_sort(struct text *t, const struct resource *res)
{
    put_query(t, "sort");
    put_text(t, "description", "'-' in front: descending.");
    put_object(t, "schema");
    put_text(t, "type", "string");
    put_array(t, "enum");
    for (int i = 0; res->sorts[i]; i++) {
        put_comma(t);
        text_printf(t, "\"%s\",\"-%s\"", res->sorts[i], res->sorts[i]);
    }
    text_printf(t, "],\"default\":\"-%s\"}}", res->sorts[0]);
}

static void put_filter(struct text *t, const struct field *declared)
{
    struct field f = *declared;
    f.null = false; /* a filter asks for a value */
    put_query(t, f.name);
    json_key(t, "schema");
    schema_field(t, &f);
    text_char(t, '}');
}

static void put_parameters(struct text *t, const struct action *a, const struct resource *res)
{
    put_array(t, "parameters");
    for (int i = 0; i < action_ids(a); i++)
        put_ref(t, "parameters", i == 0 ? "id" : "id2");
    if (a->list) {
        put_ref(t, "parameters", "limit");
        put_ref(t, "parameters", "skip");
        put_ref(t, "parameters", "after");
        put_sort(t, res);
        for (int i = 0; i < res->nfields; i++)
            if (res->fields[i].filter)
                put_filter(t, &res->fields[i]);
    }
    if (a->method == GET && action_shows_row(a, res))
        put_ref(t, "parameters", "If-None-Match");
    if (changes_row(a, res))
        put_ref(t, "parameters", "If-Match");
    if (a->audit && !a->plain && a->permit != PERMIT_ANYONE)
        put_ref(t, "parameters", "Idempotency-Key");
    text_char(t, ']');
}

/* ---- bodies ---- */

static void put_media(struct text *t, const char *media, const struct action *a,
                      const struct resource *res)
{
    put_object(t, media);
    json_key(t, "schema");
    if (a->input)
        schema_body(t, a->input, a->ninput,
                    a->method == PATCH ? BODY_PATCH
                    : a->tolerant      ? BODY_OPEN
                                       : BODY_WHOLE);
    else
        schema_ref(t, res, a->method == PATCH ? "Update" : "Create");
    text_char(t, '}');
}

static void put_body(struct text *t, const struct action *a, const struct resource *res)
{
    if (!action_takes_body(a))
        return;
    put_object(t, "requestBody");
    put_raw(t, "required", action_needs_body(a, res) ? "true" : "false");
    put_object(t, "content");
    if (a->method == PATCH)
        put_media(t, "application/merge-patch+json", a, res);
    put_media(t, "application/json", a, res);
    text_lit(t, "}}");
}

/* ---- responses ---- */

static const char *status_says(int status)
{
    switch (status) {
    case 201:
        return "Created.";
    case 202:
        return "Accepted.";
    case 204:
        return "Done.";
    default:
        return "Success.";
    }
}

static void put_content(struct text *t, const struct action *a, const struct resource *res)
{
    bool api = strncmp(a->path, "/api/", 5) == 0;
    put_object(t, "content");
    put_object(t, api ? "application/json" : "*/*"); /* pages for machines have types of their own */
    json_key(t, "schema");
    if (a->list)
        schema_ref(t, res, "Page");
    else if (action_shows_row(a, res))
        schema_ref(t, res, "");
    else
        text_add(t, api ? STR("{\"type\":\"object\"}") : STR("{}"));
    text_lit(t, "}}");
}

static void put_success(struct text *t, const struct action *a, const struct resource *res)
{
    int status = a->status ? a->status : 200;
    bool row = action_shows_row(a, res);

    text_printf(t, "\"%d\":{", status);
    put_text(t, "description", status_says(status));
    if (row) {
        put_object(t, "headers");
        put_raw(t, "ETag", "{\"$ref\":\"#/components/headers/ETag\"}");
        if (status == 201)
            put_raw(t, "Location", "{\"$ref\":\"#/components/headers/Location\"}");
        text_char(t, '}');
    }
    if (status != 204)
        put_content(t, a, res);
    text_char(t, '}');
    if (row && a->method == GET)
        text_lit(t, ",\"304\":{\"description\":\"Unchanged since the version in If-None-Match.\"}");
}

bool action_may_answer(const struct action *a, const struct resource *res, int status)
{
    bool changes = a->method != GET, body = action_takes_body(a);
    switch (status) {
    case 400:
    case 503:
        return true;
    case 401:
        return changes || a->permit != PERMIT_ANYONE;
    case 403:
        return changes || a->permit > PERMIT_SIGNED_IN || a->session_only;
    case 404:
        return action_ids(a) > 0;
    case 409:
        return changes && !a->unread;
    case 412:
        return changes_row(a, res);
    case 413:
    case 415:
        return body;
    case 422:
        return (body && !a->tolerant) || a->list;
    case 429:
        return a->rate != RATE_NONE || a->unread; /* of the other's class */
    default:
        return false; /* the default response covers it */
    }
}

static void put_responses(struct text *t, const struct action *a, const struct resource *res)
{
    put_object(t, "responses");
    put_success(t, a, res);
    for (int status = 400; status < 600; status++)
        if (action_may_answer(a, res, status))
            text_printf(t, ",\"%d\":{\"$ref\":\"#/components/responses/Problem%d\"}", status,
                        status);
    text_lit(t, ",\"default\":{\"$ref\":\"#/components/responses/Problem\"}}");
}

/* ---- operations ---- */

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* GET /api/v1/tasks/{id} becomes get_tasks_by_id: unique because method and path are. */
static void put_operation_id(struct text *t, const struct action *a)
{
    struct str rest = str_of(a->path), segment;
    if (str_starts(rest, STR("/api/v1")))
        rest = (struct str){ rest.p + 7, rest.n - 7 };
    json_key(t, "operationId");
    text_char(t, '"');
    for (const char *c = method_name(a->method).p; *c; c++)
        text_char(t, lower(*c));
    while (str_cut(&rest, '/', &segment)) {
        if (segment.n == 0)
            continue;
        text_char(t, '_');
        if (str_eq(segment, STR("{id}")))
            segment = STR("by_id");
        if (str_eq(segment, STR("*")))
            segment = STR("any_path");
        for (size_t i = 0; i < segment.n; i++)
            text_char(t, segment.p[i] == '-' || segment.p[i] == '.' ? '_' : segment.p[i]);
    }
    text_char(t, '"');
}

static void put_operation(struct text *t, const struct action *a, const struct resource *res)
{
    char method[8] = "";
    enum method shown = a->method == ANY_METHOD ? GET : a->method; /* of any method once */
    for (int i = 0; i < (int)sizeof(method) - 1 && method_name(shown).p[i]; i++)
        method[i] = lower(method_name(shown).p[i]);

    put_object(t, method);
    put_operation_id(t, a);
    put_array(t, "tags");
    json_put_text(t, str_of(res->plural));
    text_char(t, ']');
    put_text(t, "summary", a->says);
    if (a->permit == PERMIT_ANYONE)
        put_raw(t, "security", "[]");
    else if (a->session_only)
        put_raw(t, "security", "[{\"bearer\":[]}]");
    put_text(t, "x-permission", permit_name(a->permit));
    put_text(t, "x-rate-class", rate_class(a->rate)->name);
    put_parameters(t, a, res);
    put_body(t, a, res);
    put_responses(t, a, res);
    text_char(t, '}');
}

static bool path_begins_here(int index)
{
    const struct resource *res;
    const char *path = action_at(index, &res)->path;
    for (int i = 0; i < index; i++)
        if (strcmp(action_at(i, &res)->path, path) == 0)
            return false;
    return true;
}

/* The path with a name of its own for each id. */
static void put_path_key(struct text *t, const char *path)
{
    const char *id = strstr(path, "{id}");
    const char *second = id ? strstr(id + 1, "{id}") : NULL;
    put_comma(t);
    if (second)
        text_printf(t, "\"%.*s{id2}%s\":{", (int)(second - path), path, second + 4);
    else
        text_printf(t, "\"%s\":{", path);
}

static void put_paths(struct text *t)
{
    const struct resource *res;
    put_object(t, "paths");
    for (int i = 0; i < action_count(); i++) {
        const char *path = action_at(i, &res)->path;
        if (!path_begins_here(i))
            continue;
        put_path_key(t, path);
        for (int k = i; k < action_count(); k++) {
            const struct action *a = action_at(k, &res);
            if (strcmp(a->path, path) == 0)
                put_operation(t, a, res);
        }
        text_char(t, '}');
    }
    text_char(t, '}');
}

/* ---- the document ---- */

static void put_tags(struct text *t)
{
    put_array(t, "tags");
    for (const struct resource *const *res = resources(); *res; res++) {
        put_comma(t);
        text_char(t, '{');
        put_text(t, "name", (*res)->plural);
        text_char(t, '}');
    }
    text_char(t, ']');
}

void openapi_write(struct text *out)
{
    text_char(out, '{');
    put_text(out, "openapi", "3.1.0");
    put_raw(out, "info",
            "{\"title\":\"Gatehouse\",\"version\":\"1\",\"summary\":\"Identity, authorization, "
            "quotas and tasks for AI platforms.\"}");
    put_raw(out, "servers", "[{\"url\":\"/\"}]");
    put_raw(out, "security", "[{\"bearer\":[]},{\"apiKey\":[]}]");
    put_tags(out);
    put_paths(out);
    component_write(out);
    text_char(out, '}');
}
