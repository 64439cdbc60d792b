#include "base/hash.h"

#include "unit.h"

static const uint8_t key[16] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };

/* Made with another implementation: openssl mac -macopt c-rounds:1 -macopt d-rounds:3 -macopt size:8
 * -macopt hexkey:000102030405060708090a0b0c0d0e0f SIPHASH, over the bytes 0, 1, 2, ... */
static void siphash_1_3_vectors(void **state)
{
    (void)state;
    static const struct {
        size_t n;
        uint64_t hash;
    } cases[] = {
        { 0, 0xabac0158050fc4dc },  { 1, 0xc9f49bf37d57ca93 },  { 7, 0xd3927d989bb11140 },
        { 8, 0x369095118d299a8e },  { 15, 0xd320d86d2a519956 }, { 63, 0x9d199062b7bbb3a8 },
    };
    uint8_t bytes[64];
    for (int i = 0; i < 64; i++)
        bytes[i] = (uint8_t)i;
    hash_seed(key);
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_true(hash_bytes(bytes, cases[i].n) == cases[i].hash);
    assert_true(hash_bytes(NULL, 0) == cases[0].hash);
}

/* Of each length, so that the kind stands at each place of a word, and across the end of one. */
static void a_kind_is_four_bytes_behind(void **state)
{
    (void)state;
    hash_seed(key);
    for (size_t n = 0; n <= 40; n++) {
        char text[44] = "", *end = text + n;
        for (size_t i = 0; i < n; i++)
            text[i] = (char)(200 + i);
        memcpy(end, "\x11\x22\x33\x44", 4);
        assert_true(hash_kind(0x44332211, text, n) == hash_bytes(text, n + 4));
    }
    assert_true(hash_kind(3, "abc", 3) != hash_kind(4, "abc", 3));
    assert_true(hash_kind(3, NULL, 0) != hash_bytes(NULL, 0));
}

static void the_key_decides(void **state)
{
    (void)state;
    uint8_t other[16] = { 0 };
    hash_seed(key);
    uint64_t before = hash_bytes("abc", 3);
    for (int i = 0; i < 16; i++) {
        memcpy(other, key, 16);
        other[i] ^= 1;
        hash_seed(other);
        assert_true(hash_bytes("abc", 3) != before);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(siphash_1_3_vectors),
        cmocka_unit_test(a_kind_is_four_bytes_behind),
        cmocka_unit_test(the_key_decides),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
