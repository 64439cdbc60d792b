#include "route/input.h"

#include "../base/nomem.h"
#include "route/page.h"
#include "unit.h"

static struct req r;

static int begin(void **state)
{
    *state = &r;
    resources_init(thing_resources);
    return 0;
}

static enum err read_as(int action, struct str type, struct str body)
{
    ask(&r, &things, &thing_actions[action]);
    r.content_type = type;
    r.body = body;
    enum verdict v = input_read(&r);
    assert_true(v == NEXT ? r.err == OK : v == DENY && r.err != OK);
    return r.err;
}

static enum err create(const char *body)
{
    return read_as(THING_MADE, STR("application/json"), str_of(body));
}

static enum err patch(const char *body)
{
    return read_as(THING_PATCHED, STR("application/merge-patch+json"), str_of(body));
}

static void a_body_with_everything(void **state)
{
    (void)state;
    assert_int_equal(
        create("{\"name\":\"n\xc3\xa4me\",\"kind\":\"large\",\"note\":\"a\\nb\\tc\",\"count\":-5,"
               "\"ratio\":1,"
               "\"done\":true,\"due\":\"2026-01-02T03:04:05+01:00\",\"other_id\":\"" HEX_A "\","
               "\"tags\":[\"red\", \"blue\"],\"config\":{\"a\": [1, 2.5]},\"anything\":[null],"
               "\"secret\":\"12345678\",\"metadata\":{\"x\":{}}}"),
        OK);
    assert_str(input_text(&r, "name"), "n\xc3\xa4me");
    assert_str(input_text(&r, "kind"), "large");
    assert_str(input_text(&r, "note"), "a\nb\tc");
    assert_int_equal(input_int(&r, "count"), -5);
    assert_true(input_value(&r, "ratio")->real == 1.0);
    assert_int_equal(input_int(&r, "done"), 1);
    assert_int_equal(input_int(&r, "due"), 1767319445000000);
    assert_str(input_text(&r, "tags"), "[\"red\",\"blue\"]");
    assert_str(input_text(&r, "config"), "{\"a\":[1,2.5]}");
    assert_str(input_text(&r, "anything"), "[null]");
    assert_str(input_text(&r, "metadata"), "{\"x\":{}}");
    assert_true(input_given(&r, "name"));
    assert_false(input_given(&r, "state"));
}

static void what_is_left_out_has_its_default(void **state)
{
    (void)state;
    assert_int_equal(create("{\"name\":\"a\"}"), OK);
    assert_str(input_text(&r, "kind"), "small");
    assert_str(input_text(&r, "state"), "new");
    assert_str(input_text(&r, "metadata"), "{}");
    assert_true(input_value(&r, "due")->null);
    assert_int_equal(input_value(&r, "due")->type, VALUE_TIME);
    assert_false(input_given(&r, "kind"));
}

static void defaults_of_every_type(void **state)
{
    (void)state;
    const struct field fields[] = {
        { "a", TEXT, .standard = "\"x\"" },
        { "b", UUID, .standard = "\"" HEX_A "\"" },
        { "c", INT, .standard = "-3" },
        { "d", REAL, .standard = "1" },
        { "e", BOOL, .standard = "true" },
        { "f", TIME, .standard = "\"1970-01-01T00:00:01Z\"" },
        { "g", TEXTS, .standard = "[\"x\"]" },
        { "h", ANY },
    };
    struct value v[COUNT(fields)];
    ask(&r, &things, NULL);
    for (int i = 0; i < COUNT(fields); i++)
        v[i] = field_standard(&r.arena, &fields[i]);
    assert_str(v[0].text, "x");
    assert_int_equal(v[1].uuid.b[0], 1);
    assert_int_equal(v[2].i, -3);
    assert_true(v[3].real == 1.0);
    assert_int_equal(v[4].i, 1);
    assert_int_equal(v[5].i, 1000000);
    assert_str(v[6].text, "[\"x\"]");
    for (int i = 0; i < COUNT(fields); i++)
        assert_int_equal(v[i].null, i == 7);
    assert_int_equal(v[7].type, VALUE_JSON);
}

static void a_patch_has_no_defaults(void **state)
{
    (void)state;
    assert_int_equal(patch("{}"), OK);
    assert_true(input_value(&r, "kind")->null);
    assert_int_equal(patch("{\"note\":null}"), OK);
    assert_true(input_given(&r, "note") && input_value(&r, "note")->null);
    assert_int_equal(patch("{\"other_id\":\"" HEX_A "\"}"), ERR_INVALID);
    assert_true(told(&r, "other_id", "fixed"));
}

