/* The text of an API key, and permissions between their two forms. */
#include "../base/unit.h"

#undef COUNT
#include "gate/apikey.h"
#include "gate/permits.h"
#include "route/resource.h"

static void a_new_key_is_one(void **state)
{
    (void)state;
    char text[APIKEY_TEXT], other[APIKEY_TEXT];
    uint8_t hash[SHA256_SIZE], other_hash[SHA256_SIZE];
    struct str public, secret, all = { text, sizeof(text) };
    apikey_make(text, hash);
    apikey_make(other, other_hash);
    assert_int_equal(sizeof(text), 55);
    assert_true(apikey_split(all, &public, &secret));
    assert_int_equal(public.n, 8);
    assert_int_equal(secret.n, 43);
    assert_true(apikey_matches(secret, hash));
    assert_false(apikey_matches(secret, other_hash));
    assert_memory_not_equal(text, other, sizeof(text));
}

/* Each place of a key takes many letters, and the public part may have each of the 62. */
static void keys_are_random_in_every_place(void **state)
{
    (void)state;
    enum { KEYS = 400 };
    static bool seen[APIKEY_TEXT][256], public[256];
    uint8_t hash[SHA256_SIZE];
    int letters = 0;
    for (int i = 0; i < KEYS; i++) {
        char text[APIKEY_TEXT];
        apikey_make(text, hash);
        for (size_t at = 0; at < sizeof(text); at++)
            seen[at][(uint8_t)text[at]] = true;
        for (size_t at = 3; at < 11; at++)
        public[(uint8_t)text[at]] = true;
    }
    for (size_t at = 0; at < APIKEY_TEXT; at++) {
        int kinds = 0;
        for (int c = 0; c < 256; c++)
            kinds += seen[at][c];
        assert_true(at < 3 || at == 11 ? kinds == 1 : kinds >= 10);
    }
    for (int c = 0; c < 256; c++)
        letters += public[c];
    assert_int_equal(letters, 62);
}

#define PUBLIC "aZ09bcde"
#define SECRET "0123456789_-ABCDEFGHIJKLMNOPQRSTUVWXYZabcde"

static void what_is_no_key(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool fits;
    } rows[] = {
        { "gh_" PUBLIC "_" SECRET, true },
        { "", false },
        { "gh_", false },
        { "GH_" PUBLIC "_" SECRET, false },
        { "gh_" PUBLIC "-" SECRET, false },
        { "gh_" PUBLIC "_" SECRET "A", false },
        { "gh_" PUBLIC "__" SECRET, false },
        { "gh_aZ09bcd__" SECRET, false },
        { "gh_aZ09bc-e_" SECRET, false },
        { "gh_-Z09bcde_" SECRET, false },
        { "gh_" PUBLIC "_+123456789_-ABCDEFGHIJKLMNOPQRSTUVWXYZabcde", false },
        { "gh_aZ09bc\xc3\xa9_" SECRET, false },
        { "gh_" PUBLIC "_0123456789+/ABCDEFGHIJKLMNOPQRSTUVWXYZabcde", false },
        { "gh_" PUBLIC "_0123456789_-ABCDEFGHIJKLMNOPQRSTUVWXYZabcd=", false },
    };
    struct str public, secret;
    for (int i = 0; i < COUNT(rows); i++)
        if (apikey_split(str_of(rows[i].text), &public, &secret) != rows[i].fits)
            fail_msg("%s", rows[i].text);
}

static void a_nul_in_a_key_is_no_letter(void **state)
{
    (void)state;
    char text[] = "gh_" PUBLIC "_" SECRET;
    struct str public, secret, all = { text, sizeof(text) - 1 };
    text[5] = '\0';
    assert_false(apikey_split(all, &public, &secret));
}

/* ---- permissions ---- */

static void names_become_bits_and_back(void **state)
{
    (void)state;
    struct arena a = { 0 };
    uint64_t permits;
    assert_int_equal(permits_read(&a, STR("[\"task:read\",\"system:config\"]"), &permits), OK);
    assert_int_equal(permits, PERMIT_BIT(PERMIT_TASK_READ) | PERMIT_BIT(PERMIT_SYSTEM_CONFIG));
    assert_str(permits_write(&a, permits), "[\"task:read\",\"system:config\"]");
    assert_str(permits_write(&a, 0), "[]");
    assert_int_equal(permits_read(&a, permits_write(&a, PERMIT_ALL), &permits), OK);
    assert_int_equal(permits, PERMIT_ALL);
    struct str all = permits_write(&a, PERMIT_ALL), more = permits_write(&a, UINT64_MAX);
    assert_true(str_eq(all, more)); /* bits that are no permission have no name */
    arena_reset(&a);
}

/* What stands in a row must never be read as more than it says. */
static void what_is_no_permission_gives_none(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "[]", "[\"*\"]", "[\"none\"]", "[\"anyone\",\"signed-in\"]", "[1,null,[\"task:read\"]]",
        "\"task:read\"", "{\"task:read\":1}", "[\"task:read\"", "", "[\"task:readx\"]",
    };
    struct arena a = { 0 };
    for (int i = 0; i < COUNT(rows); i++) {
        uint64_t permits = 1;
        assert_int_equal(permits_read(&a, str_of(rows[i]), &permits), OK);
        if (permits != 0)
            fail_msg("%s", rows[i]);
    }
    arena_reset(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_key_is_one),
        cmocka_unit_test(keys_are_random_in_every_place),
        cmocka_unit_test(what_is_no_key),
        cmocka_unit_test(a_nul_in_a_key_is_no_letter),
        cmocka_unit_test(names_become_bits_and_back),
        cmocka_unit_test(what_is_no_permission_gives_none),
    };
    return cmocka_run_group_tests_name("gate/apikey", tests, NULL, NULL);
}
