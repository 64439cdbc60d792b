#include "crypto/password.h"

#include "base/clock.h"

#include "../base/dies.h"
#include "../base/unit.h"

#include <pthread.h>
#include <time.h>

#define SEVENTY_TWO "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef01234567"

static void only_what_bcrypt_sees_whole_is_allowed(void **state)
{
    (void)state;
    assert_true(password_allowed(STR("12345678")));
    assert_true(password_allowed(STR(SEVENTY_TWO)));
    assert_true(password_allowed(STR("gr\xc3\xb6\xc3\x9f"
                                     "e!")));
    assert_false(password_allowed(STR("1234567")));
    assert_false(password_allowed(STR(SEVENTY_TWO "8")));
    assert_false(password_allowed(STR("12345678\0")));
    assert_false(password_allowed(STR("1234\0"
                                      "5678")));
    assert_false(password_allowed(STR("12345678\xff")));
    assert_false(password_allowed(STR_NONE));
}

static void a_hash_matches_its_password_alone(void **state)
{
    (void)state;
    char hash[PASSWORD_HASH + 1], again[PASSWORD_HASH + 1];
    assert_int_equal(password_hash(STR("correct horse"), 10, hash), OK);
    assert_memory_equal(hash, "$2b$10$", 7);
    assert_int_equal(strlen(hash), PASSWORD_HASH);
    assert_true(password_matches(STR("correct horse"), str_of(hash)));
    assert_false(password_matches(STR("correct horsE"), str_of(hash)));
    assert_false(password_matches(STR("correct hors"), str_of(hash)));
    assert_false(password_matches(STR(""), str_of(hash)));
    assert_false(password_matches(STR_NONE, str_of(hash)));

    assert_int_equal(password_hash(STR("correct horse"), 10, again), OK);
    assert_string_not_equal(hash, again);
}

/* Of jBCrypt's test vectors, those of our costs. They say $2a$, which for such passwords is the same function. */
static void hashes_of_elsewhere_match(void **state)
{
    (void)state;
    static const char *const vectors[][2] = {
        { "", "$2b$10$k1wbIrmNyFAPwPVPSVa/zecw2BCEnBwVS2GbrmgzxFUOqW9dk4TCW" },
        { "", "$2b$12$k42ZFHFWqBp3vWli.nIn8uYyIkbvYRvodzbfbK18SSsY.CsIQPlxO" },
        { "abc", "$2b$10$WvvTPHKwdBJ3uk0Z37EMR.hLA2W6N9AEBhEgrAOljy2Ae5MtaSIUi" },
        { "abcdefghijklmnopqrstuvwxyz", "$2b$10$fVH8e28OQRj9tqiDXs1e1uxpsjN0c7II7YPKXua2NAKYvM6iQk7dq" },
    };
    for (size_t i = 0; i < COUNT(vectors); i++)
        assert_true(password_matches(str_of(vectors[i][0]), str_of(vectors[i][1])));
}

static void two_passwords_are_never_one(void **state)
{
    (void)state;
    char hash[PASSWORD_HASH + 1];
    assert_int_equal(password_hash(STR(SEVENTY_TWO), 10, hash), OK);
    assert_true(password_matches(STR(SEVENTY_TWO), str_of(hash)));
    assert_false(password_matches(STR(SEVENTY_TWO "8"), str_of(hash)));
    assert_false(password_matches(STR(SEVENTY_TWO "\0"), str_of(hash)));

    assert_int_equal(password_hash(STR("12345678"), 10, hash), OK);
    assert_false(password_matches(STR("12345678\0x"), str_of(hash)));
    assert_false(password_matches(STR("12345678\0"), str_of(hash)));
}

static void what_is_not_allowed_is_not_hashed(void **state)
{
    (void)state;
    char hash[PASSWORD_HASH + 1];
    assert_int_equal(password_hash(STR(SEVENTY_TWO "8"), 10, hash), ERR_INVALID);
    assert_int_equal(password_hash(STR("short"), 10, hash), ERR_INVALID);
}

