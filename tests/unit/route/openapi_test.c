#include "route/openapi.h"

#include "../base/nomem.h"
#include "base/json.h"
#include "unit.h"

#define SCHEMAS "#/components/schemas/"
#define LISTED "paths /api/v1/things get"
#define MADE "paths /api/v1/things post"

static struct req r;
static const struct json *document;

static int begin(void **state)
{
    *state = &r;
    resources_init(thing_resources);
    ask(&r, NULL, NULL);
    struct text t = text_new(&r.arena, 0);
    openapi_write(&t);
    assert_false(t.failed);
    return json_read(&r.arena, text_str(&t), &document) == OK ? 0 : -1;
}

/* The value at a path of names between blanks. */
static const struct json *at(const struct json *v, const char *path)
{
    struct str rest = str_of(path), name;
    char text[100];
    while (v && str_cut(&rest, ' ', &name)) {
        snprintf(text, sizeof(text), "%.*s", STR_ARG(name));
        v = json_get(v, text);
    }
    return v;
}

static struct str text_at(const char *path)
{
    const struct json *v = at(document, path);
    assert_non_null(v);
    return json_text(v);
}

/* The value at a path, as text. */
static struct str shown(const char *path)
{
    struct text t = text_new(&r.arena, 0);
    const struct json *v = at(document, path);
    assert_non_null(v);
    json_put(&t, v);
    return text_str(&t);
}

static bool has_parameter(const char *operation, const char *name)
{
    struct json_walk w = json_walk(at(at(document, operation), "parameters"));
    char ref[100];
    snprintf(ref, sizeof(ref), "#/components/parameters/%s", name);
    while (json_next(&w)) {
        const struct json *by = json_get(w.value, json_get(w.value, "$ref") ? "$ref" : "name");
        if (str_eq(json_text(by), str_of(ref)) || str_eq(json_text(by), str_of(name)))
            return true;
    }
    return false;
}

static void every_action_is_an_operation(void **state)
{
    (void)state;
    struct json_walk paths = json_walk(json_get(document, "paths"));
    size_t operations = 0;
    while (json_next(&paths))
        operations += json_count(paths.value);
    assert_int_equal(operations, action_count());
    assert_str(text_at("openapi"), "3.1.0");
    assert_str(text_at("paths / get summary"), "Greet.");
    assert_str(text_at("paths /api/v1/things/{id}/cancel post x-permission"), "task:update");
    assert_str(text_at("paths /api/v1/things post x-rate-class"), "default");
    assert_non_null(at(document, "paths /api/v1/things/{id}/parts/{id2} get"));
    assert_str(shown("paths /api/v1/things post tags"), "[\"things\"]");
}

static void operation_ids_are_unique(void **state)
{
    (void)state;
    struct str ids[32];
    int n = 0;
    struct json_walk paths = json_walk(json_get(document, "paths"));
    while (json_next(&paths)) {
        struct json_walk w = json_walk(paths.value);
        while (json_next(&w)) {
            ids[n] = json_text(json_get(w.value, "operationId"));
            for (int i = 0; i < n; i++)
                assert_false(str_eq(ids[i], ids[n]));
            n++;
        }
    }
    assert_str(text_at("paths /api/v1/things/{id} patch operationId"), "patch_things_by_id");
    assert_str(text_at("paths /api/v1/things/{id}/parts/{id2} get operationId"),
               "get_things_by_id_parts_by_id");
}

static void who_may_call(void **state)
{
    (void)state;
    assert_str(shown("paths /health get security"), "[]");
    assert_str(shown("paths /api/v1/mine get security"), "[{\"bearer\":[]}]");
    assert_null(at(document, "paths /api/v1/things get security"));
    assert_str(shown("security"), "[{\"bearer\":[]},{\"apiKey\":[]}]");
    assert_non_null(at(document, "components securitySchemes apiKey"));
}

