#include "component.h"

#include "base/json.h"
#include "route/page.h"
#include "schema.h"

#define DIGITS_OF(number) #number
#define DIGITS(number) DIGITS_OF(number)

/* ---- parameters ---- */

struct parameter {
    const char *key, *name, *in, *says, *schema;
};

static const struct parameter parameters[] = {
    { "id",    "id",    "path",  "The row.",        "{\"type\":\"string\",\"format\":\"uuid\"}" },
    { "id2",   "id2",   "path",  "The second row.", "{\"type\":\"string\",\"format\":\"uuid\"}" },
    { "limit", "limit", "query", "Rows of one page.",
      "{\"type\":\"integer\",\"minimum\":1,\"maximum\":" DIGITS(PAGE_MAX) ",\"default\":" DIGITS(PAGE_DEFAULT) "}" },
    { "skip",  "skip",  "query", "Rows to leave out in front; excludes after.",
      "{\"type\":\"integer\",\"minimum\":0,\"maximum\":" DIGITS(PAGE_SKIP_MAX) ",\"default\":0}" },
    { "after", "after", "query", "The next of the page before.", "{\"type\":\"string\"}" },
    { "If-Match", "If-Match", "header", "The ETag that the change is based on.", "{\"type\":\"string\"}" },
    { "If-None-Match", "If-None-Match", "header", "The ETag that the caller has.", "{\"type\":\"string\"}" },
    { "Idempotency-Key", "Idempotency-Key", "header", "The same key within 24 h: done once, answered alike.",
      "{\"type\":\"string\",\"minLength\":1,\"maxLength\":255}" },
};

static bool some_path_has(int ids)
{
    const struct resource *res;
    for (int i = 0; i < action_count(); i++)
        if (action_ids(action_at(i, &res)) >= ids)
            return true;
    return false;
}

static void put_parameter(struct text *t, const struct parameter *p)
{
    put_object(t, p->key);
    put_text(t, "name", p->name);
    put_text(t, "in", p->in);
    put_text(t, "description", p->says);
    if (strcmp(p->in, "path") == 0)
        put_raw(t, "required", "true");
    put_raw(t, "schema", p->schema);
    text_char(t, '}');
}

static void put_parameters(struct text *t)
{
    put_object(t, "parameters");
    for (int i = 0; i < COUNT(parameters); i++)
        if (strcmp(parameters[i].key, "id2") != 0 || some_path_has(2))
            put_parameter(t, &parameters[i]);
    text_char(t, '}');
}

/* ---- headers ---- */

static void put_header(struct text *t, const char *name, const char *says)
{
    put_object(t, name);
    put_text(t, "description", says);
    put_raw(t, "schema", "{\"type\":\"string\"}");
    text_char(t, '}');
}

static void put_headers(struct text *t)
{
    put_object(t, "headers");
    put_header(t, "ETag", "The version shown.");
    put_header(t, "Location", "The path of the new row.");
    text_char(t, '}');
}

/* ---- problems (RFC 9457) ---- */

/* Opens the properties, all of them strings so far. */
static void begin_strings(struct text *t, const char *const *names, int n)
{
    put_object(t, "properties");
    for (int i = 0; i < n; i++)
        put_raw(t, names[i], "{\"type\":\"string\"}");
}

static void put_required(struct text *t, const char *const *names, int n)
{
    put_array(t, "required");
    for (int i = 0; i < n; i++) {
        put_comma(t);
        json_put_text(t, str_of(names[i]));
    }
    text_char(t, ']');
}

static void put_problem_schema(struct text *t)
{
    static const char *const of_problem[] = { "type",   "title",          "code",
                                              "detail", "correlation_id", "status" };
    static const char *const of_fault[] = { "field", "code", "message" };

    put_object(t, "Problem");
    put_text(t, "type", "object");
    begin_strings(t, of_problem, COUNT(of_problem) - 1);
    put_raw(t, "status", "{\"type\":\"integer\"}");
    put_object(t, "errors");
    put_text(t, "type", "array");
    put_object(t, "items");
    put_text(t, "type", "object");
    begin_strings(t, of_fault, COUNT(of_fault));
    text_char(t, '}');
    put_required(t, of_fault, COUNT(of_fault));
    text_lit(t, "}}}");
    put_required(t, of_problem, COUNT(of_problem));
    text_char(t, '}');
}

/* The codes of err.tbl with this status. */
static void put_codes(struct text *t, int status)
{
    put_array(t, "enum");
    for (int e = OK + 1; e < ERR_COUNT; e++) {
        if (err_info((enum err)e)->status != status)
            continue;
        put_comma(t);
        json_put_text(t, str_of(err_info((enum err)e)->code));
    }
    text_char(t, ']');
}

static void put_problem_content(struct text *t, int status)
{
    put_object(t, "content");
    put_object(t, "application/problem+json");
    put_object(t, "schema");
    if (status == 0) {
        put_text(t, "$ref", "#/components/schemas/Problem");
    } else {
        put_array(t, "allOf");
        text_lit(t, "{\"$ref\":\"#/components/schemas/Problem\"},{");
        put_object(t, "properties");
        put_object(t, "code");
        put_codes(t, status);
        text_lit(t, "}}}]");
    }
    text_lit(t, "}}}");
}

/* The texts of all errors with this status, as one line. */
static void put_texts(struct text *t, int status)
{
    bool first = true;
    json_key(t, "description");
    text_char(t, '"');
    for (int e = OK + 1; e < ERR_COUNT; e++) {
        if (err_info((enum err)e)->status != status)
            continue;
        text_printf(t, "%s%s: %s", first ? "" : " ", err_info((enum err)e)->code,
                    err_info((enum err)e)->text);
        first = false;
    }
    text_char(t, '"');
}

static bool some_action_may_answer(int status)
{
    const struct resource *res;
    for (int i = 0; i < action_count(); i++) {
        const struct action *a = action_at(i, &res);
        if (action_may_answer(a, res, status))
            return true;
    }
    return false;
}

static void put_problems(struct text *t)
{
    put_object(t, "responses");
    put_object(t, "Problem");
    put_text(t, "description", "Any other error.");
    put_problem_content(t, 0);
    text_char(t, '}');
    for (int status = 400; status < 600; status++) {
        if (!some_action_may_answer(status))
            continue;
        put_comma(t);
        text_printf(t, "\"Problem%d\":{", status);
        put_texts(t, status);
        put_problem_content(t, status);
        text_char(t, '}');
    }
    text_char(t, '}');
}

/* ---- the whole ---- */

static void put_schemes(struct text *t)
{
    put_object(t, "securitySchemes");
    put_object(t, "bearer");
    put_text(t, "type", "http");
    put_text(t, "scheme", "bearer");
    put_text(t, "description", "An access token, or an API key.");
    text_char(t, '}');
    put_object(t, "apiKey");
    put_text(t, "type", "apiKey");
    put_text(t, "in", "header");
    put_text(t, "name", "X-API-Key");
    text_lit(t, "}}");
}

void component_write(struct text *t)
{
    put_object(t, "components");
    put_object(t, "schemas");
    schema_resources(t);
    put_problem_schema(t);
    text_char(t, '}');
    put_parameters(t);
    put_headers(t);
    put_problems(t);
    put_schemes(t);
    text_char(t, '}');
}
