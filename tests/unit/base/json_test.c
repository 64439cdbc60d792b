#include "base/json.h"

#include "dies.h"
#include "nomem.h"
#include "unit.h"

static struct arena arena;

static int begin(void **state)
{
    (void)state;
    nomem_after(-1);
    return 0;
}

static int end(void **state)
{
    (void)state;
    nomem_after(-1);
    arena_reset(&arena);
    arena_trim();
    return arena_held() == 0 ? 0 : -1;
}

static const struct json *read_good(const char *text)
{
    const struct json *v = NULL;
    if (json_read(&arena, str_of(text), &v) != OK)
        fail_msg("%s was refused", text);
    return v;
}

static enum err read_bytes(struct str text)
{
    /* Of exactly its length on the heap, so that ASan sees a read past its end. */
    char *exact = test_malloc(text.n ? text.n : 1);
    if (text.n)
        memcpy(exact, text.p, text.n);
    const struct json *v = NULL;
    enum err err = json_read(&arena, (struct str){ exact, text.n }, &v);
    test_free(exact);
    assert_true((err == OK) == (v != NULL));
    return err;
}

static void every_type_is_read(void **state)
{
    (void)state;
    const struct json *v =
        read_good(" {\"n\":null,\"t\":true,\"f\":false,\"i\":-12,\"r\":1.5,\"s\":\"a\\u00e9\\n\","
                  "\"a\":[1,[2],{}],\"o\":{\"x\":{\"y\":[]}}}\r\n\t");
    assert_int_equal(json_type(v), JSON_OBJECT);
    assert_int_equal(json_count(v), 8);
    assert_int_equal(json_type(json_get(v, "n")), JSON_NULL);
    assert_true(json_bool(json_get(v, "t")));
    assert_false(json_bool(json_get(v, "f")));
    assert_int_equal(json_int(json_get(v, "i")), -12);
    assert_true(json_real(json_get(v, "i")) == -12.0);
    assert_int_equal(json_type(json_get(v, "r")), JSON_REAL);
    assert_true(json_real(json_get(v, "r")) == 1.5);
    assert_str(json_text(json_get(v, "s")), "a\xc3\xa9\n");
    assert_int_equal(json_count(json_get(v, "a")), 3);
    assert_int_equal(json_count(json_get(json_get(v, "o"), "x")), 1);
    assert_null(json_get(v, "nothing"));
    assert_null(json_get(json_get(v, "nothing"), "x"));
    assert_null(json_get(json_get(v, "a"), "x"));
}

static void any_value_may_stand_alone(void **state)
{
    (void)state;
    assert_int_equal(json_int(read_good("7")), 7);
    assert_str(json_text(read_good("\"x\"")), "x");
    assert_int_equal(json_type(read_good("null")), JSON_NULL);
    assert_int_equal(json_count(read_good("[]")), 0);
}

static void integers_are_exact(void **state)
{
    (void)state;
    assert_true(json_int(read_good("9223372036854775807")) == INT64_MAX);
    assert_true(json_int(read_good("-9223372036854775808")) == INT64_MIN);
    assert_true(json_int(read_good("9007199254740993")) == 9007199254740993);
    assert_true(json_int(read_good("0")) == 0);
    assert_int_equal(json_type(read_good("1.0")), JSON_REAL);
    assert_int_equal(json_type(read_good("1e2")), JSON_REAL);
    assert_int_equal(json_type(read_good("1e308")), JSON_REAL);
    assert_true(json_real(read_good("1e-400")) == 0.0);
}

