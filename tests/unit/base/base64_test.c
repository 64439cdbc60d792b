#include "base/base64.h"

#include "unit.h"

static void rfc4648_vectors(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        { "", "" },          { "f", "Zg" },         { "fo", "Zm8" },
        { "foo", "Zm9v" },   { "foob", "Zm9vYg" },  { "fooba", "Zm9vYmE" },
        { "foobar", "Zm9vYmFy" },
    };
    for (size_t i = 0; i < COUNT(pairs); i++) {
        struct str plain = str_of(pairs[i][0]), coded = str_of(pairs[i][1]);
        char out[16];
        assert_int_equal(BASE64_LEN(plain.n), coded.n);
        assert_int_equal(base64_encode(plain.p, plain.n, out), coded.n);
        assert_memory_equal(out, coded.p, coded.n);
        assert_int_equal(base64_decode(coded, out), plain.n);
        assert_memory_equal(out, plain.p, plain.n);
    }
}

static void the_alphabet_is_the_one_for_urls(void **state)
{
    (void)state;
    char out[4], bytes[3];
    base64_encode("\xfb\xef\xff", 3, out);
    assert_memory_equal(out, "--__", 4);
    assert_int_equal(base64_decode(STR("--__"), bytes), 3);
    assert_memory_equal(bytes, "\xfb\xef\xff", 3);
}

static void every_length_comes_back(void **state)
{
    (void)state;
    uint8_t bytes[256], back[256];
    char text[BASE64_LEN(256)];
    for (int i = 0; i < 256; i++)
        bytes[i] = (uint8_t)(i * 167 + 13);
    for (size_t n = 0; n <= 256; n++) {
        assert_int_equal(base64_encode(bytes, n, text), BASE64_LEN(n));
        assert_int_equal(base64_decode((struct str){ text, BASE64_LEN(n) }, back), n);
        assert_memory_equal(back, bytes, n);
    }
}

static void only_one_spelling_is_read(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "Z",    "Zm9vY",  /* impossible lengths */
        "Zg==", "Zm8=",   "=",      "====", /* padding */
        "Zh",   "Zv",     "Zm9",    "Zm-", /* spare bits */
        "Zm+v", "Zm/v",   "Zm v",   "Zm\nv", "Zm.v", "Zm\xc3v", "Zm9vZ!", "Zm9v!g",
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        char out[16];
        if (base64_decode(str_of(bad[i]), out) != -1)
            fail_msg("%s was read", bad[i]);
    }
    char out[4];
    assert_int_equal(base64_decode((struct str){ "Zm\0v", 4 }, out), -1);
    assert_int_equal(base64_decode(STR_NONE, out), 0);
}

/* Of all texts of two and three characters, exactly one stands for each byte string. */
static void no_two_texts_mean_the_same(void **state)
{
    (void)state;
    int ones = 0, twos = 0;
    char out[4];
    for (int a = 0; a < 256; a++)
        for (int b = 0; b < 256; b++) {
            char text[3] = { (char)a, (char)b, 'A' };
            ones += base64_decode((struct str){ text, 2 }, out) == 1;
            twos += base64_decode((struct str){ text, 3 }, out) == 2;
        }
    assert_int_equal(ones, 256);
    assert_int_equal(twos, 64 * 64);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rfc4648_vectors),
        cmocka_unit_test(the_alphabet_is_the_one_for_urls),
        cmocka_unit_test(every_length_comes_back),
        cmocka_unit_test(only_one_spelling_is_read),
        cmocka_unit_test(no_two_texts_mean_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
