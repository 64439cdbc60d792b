#include "base/str.h"

#include "nomem.h"
#include "unit.h"

static void equal_but_for_case(void **state)
{
    (void)state;
    assert_true(str_ieq(STR("Content-Type"), STR("content-tYPE")));
    assert_true(str_ieq(STR(""), STR_NONE));
    assert_false(str_ieq(STR("abc"), STR("abd")));
    assert_false(str_ieq(STR("abc"), STR("ab")));
    assert_false(str_ieq(STR("["), STR("{"))); /* they differ in the same bit as letters do */
    assert_false(str_ieq(STR("@"), STR("`")));
}

static void trimmed_are_blanks_only(void **state)
{
    (void)state;
    assert_str(str_trim(STR(" \t a b\t ")), "a b");
    assert_str(str_trim(STR(" \t ")), "");
    assert_str(str_trim(STR("\na\r")), "\na\r");
    assert_str(str_trim(STR_NONE), "");
}

static void cutting_gives_each_part_once(void **state)
{
    (void)state;
    struct str rest = STR("a,,bc,"), part;
    assert_true(str_cut(&rest, ',', &part));
    assert_str(part, "a");
    assert_true(str_cut(&rest, ',', &part));
    assert_str(part, "");
    assert_true(str_cut(&rest, ',', &part));
    assert_str(part, "bc");
    assert_true(str_cut(&rest, ',', &part));
    assert_str(part, "");
    assert_false(str_cut(&rest, ',', &part));
    assert_null(part.p);

    rest = STR("");
    assert_true(str_cut(&rest, ',', &part));
    assert_int_equal(part.n, 0);
    assert_false(str_cut(&rest, ',', &part));
}

static void one_of_the_words(void **state)
{
    (void)state;
    assert_true(str_oneof(STR("open"), "open|invite|closed"));
    assert_true(str_oneof(STR("closed"), "open|invite|closed"));
    assert_false(str_oneof(STR("clos"), "open|invite|closed"));
    assert_false(str_oneof(STR(""), "open|invite|closed"));
    assert_false(str_oneof(STR("open|invite"), "open|invite|closed"));
    assert_false(str_oneof(STR("Open"), "open"));
}

static void whole_numbers(void **state)
{
    (void)state;
    int64_t n = -7;
    assert_true(str_int(STR("0"), 0, 10, &n) && n == 0);
    assert_true(str_int(STR("0010"), 0, 10, &n) && n == 10);
    assert_true(str_int(STR("9223372036854775807"), 0, INT64_MAX, &n) && n == INT64_MAX);

    n = -7;
    static const char *const bad[] = { "",   "11",  "-1", "+1", " 1", "1 ", "1.0", "0x1", "1e1",
                                       "/1", "1:",  "9223372036854775808", "99999999999999999999999" };
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_false(str_int(str_of(bad[i]), 0, 10, &n));
    assert_false(str_int(STR("9223372036854775808"), 0, INT64_MAX, &n));
    assert_false(str_int(STR("1"), 2, 10, &n));
    assert_int_equal(n, -7);
}

/* Each at every place of a long text, so that the fast way and the slow one both meet it. */
static bool utf8_anywhere(struct str s, bool *same)
{
    bool alone = str_utf8(s);
    *same = true;
    for (size_t before = 0; before < 20; before++) {
        char text[64];
        memset(text, 'a', sizeof(text));
        memcpy(text + before, s.p, s.n);
        *same = *same && str_utf8((struct str){ text, before + s.n + 10 }) == alone;
    }
    return alone;
}

static void utf8_is_rfc3629(void **state)
{
    (void)state;
    static const struct {
        struct str s;
        bool good;
    } cases[] = {
        { { "\x7f", 1 }, true },                 { { "\0", 1 }, false },
        { { "\xc2\x80", 2 }, true },             { { "\xdf\xbf", 2 }, true },
        { { "\xe0\xa0\x80", 3 }, true },         { { "\xed\x9f\xbf", 3 }, true },
        { { "\xee\x80\x80", 3 }, true },         { { "\xef\xbf\xbf", 3 }, true },
        { { "\xf0\x90\x80\x80", 4 }, true },     { { "\xf4\x8f\xbf\xbf", 4 }, true },
        { { "\x80", 1 }, false },                { { "\xbf", 1 }, false },
        { { "\xc0\x80", 2 }, false },            { { "\xc1\xbf", 2 }, false },
        { { "\xe0\x9f\xbf", 3 }, false },        { { "\xed\xa0\x80", 3 }, false },
        { { "\xed\xbf\xbf", 3 }, false },        { { "\xf0\x8f\xbf\xbf", 4 }, false },
        { { "\xf4\x90\x80\x80", 4 }, false },    { { "\xf5\x80\x80\x80", 4 }, false },
        { { "\xff", 1 }, false },                { { "\xfe", 1 }, false },
        { { "\xc3(", 2 }, false },               { { "\xe2\x82(", 3 }, false },
        { { "\xf0\x9f\x98(", 4 }, false },       { { "\xf8\x88\x80\x80\x80", 5 }, false },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        bool same;
        assert_int_equal(utf8_anywhere(cases[i].s, &same), cases[i].good);
        assert_true(same);
    }
    assert_true(str_utf8(STR("")));
    assert_true(str_utf8(STR_NONE));
}

