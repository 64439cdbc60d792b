#include "base/mode.h"

#include "unit.h"

#include <stdlib.h>

static void *room;

static int begin(void **state)
{
    (void)state;
    room = calloc(1, mode_size());
    mode_init(room);
    mode_worker(0);
    return 0;
}

static int end(void **state)
{
    (void)state;
    free(room);
    return 0;
}

static void what_is_not_known_is_lockdown(void **state)
{
    (void)state;
    assert_false(mode_known());
    assert_int_equal(mode_now(), MODE_LOCKDOWN);
    mode_learn(MODE_NORMAL, 1);
    assert_true(mode_known());
    assert_int_equal(mode_now(), MODE_NORMAL);
}

static void an_older_row_is_no_news(void **state)
{
    (void)state;
    mode_learn(MODE_LOCKDOWN, 7);
    mode_learn(MODE_NORMAL, 6); /* read before it was set, answered after */
    assert_int_equal(mode_by_hand(), MODE_LOCKDOWN);
    mode_learn(MODE_LOCKDOWN, 7);
    assert_int_equal(mode_by_hand(), MODE_LOCKDOWN);
    mode_learn(MODE_NORMAL, 8);
    assert_int_equal(mode_by_hand(), MODE_NORMAL);
}

static void the_stricter_one_is_in_force(void **state)
{
    (void)state;
    static const struct {
        bool store, redis;
        enum mode breakers;
    } rows[] = {
        { false, false, MODE_NORMAL },
        { false, true, MODE_DEGRADED },
        { true, false, MODE_READ_ONLY },
        { true, true, MODE_READ_ONLY },
    };
    int64_t version = 0;
    for (int m = 0; m < MODE_COUNT; m++) {
        mode_learn((enum mode)m, ++version);
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
            mode_breaker(DEPENDENCY_STORE, rows[i].store);
            mode_breaker(DEPENDENCY_REDIS, rows[i].redis);
            assert_int_equal(mode_by_hand(), m);
            assert_int_equal(mode_by_breakers(), rows[i].breakers);
            assert_int_equal(mode_now(), m > (int)rows[i].breakers ? m : (int)rows[i].breakers);
        }
    }
}

static void one_worker_is_enough_and_all_have_to_close(void **state)
{
    (void)state;
    mode_learn(MODE_NORMAL, 1);
    mode_breaker(DEPENDENCY_STORE, true);
    mode_worker(MODE_WORKERS - 1);
    mode_breaker(DEPENDENCY_STORE, true);
    mode_breaker(DEPENDENCY_STORE, true);
    mode_breaker(DEPENDENCY_STORE, false);
    assert_int_equal(mode_now(), MODE_READ_ONLY);
    mode_worker(0); /* the first one has died, and starts anew */
    assert_int_equal(mode_now(), MODE_NORMAL);
    assert_true(mode_known());
}

static void names(void **state)
{
    (void)state;
    enum mode mode;
    for (int m = 0; m < MODE_COUNT; m++) {
        assert_true(mode_find(str_of(mode_name((enum mode)m)), &mode));
        assert_int_equal(mode, m);
    }
    assert_false(mode_find(STR("Lockdown"), &mode));
    assert_false(mode_find(STR_NONE, &mode));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_not_known_is_lockdown, begin, end),
        cmocka_unit_test_setup_teardown(an_older_row_is_no_news, begin, end),
        cmocka_unit_test_setup_teardown(the_stricter_one_is_in_force, begin, end),
        cmocka_unit_test_setup_teardown(one_worker_is_enough_and_all_have_to_close, begin, end),
        cmocka_unit_test_setup_teardown(names, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