/* One value that does not fit, and what is said of it. */
static const struct {
    const char *field, *json, *code;
} unfit[] = {
    { "name", "\"\"", "length" },
    { "name", "null", "type" },
    { "name", "1", "type" },
    { "name", "\"a\\nb\"", "format" },
    { "name", "\"a\\u007f\"", "format" },
    { "name", "\"a\\u0085\"", "format" },
    { "note", "\"a\\rb\"", "format" },
    { "note", "\"a\\u0001\"", "format" },
    { "kind", "\"huge\"", "oneof" },
    { "kind", "\"small|large\"", "oneof" },
    { "kind", "\"\"", "oneof" },
    { "count", "11", "range" },
    { "count", "-6", "range" },
    { "count", "1.0", "type" },
    { "count", "1e0", "type" },
    { "count", "\"1\"", "type" },
    { "count", "null", "type" },
    { "ratio", "1.01", "range" },
    { "ratio", "\"1\"", "type" },
    { "done", "1", "type" },
    { "done", "\"true\"", "type" },
    { "due", "\"yesterday\"", "format" },
    { "due", "\"2026-01-02\"", "format" },
    { "due", "1", "type" },
    { "other_id", "\"" HEX_A "0\"", "format" },
    { "other_id", "\"00000000-0000-0000-0000-000000000000\"", "format" },
    { "other_id", "\"0190a6e2-7c4b-1d21-9f53-8b6c1e2d3a4f\"", "format" },
    { "tags", "\"red\"", "type" },
    { "tags", "[\"red\",\"red\",\"red\",\"red\"]", "length" },
    { "config", "[]", "type" },
    { "config", "null", "type" },
    { "config", "{\"a\":\"0123456789012345678901234567890123456789012345678901234567890123456789\"}", "length" },
    { "anything", "\"0123456789012345678901234567890123456789012345678901234567890123456789\"", "length" },
    { "secret", "\"short\"", "length" },
    { "metadata", "null", "type" },
    { "metadata", "[]", "type" },
};

static void values_that_do_not_fit(void **state)
{
    (void)state;
    char body[300];
    for (int i = 0; i < COUNT(unfit); i++) {
        snprintf(body, sizeof(body), "{\"%s\":%s}", unfit[i].field, unfit[i].json);
        if (patch(body) == ERR_INVALID && r.nfaults == 1 && told(&r, unfit[i].field, unfit[i].code))
            continue;
        if (strcmp(unfit[i].field, "other_id") == 0 && r.nfaults == 1 &&
            told(&r, "other_id", "fixed"))
            continue; /* taken at creation only */
        fail_msg("%s: %s", body, r.nfaults ? r.faults[0].code : "nothing told");
    }
    for (int i = 0; i < COUNT(unfit); i++) {
        bool name = strcmp(unfit[i].field, "name") == 0;
        snprintf(body, sizeof(body), "{%s\"%s\":%s}", name ? "" : "\"name\":\"a\",", unfit[i].field,
                 unfit[i].json);
        if (create(body) != ERR_INVALID || r.nfaults != 1 ||
            !told(&r, unfit[i].field, unfit[i].code))
            fail_msg("%s: %s", body, r.nfaults ? r.faults[0].code : "nothing told");
    }
}

static void all_faults_are_told(void **state)
{
    (void)state;
    assert_int_equal(create("{\"kind\":1,\"count\":99,\"tags\":[\"red\",\"pink\",7]}"),
                     ERR_INVALID);
    assert_int_equal(r.nfaults, 5);
    assert_true(told(&r, "name", "required"));
    assert_true(told(&r, "kind", "type"));
    assert_true(told(&r, "count", "range"));
    assert_true(told(&r, "tags.1", "oneof"));
    assert_true(told(&r, "tags.2", "type"));
}

static void a_text_counts_bytes(void **state)
{
    (void)state;
    char body[600] = "{\"name\":\"";
    for (int i = 0; i < 60; i++)
        strncat(body, "\xc3\xa9", 3);
    strncat(body, "\"}", 3);
    assert_int_equal(create(body), OK); /* 120 bytes */
    body[strlen(body) - 2] = '\0';
    strncat(body, "e\"}", 4);
    assert_int_equal(create(body), ERR_INVALID);
    assert_true(told(&r, "name", "length"));
}

