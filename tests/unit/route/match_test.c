#include "route/match.h"

#include "unit.h"

static struct req r;

/* Behind the things: what answers any method. */
static const struct action any_actions[] = {
    { ANY_METHOD, "/ask", .permit = PERMIT_ANYONE, .run = thing_run, .plain = true, .unread = true, .says = "Ask." },
    { ANY_METHOD, "/ask/*", .permit = PERMIT_ANYONE, .run = thing_run, .plain = true, .unread = true, .says = "Ask." },
    { PUT, "/ask/one", .permit = PERMIT_ANYONE, .run = thing_run, .plain = true, .says = "Put." },
};
static const struct resource asking = { .noun = "asking", .plural = "askings", .no_metadata = true,
                                        RESOURCE_ACTIONS(any_actions) };
static const struct resource *const all[] = { &things, &gates, &asking, NULL };

static int begin(void **state)
{
    *state = &r;
    resources_init(all);
    route_init();
    return 0;
}

static int end(void **state)
{
    route_fini();
    return done(state);
}

static enum verdict match(enum method method, const char *path)
{
    ask(&r, NULL, NULL);
    r.method = method;
    r.path = str_of(path);
    return route_match(&r);
}

static void every_action_is_found(void **state)
{
    (void)state;
    const struct resource *res;
    for (int i = 0; i < action_count(); i++) {
        const struct action *a = action_at(i, &res);
        assert_int_equal(match(a->method, a->path), !strchr(a->path, '{') ? NEXT : DENY); /* braces are no pchar */
        if (strchr(a->path, '{'))
            continue;
        assert_ptr_equal(r.action, a);
        assert_ptr_equal(r.resource, res);
    }
}

static void ids_are_taken_from_the_path(void **state)
{
    (void)state;
    assert_int_equal(match(PATCH, THINGS "/" HEX_A), NEXT);
    assert_ptr_equal(r.action, &thing_actions[THING_PATCHED]);
    assert_int_equal(r.target_ids.n, 1);
    assert_str(r.target_ids.text[0], HEX_A);
    assert_int_equal(match(GET, THINGS "/a/parts/b"), NEXT);
    assert_ptr_equal(r.action, &thing_actions[THING_PART]);
    assert_int_equal(r.target_ids.n, 2);
    assert_str(r.target_ids.text[0], "a");
    assert_str(r.target_ids.text[1], "b");
}

static void a_literal_wins_over_an_id(void **state)
{
    (void)state;
    assert_int_equal(match(POST, THINGS "/claim"), NEXT);
    assert_ptr_equal(r.action, &thing_actions[THING_CLAIMED]);
    assert_int_equal(r.target_ids.n, 0);
    assert_int_equal(match(GET, THINGS "/claim"), DENY);
    assert_int_equal(r.err, ERR_METHOD);
}

static void head_is_get(void **state)
{
    (void)state;
    assert_int_equal(match(HEAD, "/health"), NEXT);
    assert_ptr_equal(r.action, &gate_actions[1]);
    assert_int_equal(match(HEAD, "/"), NEXT);
    assert_int_equal(match(HEAD, THINGS "/claim"), DENY);
    assert_int_equal(r.err, ERR_METHOD);
}

static void another_method_is_told_which_there_are(void **state)
{
    (void)state;
    assert_int_equal(match(PUT, THINGS "/" HEX_A), DENY);
    assert_int_equal(r.err, ERR_METHOD);
    assert_null(r.action);
    assert_str(text_str(&r.reply.headers), "Allow: GET, HEAD, PATCH, DELETE, OPTIONS\r\n");
    assert_int_equal(match(METHOD_NONE, THINGS "/claim"), DENY);
    assert_str(text_str(&r.reply.headers), "Allow: POST, OPTIONS\r\n");
}

static void options_are_answered_here(void **state)
{
    (void)state;
    assert_int_equal(match(OPTIONS, THINGS), DONE);
    assert_int_equal(r.reply.status, 204);
    assert_str(text_str(&r.reply.headers), "Allow: GET, HEAD, POST, OPTIONS\r\n");
    assert_int_equal(match(OPTIONS, "/nowhere"), DENY);
    assert_int_equal(r.err, ERR_NOT_FOUND);
}

