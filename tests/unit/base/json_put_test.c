#include "base/json.h"

#include "base/clock.h"
#include "nomem.h"
#include "unit.h"

#include <math.h>

static struct arena arena;
static struct text out;

static int begin(void **state)
{
    (void)state;
    out = text_new(&arena, 0);
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

static const struct json *read_good(struct str text)
{
    const struct json *v = NULL;
    if (json_read(&arena, text, &v) != OK)
        fail_msg("%.*s was refused", STR_ARG(text));
    return v;
}

static void texts_are_escaped(void **state)
{
    (void)state;
    json_put_text(&out, STR("a\"b\\c/d\b\f\n\r\t\x01\x1f\x7f\xc3\xa9"));
    assert_str(text_str(&out), "\"a\\\"b\\\\c/d\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\xc3\xa9\"");
    json_put_text(&out, STR_NONE);
    assert_int_equal(out.p[out.n - 1], '"');
}

/* Each byte that needs an escape, and its neighbours, at each place of a longer text. */
static void an_escape_is_seen_at_every_place(void **state)
{
    (void)state;
    for (int c = 1; c < 0x80; c++)
        for (size_t place = 0; place < 24; place++) {
            char text[24];
            memset(text, c == 'z' ? 'y' : 'z', sizeof(text));
            text[place] = (char)c;
            out.n = 0;
            json_put_text(&out, (struct str){ text, sizeof(text) });
            bool escaped = c < 0x20 || c == '"' || c == '\\';
            assert_int_equal(out.n > sizeof(text) + 2, escaped);
            struct str back = json_text(read_good(text_str(&out)));
            assert_true(str_eq(back, (struct str){ text, sizeof(text) }));
        }
}

static void reals_read_back_the_same(void **state)
{
    (void)state;
    static const double some[] = { 0.1, 1.0, -1.5, 1e300, 5e-324, 1.7976931348623157e308, 0.30000000000000004,
                                   123456789.125, 1e21, -0.0 };
    for (size_t i = 0; i < COUNT(some); i++) {
        out.n = 0;
        json_put_real(&out, some[i]);
        double back = json_real(read_good(text_str(&out)));
        assert_memory_equal(&back, &some[i], sizeof(back));
    }
    out.n = 0;
    json_put_real(&out, 0.1);
    assert_str(text_str(&out), "0.1");
    out.n = 0;
    json_put_real(&out, 2.0);
    assert_str(text_str(&out), "2.0");
}

static void what_is_not_finite_is_null(void **state)
{
    (void)state;
    json_put_real(&out, NAN);
    json_put_real(&out, -INFINITY);
    assert_str(text_str(&out), "nullnull");
}

static void keys_get_their_commas(void **state)
{
    (void)state;
    struct uuid id = { { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 } };
    text_char(&out, '{');
    json_key(&out, "ok");
    json_put_bool(&out, true);
    json_key(&out, "no");
    json_put_bool(&out, false);
    json_key(&out, "at");
    json_put_time(&out, 784111777 * SECOND);
    json_key(&out, "id");
    json_put_uuid(&out, &id);
    json_key(&out, "o");
    text_char(&out, '{');
    json_key(&out, "n");
    text_int(&out, -3);
    text_lit(&out, "}}");
    assert_str(text_str(&out), "{\"ok\":true,\"no\":false,\"at\":\"1994-11-06T08:49:37.000000Z\","
                               "\"id\":\"01020304-0506-0708-090a-0b0c0d0e0f10\",\"o\":{\"n\":-3}}");
}

static void what_was_read_is_written_compact(void **state)
{
    (void)state;
    json_put(
        &out,
        read_good(STR(
            " { \"a\" : [ 1 , -2.5 , true , null , \"x\\n\" ] , \"\" : { } , \"\\\"\" : [ ] } ")));
    assert_str(text_str(&out), "{\"a\":[1,-2.5,true,null,\"x\\n\"],\"\":{},\"\\\"\":[]}");
    out.n = 0;
    json_put(&out, read_good(STR("[[],[[]],{\"a\":{}},\"{\",[\"[\"]]")));
    assert_str(text_str(&out), "[[],[[]],{\"a\":{}},\"{\",[\"[\"]]");
}

static void written_where_other_text_stands(void **state)
{
    (void)state;
    text_lit(&out, "{\"x\":");
    json_put(&out, read_good(STR("{\"b\":1}")));
    json_key(&out, "y");
    json_put(&out, read_good(STR("{}")));
    text_char(&out, '}');
    assert_str(text_str(&out), "{\"x\":{\"b\":1},\"y\":{}}");
}

/* RFC 7396 appendix A. */
static void merge_patch_vectors(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        { "{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}" },
        { "{\"a\":\"b\"}", "{\"b\":\"c\"}", "{\"a\":\"b\",\"b\":\"c\"}" },
        { "{\"a\":\"b\"}", "{\"a\":null}", "{}" },
        { "{\"a\":\"b\",\"b\":\"c\"}", "{\"a\":null}", "{\"b\":\"c\"}" },
        { "{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}" },
        { "{\"a\":\"c\"}", "{\"a\":[\"b\"]}", "{\"a\":[\"b\"]}" },
        { "{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}", "{\"a\":{\"b\":\"d\"}}" },
        { "{\"a\":[{\"b\":\"c\"}]}", "{\"a\":[1]}", "{\"a\":[1]}" },
        { "[\"a\",\"b\"]", "[\"c\",\"d\"]", "[\"c\",\"d\"]" },
        { "{\"a\":\"b\"}", "[\"c\"]", "[\"c\"]" },
        { "{\"a\":\"foo\"}", "null", "null" },
        { "{\"a\":\"foo\"}", "\"bar\"", "\"bar\"" },
        { "{\"e\":null}", "{\"a\":1}", "{\"e\":null,\"a\":1}" },
        { "[1,2]", "{\"a\":\"b\",\"c\":null}", "{\"a\":\"b\"}" },
        { "{}", "{\"a\":{\"bb\":{\"ccc\":null}}}", "{\"a\":{\"bb\":{}}}" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        out.n = 0;
        json_merge(&out, read_good(str_of(cases[i][0])), read_good(str_of(cases[i][1])));
        assert_bytes(text_str(&out), str_of(cases[i][2]), __FILE__, __LINE__);
    }
    out.n = 0;
    json_merge(&out, NULL, read_good(STR("{\"a\":null,\"b\":{\"c\":null}}")));
    assert_str(text_str(&out), "{\"b\":{}}");
}

static const struct json *numbered(int from, int to, const char *value)
{
    struct text t = text_new(&arena, 0);
    text_char(&t, '{');
    for (int i = from; i < to; i++)
        text_printf(&t, "%s\"k%d\":%s", i > from ? "," : "", i, value);
    text_char(&t, '}');
    return read_good(text_str(&t));
}

static void merging_many_members(void **state)
{
    (void)state;
    json_merge(&out, numbered(0, 60000, "1"), numbered(30000, 90000, "2"));
    const struct json *both = read_good(text_str(&out));
    assert_int_equal(json_count(both), 90000);
    assert_int_equal(json_int(json_get(both, "k29999")), 1);
    assert_int_equal(json_int(json_get(both, "k30000")), 2);
    assert_int_equal(json_int(json_get(both, "k89999")), 2);

    out = text_new(&arena, 0);
    json_merge(&out, numbered(0, 100, "1"), numbered(1, 100, "null"));
    assert_str(text_str(&out), "{\"k0\":1}");
}

static void no_memory_fails_the_text(void **state)
{
    (void)state;
    const struct json *target = numbered(0, 50, "1.5"),
                      *patch = numbered(20, 70, "{\"a\":\"\\n\"}");
    for (long n = 0;; n++) {
        struct arena scarce = { 0 };
        nomem_after(n);
        struct text t = text_new(&scarce, 0);
        json_merge(&t, target, patch);
        json_put_time(&t, 0);
        json_put_uuid(&t, &(struct uuid){ { 0 } });
        bool happened = nomem_happened();
        nomem_after(-1);
        assert_int_equal(t.failed, happened);
        arena_reset(&scarce);
        arena_trim();
        if (!happened)
            break;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(texts_are_escaped, begin, end),
        cmocka_unit_test_setup_teardown(an_escape_is_seen_at_every_place, begin, end),
        cmocka_unit_test_setup_teardown(reals_read_back_the_same, begin, end),
        cmocka_unit_test_setup_teardown(what_is_not_finite_is_null, begin, end),
        cmocka_unit_test_setup_teardown(keys_get_their_commas, begin, end),
        cmocka_unit_test_setup_teardown(what_was_read_is_written_compact, begin, end),
        cmocka_unit_test_setup_teardown(written_where_other_text_stands, begin, end),
        cmocka_unit_test_setup_teardown(merge_patch_vectors, begin, end),
        cmocka_unit_test_setup_teardown(merging_many_members, begin, end),
        cmocka_unit_test_setup_teardown(no_memory_fails_the_text, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