static void utf8_cut_short_is_none(void **state)
{
    (void)state;
    for (size_t n = 1; n < 4; n++)
        assert_false(str_utf8((struct str){ "\xf0\x9f\x98\x80", n }));
    assert_false(str_utf8(STR("long enough\xe2\x82")));
}

static void secrets_are_the_same_or_not(void **state)
{
    (void)state;
    assert_true(str_same_secret(STR("s3cret"), STR("s3cret")));
    assert_true(str_same_secret(STR(""), STR_NONE));
    assert_false(str_same_secret(STR("s3cret"), STR("s3creT")));
    assert_false(str_same_secret(STR("S3cret"), STR("s3cret")));
    assert_false(str_same_secret(STR("s3cret"), STR("s3cre")));

    char a[144] = "", b[144] = "";
    for (size_t n = 0; n <= sizeof(a); n++)
        for (size_t bit = 0; bit < 8 * sizeof(a); bit++) {
            b[bit / 8] = (char)(b[bit / 8] ^ 1 << bit % 8);
            assert_int_equal(str_same_secret((struct str){ a, n }, (struct str){ b, n }),
                             bit / 8 >= n);
            b[bit / 8] = 0;
        }
}

static void a_text_grows_as_it_is_written(void **state)
{
    (void)state;
    struct arena a = { 0 };
    struct text t = text_new(&a, 0);
    assert_str(text_str(&t), "");
    text_lit(&t, "n=");
    text_int(&t, INT64_MIN);
    text_char(&t, ',');
    text_int(&t, INT64_MAX);
    text_char(&t, ',');
    text_int(&t, 0);
    text_printf(&t, ",%s-%04d", "x", 42);
    text_add(&t, STR_NONE);
    assert_str(text_str(&t), "n=-9223372036854775808,9223372036854775807,0,x-0042");

    for (int i = 0; i < 10000; i++)
        text_printf(&t, "%04d", i);
    assert_int_equal(t.n, 51 + 40000);
    assert_memory_equal(t.p + 51 + 4 * 9999, "9999", 4);
    assert_false(t.failed);
    arena_reset(&a);
}

static void room_is_written_by_the_caller(void **state)
{
    (void)state;
    struct arena a = { 0 };
    struct text t = text_new(&a, 4);
    char *at = text_room(&t, 100);
    memset(at, 'r', 100);
    t.n += 100;
    text_char(&t, '!');
    assert_int_equal(t.n, 101);
    assert_int_equal(t.p[99], 'r');
    assert_int_equal(t.p[100], '!');
    arena_reset(&a);
}

static void a_failed_text_stays_failed(void **state)
{
    (void)state;
    struct arena a = { 0 };
    struct text t = text_new(&a, 16);
    text_lit(&t, "0123456789");

    nomem_after(0);
    assert_null(text_room(&t, 100000));
    nomem_after(-1);
    assert_true(t.failed);
    text_char(&t, 'x');
    text_lit(&t, "more");
    text_int(&t, 1);
    text_printf(&t, "%d", 1);
    assert_str(text_str(&t), "0123456789");

    struct text huge = text_new(&a, 0);
    text_char(&huge, 'a');
    assert_null(text_room(&huge, SIZE_MAX));
    assert_true(huge.failed);
    arena_reset(&a);
    arena_trim();

    nomem_after(0);
    struct text none = text_new(&a, 10);
    assert_true(none.failed);
    text_printf(&none, "%d", 1);
    assert_int_equal(none.n, 0);
    nomem_after(-1);
    arena_reset(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_but_for_case),
        cmocka_unit_test(trimmed_are_blanks_only),
        cmocka_unit_test(cutting_gives_each_part_once),
        cmocka_unit_test(one_of_the_words),
        cmocka_unit_test(whole_numbers),
        cmocka_unit_test(utf8_is_rfc3629),
        cmocka_unit_test(utf8_cut_short_is_none),
        cmocka_unit_test(secrets_are_the_same_or_not),
        cmocka_unit_test(a_text_grows_as_it_is_written),
        cmocka_unit_test(room_is_written_by_the_caller),
        cmocka_unit_test(a_failed_text_stays_failed),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    arena_trim();
    return failed;
}