static void parameters_of_operations(void **state)
{
    (void)state;
    static const char list[] = "paths /api/v1/things get", one[] = "paths /api/v1/things/{id} get";
    static const char change[] = "paths /api/v1/things/{id} patch",
                      create[] = "paths /api/v1/things post";
    static const char *const of_list[] = { "limit", "skip", "after", "sort",    "kind",
                                           "count", "done", "due",   "other_id" };
    for (int i = 0; i < COUNT(of_list); i++)
        assert_true(has_parameter(list, of_list[i]));
    assert_false(has_parameter(list, "name"));
    assert_false(has_parameter(create, "limit"));
    assert_true(has_parameter(one, "id") && has_parameter(one, "If-None-Match") &&
                !has_parameter(one, "If-Match"));
    assert_true(has_parameter(change, "If-Match") && has_parameter(change, "Idempotency-Key"));
    assert_true(has_parameter(create, "Idempotency-Key") && !has_parameter(create, "If-Match"));
    assert_false(has_parameter("paths /api/v1/enter post", "Idempotency-Key"));
    assert_true(has_parameter("paths /api/v1/things/{id}/parts/{id2} get", "id2"));
}

static void bodies_of_operations(void **state)
{
    (void)state;
    static const char create[] = "paths /api/v1/things post requestBody";
    static const char change[] = "paths /api/v1/things/{id} patch requestBody";
    static const char claim[] = "paths /api/v1/things/claim post requestBody";
    static const char json[] = "content application/json schema";

    assert_true(json_bool(at(at(document, create), "required")));
    assert_str(json_text(at(at(at(document, create), json), "$ref")), SCHEMAS "ThingCreate");
    assert_str(json_text(at(at(at(document, change), json), "$ref")), SCHEMAS "ThingUpdate");
    assert_non_null(at(at(document, change), "content application/merge-patch+json schema"));
    assert_null(at(document, "paths /api/v1/things/{id}/cancel post requestBody"));
    assert_null(at(document, "paths /api/v1/things/{id} delete requestBody"));

    assert_false(json_bool(at(at(document, claim), "required")));
    const struct json *own = at(at(document, claim), json);
    assert_int_equal(json_int(at(own, "properties limit maximum")), 100);
    assert_int_equal(json_int(at(own, "properties limit default")), 10);
    assert_false(json_bool(at(own, "additionalProperties")));
}

static void fields_of_bodies(void **state)
{
    (void)state;
    static const char made[] = "components schemas ThingCreate properties",
                      changed[] = "components schemas ThingUpdate properties";
    assert_str(shown("components schemas ThingCreate required"), "[\"name\"]");
    assert_str(shown("components schemas ThingUpdate required"), "[]");
    assert_non_null(at(at(document, made), "secret"));
    assert_non_null(at(at(document, made), "other_id"));
    assert_null(at(at(document, made), "state"));
    assert_null(at(at(document, changed), "other_id"));
    assert_non_null(at(at(document, changed), "metadata"));
    assert_str(shown("components schemas ThingCreate properties name maxLength"), "120");
    assert_str(shown("components schemas ThingCreate properties name minLength"), "1");
    assert_str(shown("components schemas ThingCreate properties tags type"),
               "[\"array\",\"null\"]");
    assert_str(shown("components schemas ThingCreate properties tags items enum"),
               "[\"red\",\"green\",\"blue\"]");
    assert_str(shown("components schemas ThingCreate properties anything"), "{}");
    assert_str(shown("components schemas ThingUpdate properties kind"),
               "{\"type\":\"string\",\"enum\":[\"small\",\"large\"]}");
}

static void rows_and_pages(void **state)
{
    (void)state;
    static const char row[] = "components schemas Thing properties";
    assert_int_equal(json_count(at(document, row)), THING_COLUMNS);
    assert_null(at(at(document, row), "secret"));
    assert_str(shown("components schemas Thing properties state enum"), "[\"new\",\"old\",null]");
    assert_str(shown("components schemas Thing properties note"),
               "{\"type\":[\"string\",\"null\"],\"maxLength\":1000}");
    assert_str(text_at("components schemas ThingPage properties items items $ref"),
               SCHEMAS "Thing");
    assert_str(text_at(LISTED " responses 200 content application/json schema $ref"),
               SCHEMAS "ThingPage");
    assert_str(text_at(MADE " responses 201 content application/json schema $ref"),
               SCHEMAS "Thing");
    assert_str(text_at(MADE " responses 201 headers Location $ref"),
               "#/components/headers/Location");
    assert_null(at(document, "components schemas GateWay"));
}

