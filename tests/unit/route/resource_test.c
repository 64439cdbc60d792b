#include "route/resource.h"

#include "../../../src/store/result.h"
#include "../base/nomem.h"
#include "unit.h"

static struct req r;

static int begin(void **state)
{
    *state = &r;
    resources_init(thing_resources);
    return 0;
}

static struct uuid uuid(const char *text)
{
    struct uuid id;
    assert_true(uuid_parse(str_of(text), &id));
    return id;
}

static struct value *row_of_everything(void)
{
    static struct value row[THING_COLUMNS];
    for (int i = 0; i < THING_COLUMNS; i++)
        row[i] = (struct value){ .type = thing_columns[i].type, .null = true };
    row[THING_ID] = (struct value){ .type = VALUE_UUID, .uuid = uuid(HEX_A) };
    row[THING_OWNER_ID] = (struct value){ .type = VALUE_UUID, .uuid = uuid(HEX_B) };
    row[THING_NAME] = (struct value){ .type = VALUE_TEXT, .text = STR("a \"b\"\n") };
    row[THING_KIND] = (struct value){ .type = VALUE_TEXT, .text = STR("small") };
    row[THING_COUNT] = (struct value){ .type = VALUE_INT, .i = -3 };
    row[THING_RATIO] = (struct value){ .type = VALUE_REAL, .real = 0.5 };
    row[THING_DONE] = (struct value){ .type = VALUE_BOOL, .i = 1 };
    row[THING_DUE] = (struct value){ .type = VALUE_TIME, .i = 1500000 };
    row[THING_CONFIG] = (struct value){ .type = VALUE_JSON, .text = STR("{\"k\":[1]}") };
    row[THING_STATE] = (struct value){ .type = VALUE_TEXT, .text = STR("new") };
    row[THING_METADATA] = (struct value){ .type = VALUE_JSON, .text = STR("{}") };
    row[THING_VERSION] = (struct value){ .type = VALUE_INT, .i = 7 };
    row[THING_CREATED_AT] = row[THING_UPDATED_AT] = (struct value){ .type = VALUE_TIME, .i = 0 };
    return row;
}

static const char everything[] =
    "{\"id\":\"" HEX_A "\",\"owner_id\":\"" HEX_B
    "\",\"name\":\"a \\\"b\\\"\\n\",\"kind\":\"small\",\"note\":null,"
    "\"count\":-3,\"ratio\":0.5,\"done\":true,\"due\":\"1970-01-01T00:00:01.500000Z\",\"other_id\":"
    "null,\"tags\":null,"
    "\"config\":{\"k\":[1]},\"anything\":null,\"state\":\"new\",\"metadata\":{},\"version\":7,"
    "\"created_at\":\"1970-01-01T00:00:00.000000Z\",\"updated_at\":\"1970-01-01T00:00:00."
    "000000Z\"}";

static void a_row_as_json(void **state)
{
    (void)state;
    ask(&r, &things, NULL);
    struct text t = text_new(&r.arena, 0);
    resource_json(&t, &things, row_of_everything());
    assert_str(text_str(&t), everything);
}

static void hidden_columns_are_left_out(void **state)
{
    (void)state;
    static const struct slot columns[] = { { "secret", VALUE_TEXT, false },
                                           { "name", VALUE_TEXT, false },
                                           { "secrets", VALUE_TEXT, false } };
    static const struct stmt get = { .name = "get", .columns = columns, .ncolumns = 3 };
    static const struct field fields[] = { { "secret", TEXT, .hidden = true },
                                           { "name", TEXT },
                                           { "secrets", TEXT, .hidden = true } };
    static const struct resource res = {
        .noun = "n", .plural = "ns", RESOURCE_FIELDS(fields), .get = &get
    };
    static const struct resource *const all[] = { &res, NULL };
    const struct value text = { .type = VALUE_TEXT, .text = STR("x") };
    const struct value row[] = { text, text, text };

    resources_init(all);
    ask(&r, &res, NULL);
    struct text t = text_new(&r.arena, 0);
    resource_json(&t, &res, row);
    assert_str(text_str(&t), "{\"name\":\"x\"}");
    resources_init(thing_resources);
}