static void strange_keys(void **state)
{
    (void)state;
    assert_int_equal(create("{\"name\":\"a\",\"colour\":1,\"NAME\":2}"), ERR_BAD_KEY);
    assert_true(told(&r, "colour", "unknown") && told(&r, "NAME", "unknown"));
    assert_int_equal(
        create("{\"name\":\"a\",\"id\":\"" HEX_A "\",\"state\":\"old\",\"version\":1}"),
        ERR_BAD_KEY);
    assert_true(told(&r, "id", "readonly") && told(&r, "state", "readonly") &&
                told(&r, "version", "readonly"));
    assert_int_equal(create("{\"name\":\"a\",\"name\":\"b\"}"), ERR_BAD_KEY);
    assert_true(told(&r, "", "duplicate"));
    assert_int_equal(read_as(THING_CLAIMED, STR("application/json"), STR("{\"name\":\"a\"}")),
                     ERR_BAD_KEY);
    assert_true(told(&r, "name", "readonly"));
    assert_int_equal(read_as(THING_CLAIMED, STR("application/json"), STR("{\"metadata\":{}}")),
                     ERR_BAD_KEY);
}

static void a_long_key_is_cut_between_characters(void **state)
{
    (void)state;
    char body[400] = "{\"ab";
    for (int i = 0; i < 40; i++)
        strncat(body, "\xe2\x82\xac", 4);
    strncat(body, "\":1}", 5);
    assert_int_equal(create(body), ERR_BAD_KEY);
    assert_int_equal(strlen(r.faults[0].field), 62); /* the character that begins there ends at 65 */
    assert_true(str_utf8(str_of(r.faults[0].field)));
}

static void more_faults_than_are_kept_still_refuse(void **state)
{
    (void)state;
    char body[2000] = "{\"name\":\"a\"";
    for (int i = 0; i < 30; i++)
        snprintf(body + strlen(body), sizeof(body) - strlen(body), ",\"k%d\":0", i);
    strncat(body, "}", 2);
    assert_int_equal(create(body), ERR_BAD_KEY);
    assert_int_equal(r.nfaults, FAULTS_MAX);
}

static void what_is_no_object(void **state)
{
    (void)state;
    static const char *const bodies[] = { "[]", "null", "1", "\"name\"", "true" };
    for (int i = 0; i < COUNT(bodies); i++) {
        assert_int_equal(create(bodies[i]), ERR_INVALID);
        assert_true(told(&r, "", "type"));
    }
    static const char *const garbage[] = {
        "",
        "{",
        "{\"name\":\"a\"}x",
        "{'name':1}",
        "\xef\xbb\xbf{}",
        "{\"name\":01}",
        "{\"name\":\"\xff\"}",
        "{\"name\":\"\\u0000\"}",
        "{\"name\":\"\\ud800\"}",
        "{\"count\":9223372036854775808}",
        "{\"name\":\"a\",}",
        "//\n{}",
    };
    for (int i = 0; i < COUNT(garbage); i++)
        assert_int_equal(create(garbage[i]), ERR_BAD_JSON);
}

static void media_types(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        bool create, patch;
    } types[] = {
        { "application/json", true, true },
        { "Application/JSON ; Charset=\"UTF-8\"", true, true },
        { "application/json;charset=utf-8", true, true },
        { "application/json;", true, true },
        { "application/merge-patch+json", false, true },
        { "application/merge-patch+json; charset=utf-8", false, true },
        { "application/json; charset=latin1", false, false },
        { "application/json; version=1", false, false },
        { "application/jsonp", false, false },
        { "application/json, text/plain", false, false },
        { "text/json", false, false },
        { "application/x-www-form-urlencoded", false, false },
        { "", false, false },
        { NULL, false, false },
    };
    for (int i = 0; i < COUNT(types); i++) {
        struct str type = str_of(types[i].type), body = STR("{\"name\":\"a\"}");
        assert_int_equal(read_as(THING_MADE, type, body), types[i].create ? OK : ERR_MEDIA_TYPE);
        assert_int_equal(read_as(THING_PATCHED, type, body), types[i].patch ? OK : ERR_MEDIA_TYPE);
    }
}

static void bodies_where_none_may_be(void **state)
{
    (void)state;
    assert_int_equal(read_as(THING_CANCELLED, STR_NONE, STR_NONE), OK);
    assert_int_equal(read_as(THING_CANCELLED, STR("application/json"), STR("{}")), ERR_BAD_REQUEST);
    assert_int_equal(read_as(THING_GOT, STR("application/json"), STR("{}")), ERR_BAD_REQUEST);
    assert_int_equal(read_as(THING_REMOVED, STR("application/json"), STR("x")), ERR_BAD_REQUEST);
    assert_null(r.input);
}