/* One row per attack; all are ERR_BAD_JSON. */
static void what_is_not_strict_is_refused(void **state)
{
    (void)state;
    const struct str bad[] = {
        STR(""), STR(" "), STR("\xef\xbb\xbf{}"), STR("\xff\xfe{}"), STR("{}x"), STR("{} {}"),
        STR("1 2"), STR("[1]]"),
        /* numbers */
        STR("9223372036854775808"), STR("18446744073709551615"), STR("18446744073709551616"),
        STR("-9223372036854775809"), STR("123456789012345678901234567890"), STR("1e400"),
        STR("-1e999"),
        STR("[{\"a\":9223372036854775808}]"), STR("01"), STR("-"), STR("+1"), STR(".5"), STR("1."),
        STR("1e"),
        STR("0x10"), STR("1_000"), STR("NaN"), STR("Infinity"), STR("-Infinity"), STR("nan"),
        STR("inf"), STR("-01"),
        /* structure */
        STR("{"), STR("["), STR("]"), STR("}"), STR("[1,]"), STR("[,1]"), STR("[1 2]"),
        STR("{\"a\":1,}"), STR("{\"a\"}"),
        STR("{\"a\":}"), STR("{a:1}"), STR("{'a':1}"), STR("{1:1}"), STR("{null:1}"),
        STR("{\"a\" 1}"), STR("[1:2]"),
        STR("[}"), STR("{]"), STR("{\"a\":1]"), STR(","), STR(":"), STR("[\"a\":1]"),
        STR("{\"a\",1}"),
        /* leniencies of others */
        STR("[1]//x"), STR("/**/[1]"), STR("[1/*x*/]"), STR("#\n[1]"), STR("tru"), STR("True"),
        STR("nul"), STR("undefined"),
        STR("\xc2\xa0[1]"), STR("\v[1]"), STR("\f[1]"), STR("[1]\0"), STR("\0[1]"), STR("[\0]"),
        /* texts */
        STR("\""), STR("\"a"), STR("'a'"), STR("\"\t\""), STR("\"\n\""), STR("\"\x01\""),
        STR("\"a\0b\""),
        STR("\"\\u0000\""), STR("\"a\\u0000b\""), STR("{\"a\\u0000\":1}"), STR("[[\"\\u0000\"]]"),
        STR("\"\\x41\""),
        STR("\"\\u12\""), STR("\"\\u00g0\""), STR("\"\\\""), STR("\"\\'\""), STR("\"\\U00e9\""),
        STR("\"\\ud800\""), STR("\"\\udc00\""), STR("\"\\ud800\\ud800\""), STR("\"\\ud800x\""),
        STR("\"\\udc00\\ud800\""),
        STR("\"\x80\""), STR("\"\xc0\x80\""), STR("\"\xed\xa0\x80\""), STR("\"\xf4\x90\x80\x80\""),
        STR("\"\xff\""),
        STR("\"\xe2\x82\""), STR("{\"\xff\":1}"),
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        enum err err = read_bytes(bad[i]);
        if (err != ERR_BAD_JSON)
            fail_msg("%.*s: %s", STR_ARG(bad[i]), err_info(err)->code);
    }
}