static void a_row_of_a_result(void **state)
{
    (void)state;
    struct rows rows = { .stmt = &thing_get };
    ask(&r, &things, NULL);
    assert_int_equal(rows_add(&rows, row_of_everything()), OK);
    assert_true(rows_next(&rows));
    const struct value *row = resource_row(&r.arena, &things, &rows);
    struct text t = text_new(&r.arena, 0);
    resource_json(&t, &things, row);
    assert_str(text_str(&t), everything);
    rows_fini(&rows);
}

static void a_reply_with_a_row(void **state)
{
    (void)state;
    ask(&r, &things, NULL);
    assert_int_equal(reply_row(&r, 201, &things, row_of_everything()), NEXT);
    assert_int_equal(r.reply.status, 201);
    assert_int_equal(r.reply.version, 7);
    assert_str(r.reply.body, everything);

    nomem_after(0);
    ask(&r, &things, NULL);
    assert_int_equal(reply_row(&r, 201, &things, row_of_everything()), DENY);
    nomem_after(-1);
    assert_int_equal(r.err, ERR_NO_MEMORY);
}

static void looking_up(void **state)
{
    (void)state;
    assert_ptr_equal(resource_find("things"), &things);
    assert_null(resource_find("thing"));
    assert_int_equal(resource_column(&things, "version"), THING_VERSION);
    assert_int_equal(resource_column(&things, "parent_id"), -1);
    assert_int_equal(resource_column(&gates, "id"), -1);
    assert_ptr_equal(resource_field(&things, "kind"), &thing_fields[1]);
    assert_null(resource_field(&things, "metadata"));
    assert_null(resource_field(&gates, "name"));
}

static void actions_are_numbered_across_resources(void **state)
{
    (void)state;
    const struct resource *res;
    assert_int_equal(action_count(), COUNT(thing_actions) + COUNT(gate_actions));
    for (int i = 0; i < action_count(); i++) {
        const struct action *a = action_at(i, &res);
        assert_ptr_equal(res, i < COUNT(thing_actions) ? &things : &gates);
        assert_int_equal(action_index(a), i);
    }
}

static void names_of_permissions(void **state)
{
    (void)state;
    assert_string_equal(permit_name(PERMIT_STARTUP_CREATE), "startup:create");
    assert_string_equal(permit_name(PERMIT_SYSTEM_CONFIG), "system:config");
    assert_string_equal(permit_name(PERMIT_ANYONE), "anyone");
    assert_int_equal(permit_find(STR("logs:read")), PERMIT_LOGS_READ);
    for (int p = PERMIT_COUNT - 1; p >= PERMIT_STARTUP_CREATE; p--) /* in whatever order they come */
        for (int again = 0; again < 2; again++)
            assert_int_equal(permit_find(str_of(permit_name((enum permit)p))), p);
    assert_int_equal(permit_find(STR("anyone")), PERMIT_NONE); /* these are no permissions */
    assert_int_equal(permit_find(STR("signed-in")), PERMIT_NONE);
    assert_int_equal(permit_find(STR("")), PERMIT_NONE);
    assert_int_equal(rate_class(RATE_ADMIN)->day, 200);
}

static void the_print_is_aligned(void **state)
{
    (void)state;
    ask(&r, &things, NULL);
    struct text t = text_new(&r.arena, 0);
    resources_print(&t);
    struct str rest = text_str(&t), line;
    assert_true(str_cut(&rest, '\n', &line));
    assert_str(line, "GET     /api/v1/things                  task:read    none     none");
    assert_true(str_cut(&rest, '\n', &line));
    assert_str(line, "POST    /api/v1/things                  task:create  default  none");
    assert_true(str_cut(&rest, '\n', &line));
    assert_str(line, "GET     /api/v1/things/{id}             task:read    none     api");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_as_json),
        cmocka_unit_test(hidden_columns_are_left_out),
        cmocka_unit_test(a_row_of_a_result),
        cmocka_unit_test(a_reply_with_a_row),
        cmocka_unit_test(looking_up),
        cmocka_unit_test(actions_are_numbered_across_resources),
        cmocka_unit_test(names_of_permissions),
        cmocka_unit_test(the_print_is_aligned),
    };
    return cmocka_run_group_tests(tests, begin, done);
}