static void a_malformed_hash_never_matches(void **state)
{
    (void)state;
    char hash[PASSWORD_HASH + 1], bad[PASSWORD_HASH + 1];
    assert_int_equal(password_hash(STR("12345678"), 10, hash), OK);
    static const struct {
        int at;
        char c;
    } changes[] = { { 0, 'x' }, { 2, 'x' }, { 4, '0' }, { 4, '3' }, { 5, '5' }, { 6, 'x' }, { 10, '\0' }, { 10, '*' },
                    { 20, ':' } };
    for (size_t i = 0; i < COUNT(changes); i++) {
        memcpy(bad, hash, sizeof(bad));
        bad[changes[i].at] = changes[i].c;
        assert_false(password_matches(STR("12345678"), (struct str){ bad, PASSWORD_HASH }));
    }
    assert_false(password_matches(STR("12345678"), (struct str){ hash, PASSWORD_HASH - 1 }));
    assert_false(password_matches(STR("12345678"), STR_NONE));
    assert_false(password_matches(STR("12345678"), STR("*0")));
}

/* Of this thread's processor: other tests run beside this one. */
static int64_t time_of(struct str password, struct str hash)
{
    struct timespec begun, ended;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begun);
    password_matches(password, hash);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ended);
    return (ended.tv_sec - begun.tv_sec) * SECOND + (ended.tv_nsec - begun.tv_nsec) / 1000;
}

/* An answer that comes sooner tells. */
static void no_refusal_is_quick(void **state)
{
    (void)state;
    struct str hash = str_of(password_dummy(12));
    int64_t usual = time_of(STR("12345678"), hash);
    assert_true(time_of(STR("12345678"), STR("")) > usual / 3);
    assert_true(time_of(STR(SEVENTY_TWO "8"), hash) > usual / 3);
    assert_true(time_of(STR_NONE, hash) > usual / 3);
}

static void dummies_are_hashes_that_nothing_matches(void **state)
{
    (void)state;
    static const char *const prefixes[] = { "$2b$10$", "$2b$11$", "$2b$12$", "$2b$13$", "$2b$14$" };
    for (int cost = 10; cost <= 14; cost++) {
        assert_int_equal(strlen(password_dummy(cost)), PASSWORD_HASH);
        assert_memory_equal(password_dummy(cost), prefixes[cost - 10], 7);
    }
    assert_ptr_equal(password_dummy(0), password_dummy(10));
    assert_ptr_equal(password_dummy(99), password_dummy(14));
    assert_false(password_matches(STR("password"), str_of(password_dummy(10))));
}

static void *hash_and_match(void *good)
{
    char hash[PASSWORD_HASH + 1];
    *(bool *)good = password_hash(STR("of a thread"), 10, hash) == OK &&
                    password_matches(STR("of a thread"), str_of(hash)) &&
                    !password_matches(STR("of no thread"), str_of(hash));
    return NULL;
}

static void threads_do_not_meet(void **state)
{
    (void)state;
    pthread_t threads[4];
    bool good[4] = { false };
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, hash_and_match, &good[i]), 0);
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_true(good[i]);
    }
}

static void too_cheap(void)
{
    char hash[PASSWORD_HASH + 1];
    _exit(password_hash(STR("12345678"), 9, hash) == OK ? 0 : 1);
}

static void too_dear(void)
{
    char hash[PASSWORD_HASH + 1];
    _exit(password_hash(STR("12345678"), 15, hash) == OK ? 0 : 1);
}

static void a_cost_outside_the_range_is_a_bug(void **state)
{
    (void)state;
    assert_true(dies(too_cheap));
    assert_true(dies(too_dear));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_bcrypt_sees_whole_is_allowed),
        cmocka_unit_test(a_hash_matches_its_password_alone),
        cmocka_unit_test(hashes_of_elsewhere_match),
        cmocka_unit_test(two_passwords_are_never_one),
        cmocka_unit_test(what_is_not_allowed_is_not_hashed),
        cmocka_unit_test(a_malformed_hash_never_matches),
        cmocka_unit_test(no_refusal_is_quick),
        cmocka_unit_test(dummies_are_hashes_that_nothing_matches),
        cmocka_unit_test(threads_do_not_meet),
        cmocka_unit_test(a_cost_outside_the_range_is_a_bug),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