static void a_body_may_be_left_out_where_nothing_is_required(void **state)
{
    (void)state;
    assert_int_equal(read_as(THING_CLAIMED, STR_NONE, STR_NONE), OK);
    assert_int_equal(input_int(&r, "limit"), 10);
    assert_int_equal(read_as(THING_MADE, STR_NONE, STR_NONE), ERR_BAD_JSON);
    assert_int_equal(read_as(THING_PATCHED, STR_NONE, STR_NONE), ERR_BAD_JSON);

    /* A patch requires no field, and yet must be there. */
    const struct action claim = { PATCH, THINGS "/claim", .input = claim_input, .ninput = 1 };
    ask(&r, &things, &claim);
    assert_int_equal(input_read(&r), DENY);
    assert_int_equal(r.err, ERR_BAD_JSON);
}

static void a_tolerant_action_knows_only_400(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        enum err err;
    } asked[] = {
        { "{\"limit\":3,\"more\":[1]}", OK },
        { "{\"limit\":\"x\"}", ERR_BAD_REQUEST },
        { "[]", ERR_BAD_REQUEST },
        { "{\"limit\":3,\"limit\":3}", ERR_BAD_KEY },
    };
    const struct action tolerant = { POST, THINGS "/claim", .input = claim_input, .ninput = 1,
                                     .tolerant = true };
    for (int i = 0; i < COUNT(asked); i++) {
        ask(&r, &things, &tolerant)->body = str_of(asked[i].body);
        r.content_type = STR("application/json");
        assert_int_equal(input_read(&r), asked[i].err == OK ? NEXT : DENY);
        assert_int_equal(r.err, asked[i].err);
    }
}

static void a_query_where_none_may_be(void **state)
{
    (void)state;
    ask(&r, &things, &thing_actions[THING_GOT])->query = STR("limit=1");
    assert_int_equal(input_read(&r), DENY);
    assert_int_equal(r.err, ERR_BAD_QUERY);
    assert_true(told(&r, "limit", "unknown"));
    ask(&r, &things, &thing_actions[THING_GOT])->query = STR("%zz");
    assert_int_equal(input_read(&r), DENY);
    assert_int_equal(r.err, ERR_BAD_QUERY);
    ask(&r, &things, &thing_actions[THING_GOT])->query = STR("");
    assert_int_equal(input_read(&r), NEXT);
}

static void a_list_reads_its_query(void **state)
{
    (void)state;
    ask(&r, &things, &thing_actions[THING_LISTED])->query = STR("limit=7&kind=large");
    assert_int_equal(input_read(&r), NEXT);
    assert_int_equal(r.page->limit, 7);
}

static void memory_runs_out_anywhere(void **state)
{
    (void)state;
    static const char body[] = "{\"name\":\"a\",\"tags\":[\"red\",\"pink\"],\"config\":{\"a\":1},"
                               "\"metadata\":{},\"count\":99}";
    for (long n = 0;; n++) {
        nomem_after(n);
        enum err err = create(body);
        bool happened = nomem_happened();
        nomem_after(-1);
        if (!happened) {
            assert_int_equal(err, ERR_INVALID);
            return;
        }
        assert_int_equal(err, ERR_NO_MEMORY);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_with_everything),
        cmocka_unit_test(what_is_left_out_has_its_default),
        cmocka_unit_test(defaults_of_every_type),
        cmocka_unit_test(a_patch_has_no_defaults),
        cmocka_unit_test(values_that_do_not_fit),
        cmocka_unit_test(all_faults_are_told),
        cmocka_unit_test(a_text_counts_bytes),
        cmocka_unit_test(strange_keys),
        cmocka_unit_test(a_long_key_is_cut_between_characters),
        cmocka_unit_test(more_faults_than_are_kept_still_refuse),
        cmocka_unit_test(what_is_no_object),
        cmocka_unit_test(media_types),
        cmocka_unit_test(bodies_where_none_may_be),
        cmocka_unit_test(a_body_may_be_left_out_where_nothing_is_required),
        cmocka_unit_test(a_tolerant_action_knows_only_400),
        cmocka_unit_test(a_query_where_none_may_be),
        cmocka_unit_test(a_list_reads_its_query),
        cmocka_unit_test(memory_runs_out_anywhere),
    };
    return cmocka_run_group_tests(tests, begin, done);
}