static void columns_that_are_hidden(void **state)
{
    (void)state;
    static const struct field fields[] = {
        { "hash", TEXT, .hidden = true },
        { "count", INT },
        { "words", TEXTS, .min = 1, .max = 5 },
        { "when", TIME },
    };
    static const struct slot columns[] = {
        { "hash", VALUE_TEXT, false },
        { "id", VALUE_UUID, false },
        { "count", VALUE_INT, true },
        { "words", VALUE_JSON, false },
        { "when", VALUE_TIME, false },
    };
    static const struct stmt get = { .name = "get",
                                     .columns = columns,
                                     .ncolumns = COUNT(columns) };
    static const struct action actions[] = {
        { POST, "/runs/{id}", .permit = PERMIT_ANYONE, .status = 202, .says = "Run." },
        { GET, "/runs/{id}", .permit = PERMIT_ANYONE, .says = "Look." },
    };
    static const struct resource res = { "test_run", "runs", RESOURCE_FIELDS(fields),
                                         RESOURCE_ACTIONS(actions), .get = &get };
    static const struct resource *const all[] = { &res, NULL };
    const struct json *before = document;

    resources_init(all);
    struct text t = text_new(&r.arena, 0);
    openapi_write(&t);
    assert_int_equal(json_read(&r.arena, text_str(&t), &document), OK);
    assert_null(at(document, "components schemas TestRun properties hash"));
    assert_str(shown("components schemas TestRun properties count type"), "[\"integer\",\"null\"]");
    assert_str(shown("components schemas TestRun properties words minItems"), "1");
    assert_str(shown("components schemas TestRun properties when format"), "\"date-time\"");
    assert_str(text_at("paths /runs/{id} post responses 202 description"), "Accepted.");
    assert_null(at(document, "components parameters id2"));
    resources_init(thing_resources);
    document = before;
}

static void answers(void **state)
{
    (void)state;
    assert_null(at(document, "paths /api/v1/things/{id} delete responses 204 content"));
    assert_non_null(at(document, "paths /api/v1/things/{id} get responses 304"));
    assert_non_null(at(document, "paths /api/v1/things/{id} get responses 404"));
    assert_null(at(document, "paths /api/v1/things get responses 404"));
    assert_non_null(at(document, "paths /api/v1/things/{id} patch responses 412"));
    assert_null(at(document, "paths /api/v1/things post responses 412"));
    assert_null(at(document, "paths /health get responses 401"));
    assert_null(at(document, "paths /health get responses 429"));
    assert_non_null(strstr(shown("components responses Problem412").p, "precondition_failed"));
}

/* Every $ref points to something. */
static void follow(const struct json *v)
{
    struct json_walk w = json_walk(v);
    while (json_next(&w)) {
        if (str_eq(w.key, STR("$ref"))) {
            char path[200];
            snprintf(path, sizeof(path), "%.*s", STR_ARG(json_text(w.value)));
            for (char *slash = path; (slash = strchr(slash, '/'));)
                *slash = ' ';
            if (strncmp(path, "# ", 2) != 0 || !at(document, path + 2))
                fail_msg("%s", path);
        }
        follow(w.value);
    }
}

static void references_lead_somewhere(void **state)
{
    (void)state;
    follow(document);
}

static void memory_runs_out_anywhere(void **state)
{
    (void)state;
    struct arena arena = { 0 };
    for (long n = 0;; n++) {
        nomem_after(n);
        struct text t = text_new(&arena, 0);
        openapi_write(&t);
        bool happened = nomem_happened();
        nomem_after(-1);
        assert_int_equal(t.failed, happened);
        arena_reset(&arena);
        if (!happened)
            return;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_action_is_an_operation),
        cmocka_unit_test(operation_ids_are_unique),
        cmocka_unit_test(who_may_call),
        cmocka_unit_test(parameters_of_operations),
        cmocka_unit_test(bodies_of_operations),
        cmocka_unit_test(fields_of_bodies),
        cmocka_unit_test(rows_and_pages),
        cmocka_unit_test(columns_that_are_hidden),
        cmocka_unit_test(answers),
        cmocka_unit_test(references_lead_somewhere),
        cmocka_unit_test(memory_runs_out_anywhere),
    };
    return cmocka_run_group_tests(tests, begin, done);
}