static void no_path_has_a_second_spelling(void **state)
{
    (void)state;
    static const char *const paths[] = {
        "",
        "health",
        "//health",
        "/health/",
        "/health//",
        "/Health",
        "/%68ealth",
        "/health%00",
        "/./health",
        "/x/../health",
        "/api",
        "/api/v1",
        "/api/v1/",
        THINGS "/",
        THINGS "//cancel",
        THINGS "/.",
        THINGS "/..",
        THINGS "/../things",
        THINGS "/%2e%2e",
        THINGS "/a%2fb",
        THINGS "/a\\b",
        THINGS "/a b",
        THINGS "/a\"b",
        THINGS "/a<b",
        THINGS "/{id}",
        THINGS "/\xc3\xa9",
        THINGS "/a\x01",
        THINGS "/a\x7f",
        THINGS "/a#b",
        THINGS "/a/cancel/",
        THINGS "/a/b/c/d/e",
        THINGS "/a/parts",
        THINGS "/a/parts/b/c",
        THINGS "/claim/cancel",
    };
    for (int i = 0; i < COUNT(paths); i++)
        if (match(GET, paths[i]) != DENY || r.err != ERR_NOT_FOUND)
            fail_msg("%s", paths[i]);
}

static void what_gate_uuid_is_to_judge_gets_there(void **state)
{
    (void)state;
    assert_int_equal(match(GET, THINGS "/1'or'1'='1"), NEXT);
    assert_str(r.target_ids.text[0], "1'or'1'='1");
    assert_int_equal(match(GET, THINGS "/..."), NEXT);
}

static void any_method_and_any_tail(void **state)
{
    (void)state;
    static const enum method methods[] = { GET, POST, PUT, PATCH, DELETE, OPTIONS };
    static const char *const tails[] = { "/ask/",     "/ask/a",     "/ask/a/b/c/d", "/ask//",
                                         "/ask/../x", "/ask/%2f{}", "/ask/*",       "/ask/\"" };
    for (int i = 0; i < COUNT(methods); i++) {
        assert_int_equal(match(methods[i], "/ask"), NEXT);
        assert_ptr_equal(r.action, &any_actions[0]);
        for (int k = 0; k < COUNT(tails); k++) {
            assert_int_equal(match(methods[i], tails[k]), NEXT);
            assert_ptr_equal(r.action, &any_actions[1]);
            assert_int_equal(r.target_ids.n, 0);
        }
    }
    assert_int_equal(match(PUT, "/ask/one"), NEXT);
    assert_ptr_equal(r.action, &any_actions[2]);
    assert_int_equal(match(POST, "/ask/one"), DENY); /* a path of its own is no tail */
    assert_int_equal(r.err, ERR_METHOD);
    assert_int_equal(match(GET, "/asking"), DENY);
    assert_int_equal(match(GET, "/as"), DENY);
}

static void the_walk_itself(void **state)
{
    (void)state;
    struct str ids[TARGET_IDS];
    int n;
    ask(&r, NULL, NULL);
    struct text allow = text_new(&r.arena, 0);
    assert_ptr_equal(route_find(HEAD, STR(THINGS), ids, &n, &allow), &thing_actions[THING_LISTED]);
    assert_int_equal(allow.n, 0);
    assert_null(route_find(GET, STR("/nowhere"), ids, &n, &allow));
    assert_int_equal(allow.n, 0);
    assert_null(route_find(DELETE, STR(THINGS), ids, &n, &allow));
    assert_str(text_str(&allow), "GET, HEAD, POST, OPTIONS");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_action_is_found),
        cmocka_unit_test(ids_are_taken_from_the_path),
        cmocka_unit_test(a_literal_wins_over_an_id),
        cmocka_unit_test(head_is_get),
        cmocka_unit_test(another_method_is_told_which_there_are),
        cmocka_unit_test(options_are_answered_here),
        cmocka_unit_test(no_path_has_a_second_spelling),
        cmocka_unit_test(what_gate_uuid_is_to_judge_gets_there),
        cmocka_unit_test(any_method_and_any_tail),
        cmocka_unit_test(the_walk_itself),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
