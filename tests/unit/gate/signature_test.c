/* Signed URLs: for one method, one medium, one signer, one version, until a time; and nothing else. */
#include "../base/unit.h"

#undef COUNT
#include "base/clock.h"
#include "gate/signature.h"

static const uint8_t key[32] = { 1, 2, 3 };
static const struct uuid medium = { { 1, 2, 3, 4, 5, 6, 0x70, 8, 0x80, 10, 11 } };
static const struct uuid signer = { { 9, 2, 3, 4, 5, 6, 0x70, 8, 0x80, 10, 11 } };
static struct arena arena;

static struct str written(enum method method)
{
    struct text t = text_new(&arena, 400);
    struct signature s = { .signer = signer, .expires = 1000, .version = 3 };
    signature_write(&t, &s, key, method, &medium);
    assert_false(t.failed);
    return text_str(&t);
}

static int64_t at(int64_t seconds)
{
    return seconds * SECOND;
}

static void what_was_written_is_read(void **state)
{
    (void)state;
    struct signature s;
    const char *reason = NULL;
    assert_true(signature_given(written(GET)));
    assert_true(signature_read(written(GET), &s));
    assert_int_equal(s.expires, 1000);
    assert_int_equal(s.version, 3);
    assert_true(uuid_eq(&s.signer, &signer));
    assert_true(signature_holds(&s, key, GET, &medium, at(999), &reason));
    arena_reset(&arena);
}

static void it_holds_for_nothing_else(void **state)
{
    (void)state;
    struct signature s, t;
    const char *reason = NULL;
    uint8_t other_key[32] = { 0 };
    assert_true(signature_read(written(GET), &s));
    assert_false(signature_holds(&s, key, PUT, &medium, 0, &reason));
    assert_false(signature_holds(&s, key, GET, &signer, 0, &reason));
    assert_false(signature_holds(&s, other_key, GET, &medium, 0, &reason));
    t = s;
    t.version++;
    assert_false(signature_holds(&t, key, GET, &medium, 0, &reason));
    t = s;
    t.expires++;
    assert_false(signature_holds(&t, key, GET, &medium, 0, &reason));
    t = s;
    t.signer = medium;
    assert_false(signature_holds(&t, key, GET, &medium, 0, &reason));
    assert_non_null(strstr(reason, "as it was signed"));
    assert_false(signature_holds(&s, key, GET, &medium, at(1000), &reason));
    assert_non_null(strstr(reason, "expired"));
    arena_reset(&arena);
}

static void each_bit_of_the_mac_counts(void **state)
{
    (void)state;
    struct signature s;
    const char *reason;
    struct str query = str_copy(&arena, written(GET));
    char *mac = (char *)(uintptr_t)query.p + query.n - 43;
    for (int i = 0; i < 43; i++) {
        char before = mac[i];
        mac[i] = before == 'A' ? 'B' : 'A';
        assert_true(signature_read(query, &s));
        assert_false(signature_holds(&s, key, GET, &medium, 0, &reason));
        mac[i] = before;
    }
    arena_reset(&arena);
}

#define ID "01926b3e-7c1a-7000-8000-000000000001"
#define MAC "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void queries_that_are_none(void **state)
{
    (void)state;
    static const char *const queries[] = {
        "", "signature=", "expires=1&signer=" ID "&version=1", "signer=" ID "&version=1&signature=" MAC,
        "expires=1&signer=" ID "&version=1&signature=" MAC "a",
        "expires=01&signer=" ID "&version=1&signature=" MAC,
        "expires=-1&signer=" ID "&version=1&signature=" MAC,
        "expires=9223372036854775807&signer=" ID "&version=1&signature=" MAC,
        "expires=1&expires=1&signer=" ID "&version=1&signature=" MAC,
        "expires=1&signer=01926B3E-7c1a-7000-8000-000000000001&version=1&signature=" MAC,
        "expires=1&signer=" ID "&version=1&signature=" MAC "&",
        "expires=1&signer=" ID "&version=1&signature=" MAC "&more=1",
        "expires=1&signer=" ID "&version=%31&signature=" MAC,
    };
    struct signature s;
    assert_true(signature_read(STR("expires=1&signer=" ID "&version=1&signature=" MAC), &s));
    for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++)
        if (signature_read(str_of(queries[i]), &s))
            fail_msg("accepted: %s", queries[i]);
    assert_false(signature_given(STR("limit=1&x=signature")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_written_is_read),
        cmocka_unit_test(it_holds_for_nothing_else),
        cmocka_unit_test(each_bit_of_the_mac_counts),
        cmocka_unit_test(queries_that_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
