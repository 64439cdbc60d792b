#include "crypto/seal.h"

#include "../base/nomem.h"
#include "../base/unit.h"

static const uint8_t key[32] = "0123456789abcdef0123456789abcde";
static struct arena arena;

static int end(void **state)
{
    (void)state;
    nomem_after(-1);
    arena_reset(&arena);
    arena_trim();
    return 0;
}

static struct str sealed_of(struct str plain)
{
    struct str sealed;
    assert_int_equal(seal(&arena, key, STR("context"), plain, &sealed), OK);
    assert_int_equal(sealed.n, plain.n + SEAL_MORE);
    return sealed;
}

static enum err open_as(const uint8_t with[32], struct str context, struct str sealed)
{
    struct str opened;
    enum err err = seal_open(&arena, with, context, sealed, &opened);
    assert_true((err == OK) == (opened.p != NULL));
    return err;
}

static void what_was_sealed_opens(void **state)
{
    (void)state;
    for (size_t n = 0; n < 200; n++) {
        char text[200];
        memset(text, (int)n, sizeof(text));
        struct str plain = { text, n }, opened;
        assert_int_equal(seal_open(&arena, key, STR("context"), sealed_of(plain), &opened), OK);
        assert_true(str_eq(opened, plain));
    }
}

/* NIST GCM test cases 13 and 14 (256-bit zero key, zero nonce): nonce, text, tag as this module lays them out. */
static void nist_vectors_open(void **state)
{
    (void)state;
    static const uint8_t zero_key[32];
    struct str opened;
    struct str empty = STR("\0\0\0\0\0\0\0\0\0\0\0\0"
                           "\x53\x0f\x8a\xfb\xc7\x45\x36\xb9\xa9\x63\xb4\xf1\xc4\xcb\x73\x8b");
    assert_int_equal(seal_open(&arena, zero_key, STR_NONE, empty, &opened), OK);
    assert_int_equal(opened.n, 0);

    struct str block = STR("\0\0\0\0\0\0\0\0\0\0\0\0"
                           "\xce\xa7\x40\x3d\x4d\x60\x6b\x6e\x07\x4e\xc5\xd3\xba\xf3\x9d\x18"
                           "\xd0\xd1\xc8\xa7\x99\x99\x6b\xf0\x26\x5b\x98\xb5\xd4\x8a\xb9\x19");
    assert_int_equal(seal_open(&arena, zero_key, STR_NONE, block, &opened), OK);
    assert_true(str_eq(opened, STR("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0")));
}

static void sealing_twice_differs(void **state)
{
    (void)state;
    assert_false(str_eq(sealed_of(STR("plain")), sealed_of(STR("plain"))));
}

static void every_altered_bit_is_seen(void **state)
{
    (void)state;
    struct str sealed = sealed_of(STR("some plain text"));
    for (size_t bit = 0; bit < sealed.n * 8; bit++) {
        char *copy = arena_copy(&arena, sealed.p, sealed.n);
        copy[bit / 8] = (char)(copy[bit / 8] ^ 1 << bit % 8);
        assert_int_equal(open_as(key, STR("context"), (struct str){ copy, sealed.n }),
                         ERR_BAD_TOKEN);
    }
}

static void another_length_key_or_context_is_refused(void **state)
{
    (void)state;
    struct str sealed = sealed_of(STR("some plain text"));
    for (size_t n = 0; n < sealed.n; n++)
        assert_int_equal(open_as(key, STR("context"), (struct str){ sealed.p, n }), ERR_BAD_TOKEN);
    char *longer = arena_copy(&arena, sealed.p, sealed.n);
    assert_int_equal(open_as(key, STR("context"), (struct str){ longer, sealed.n + 1 }),
                     ERR_BAD_TOKEN);

    uint8_t other[32];
    memcpy(other, key, 32);
    other[31] ^= 1;
    assert_int_equal(open_as(other, STR("context"), sealed), ERR_BAD_TOKEN);
    assert_int_equal(open_as(key, STR("contexT"), sealed), ERR_BAD_TOKEN);
    assert_int_equal(open_as(key, STR_NONE, sealed), ERR_BAD_TOKEN);
}

static void no_memory_is_said(void **state)
{
    (void)state;
    struct str sealed = sealed_of(STR("plain")), out;
    arena_trim();
    struct arena scarce = { 0 };
    nomem_after(0);
    assert_int_equal(seal(&scarce, key, STR("context"), STR("plain"), &out), ERR_NO_MEMORY);
    assert_null(out.p);
    assert_int_equal(seal_open(&scarce, key, STR("context"), sealed, &out), ERR_NO_MEMORY);
    assert_int_equal(seal(&scarce, key, STR("context"), (struct str){ "x", SIZE_MAX - 5 }, &out),
                     ERR_NO_MEMORY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(what_was_sealed_opens, end),
        cmocka_unit_test_teardown(nist_vectors_open, end),
        cmocka_unit_test_teardown(sealing_twice_differs, end),
        cmocka_unit_test_teardown(every_altered_bit_is_seen, end),
        cmocka_unit_test_teardown(another_length_key_or_context_is_refused, end),
        cmocka_unit_test_teardown(no_memory_is_said, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
