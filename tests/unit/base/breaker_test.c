#include "base/breaker.h"

#include "unit.h"

static void five_failures_in_a_row_open_it(void **state)
{
    (void)state;
    struct breaker b = { 0 };
    for (int i = 0; i < BREAKER_CONSECUTIVE - 1; i++)
        assert_false(breaker_note(&b, false, 0));
    assert_false(breaker_note(&b, true, 0)); /* the row is broken */
    for (int i = 0; i < BREAKER_CONSECUTIVE - 1; i++) {
        assert_false(breaker_note(&b, false, 0));
        assert_true(breaker_allows(&b, 0));
    }
    assert_true(breaker_note(&b, false, 0));
    assert_true(b.open);
    assert_false(breaker_allows(&b, 0));
}

static void half_of_the_last_hundred_open_it(void **state)
{
    (void)state;
    struct breaker b = { 0 };
    for (int i = 0; i < BREAKER_WINDOW - 1; i++)
        assert_false(breaker_note(&b, i % 2 == 0, 0)); /* 50 good, 49 failed */
    assert_false(b.open);
    assert_true(breaker_note(&b, false, 0));
    assert_true(b.open);
}

static void old_failures_are_forgotten(void **state)
{
    (void)state;
    struct breaker b = { 0 };
    for (int i = 0; i < 49; i++) {
        breaker_note(&b, false, 0);
        breaker_note(&b, true, 0);
    }
    for (int i = 0; i < BREAKER_WINDOW; i++)
        breaker_note(&b, true, 0);
    assert_int_equal(b.failed, 0);
    for (int i = 0; i < 49; i++) {
        assert_false(breaker_note(&b, false, 0));
        assert_false(breaker_note(&b, true, 0));
    }
}

static void while_open_one_probe_each_half_second(void **state)
{
    (void)state;
    struct breaker b = { 0 };
    for (int i = 0; i < BREAKER_CONSECUTIVE; i++)
        breaker_note(&b, false, 1000);
    assert_false(breaker_allows(&b, 1000 + BREAKER_PROBE - 1));
    assert_true(breaker_allows(&b, 1000 + BREAKER_PROBE));
    assert_false(breaker_allows(&b, 1000 + BREAKER_PROBE)); /* it is under way */
    assert_false(breaker_note(&b, false, 1000 + BREAKER_PROBE));
    assert_true(breaker_allows(&b, 1000 + 2 * BREAKER_PROBE));
    assert_true(breaker_note(&b, true, 1000 + 2 * BREAKER_PROBE));
    assert_false(b.open);
    assert_true(breaker_allows(&b, 0));
    assert_false(breaker_note(&b, false, 0)); /* what failed before is forgotten */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(five_failures_in_a_row_open_it),
        cmocka_unit_test(half_of_the_last_hundred_open_it),
        cmocka_unit_test(old_failures_are_forgotten),
        cmocka_unit_test(while_open_one_probe_each_half_second),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