static void unicode_is_read_as_it_is(void **state)
{
    (void)state;
    assert_str(json_text(read_good("\"\\ud83d\\ude00\xf0\x9f\x98\x80\"")),
               "\xf0\x9f\x98\x80\xf0\x9f\x98\x80");
    assert_str(json_text(read_good("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"")), "\"\\/\b\f\n\r\t");
    assert_str(json_text(read_good("\"\x7f\\uffff\"")), "\x7f\xef\xbf\xbf");
}

static void names_occur_once(void **state)
{
    (void)state;
    static const char *const twice[] = {
        "{\"a\":1,\"a\":1}",
        "{\"a\":1,\"b\":2,\"a\":3}",
        "{\"a\":1,\"\\u0061\":2}",
        "{\"\":1,\"\":2}",
        "[[{\"o\":{\"x\":1,\"y\":[],\"x\":{}}}]]",
        "{\"a\":{\"b\":{}},\"c\":[1,2,3],\"a\":0}",
    };
    for (size_t i = 0; i < COUNT(twice); i++)
        assert_int_equal(read_bytes(str_of(twice[i])), ERR_BAD_KEY);
    assert_int_equal(
        read_bytes(STR("{\"a\":1,\"A\":1,\"b\":{\"a\":1},\"c\":[{\"a\":1},{\"a\":1}]}")), OK);
    assert_int_equal(read_bytes(STR("{\"a\":1,\"ab\":1,\"\":1,\"abc\":1}")), OK);
}

static struct str many_members(int n, int repeat)
{
    struct text t = text_new(&arena, 0);
    text_char(&t, '{');
    for (int i = 0; i < n; i++)
        text_printf(&t, "%s\"k%d\":%d", i ? "," : "", i == n - 1 && repeat >= 0 ? repeat : i, i);
    text_char(&t, '}');
    return text_str(&t);
}

static void names_occur_once_among_many(void **state)
{
    (void)state;
    for (int n = 2; n < 70; n++) {
        assert_int_equal(read_bytes(many_members(n, -1)), OK);
        for (int repeat = 0; repeat < n - 1; repeat++)
            assert_int_equal(read_bytes(many_members(n, repeat)), ERR_BAD_KEY);
    }
    /* If this were quadratic it would be ten thousand million comparisons. */
    assert_int_equal(read_bytes(many_members(100000, -1)), OK);
    assert_int_equal(read_bytes(many_members(100000, 50000)), ERR_BAD_KEY);
}

static struct str nested(int depth, const char *open, const char *close)
{
    struct text t = text_new(&arena, 0);
    for (int i = 0; i < depth; i++)
        text_add(&t, str_of(open));
    text_char(&t, '1');
    for (int i = 0; i < depth; i++)
        text_add(&t, str_of(close));
    return text_str(&t);
}

static void depth_ends_at_64(void **state)
{
    (void)state;
    assert_int_equal(read_bytes(nested(64, "[", "]")), OK);
    assert_int_equal(read_bytes(nested(65, "[", "]")), ERR_BAD_JSON);
    assert_int_equal(read_bytes(nested(64, "{\"a\":", "}")), OK);
    assert_int_equal(read_bytes(nested(65, "{\"a\":", "}")), ERR_BAD_JSON);
    assert_int_equal(read_bytes(nested(32, "[{\"a\":", "}]")), OK);
    assert_int_equal(read_bytes(nested(33, "[{\"a\":", "}]")), ERR_BAD_JSON);
    assert_int_equal(read_bytes(nested(500000, "[", "]")), ERR_BAD_JSON);
    assert_int_equal(read_bytes(nested(500000, "[", "")), ERR_BAD_JSON);
    assert_int_equal(read_bytes(nested(200000, "{\"a\":", "}")), ERR_BAD_JSON);

    /* Wide is not deep. */
    struct text t = text_new(&arena, 0);
    text_char(&t, '[');
    for (int i = 0; i < 1000; i++)
        text_lit(&t, "[],{},[[]],");
    text_lit(&t, "0]");
    assert_int_equal(read_bytes(text_str(&t)), OK);
}

static void every_prefix_is_refused_or_read_whole(void **state)
{
    (void)state;
    struct str text = STR("[{\"name\":\"\\u00e9\xc3\xa9\",\"n\":-1.5e3,\"t\":[true,false,null]}]");
    for (size_t n = 0; n < text.n; n++)
        assert_int_equal(read_bytes((struct str){ text.p, n }), ERR_BAD_JSON);
    assert_int_equal(read_bytes(text), OK);
}

static void walking_meets_all_in_order(void **state)
{
    (void)state;
    struct json_walk w = json_walk(read_good("{\"a\":[1,[2,3],4],\"b\":{\"x\":{}},\"c\":5}"));
    assert_true(json_next(&w));
    assert_str(w.key, "a");
    struct json_walk inner = json_walk(w.value);
    assert_true(json_next(&inner) && json_int(inner.value) == 1);
    assert_true(json_next(&inner) && json_count(inner.value) == 2);
    assert_true(json_next(&inner) && json_int(inner.value) == 4);
    assert_false(json_next(&inner));
    assert_true(json_next(&w));
    assert_str(w.key, "b");
    assert_true(json_next(&w));
    assert_str(w.key, "c");
    assert_int_equal(json_int(w.value), 5);
    assert_false(json_next(&w));
    assert_false(json_next(&w));

    w = json_walk(NULL);
    assert_false(json_next(&w));
    w = json_walk(read_good("1"));
    assert_false(json_next(&w));
    w = json_walk(read_good("{}"));
    assert_false(json_next(&w));
}

static void as_bool(void)
{
    json_bool(read_good("1"));
}

static void as_int(void)
{
    json_int(read_good("1.0"));
}

static void as_real(void)
{
    json_real(read_good("\"1\""));
}

static void as_text(void)
{
    json_text(read_good("null"));
}

static void as_many(void)
{
    json_count(read_good("\"abc\""));
}

static void the_wrong_type_is_a_bug(void **state)
{
    (void)state;
    assert_true(dies(as_bool));
    assert_true(dies(as_int));
    assert_true(dies(as_real));
    assert_true(dies(as_text));
    assert_true(dies(as_many));
}

static void no_memory_is_said(void **state)
{
    (void)state;
    struct str text = many_members(40, -1);
    int refused = 0;
    for (long n = 0;; n++) {
        struct arena scarce = { 0 };
        const struct json *v;
        nomem_after(n);
        enum err err = json_read(&scarce, text, &v);
        bool happened = nomem_happened();
        nomem_after(-1);
        arena_reset(&scarce);
        arena_trim();
        assert_int_equal(err, happened ? ERR_NO_MEMORY : OK);
        if (!happened)
            break;
        refused++;
    }
    assert_true(refused > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_type_is_read, begin, end),
        cmocka_unit_test_setup_teardown(any_value_may_stand_alone, begin, end),
        cmocka_unit_test_setup_teardown(integers_are_exact, begin, end),
        cmocka_unit_test_setup_teardown(what_is_not_strict_is_refused, begin, end),
        cmocka_unit_test_setup_teardown(unicode_is_read_as_it_is, begin, end),
        cmocka_unit_test_setup_teardown(names_occur_once, begin, end),
        cmocka_unit_test_setup_teardown(names_occur_once_among_many, begin, end),
        cmocka_unit_test_setup_teardown(depth_ends_at_64, begin, end),
        cmocka_unit_test_setup_teardown(every_prefix_is_refused_or_read_whole, begin, end),
        cmocka_unit_test_setup_teardown(walking_meets_all_in_order, begin, end),
        cmocka_unit_test_setup_teardown(the_wrong_type_is_a_bug, begin, end),
        cmocka_unit_test_setup_teardown(no_memory_is_said, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
