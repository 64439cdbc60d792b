#include "base/shm.h"

#include "dies.h"
#include "unit.h"

static int give_back(void **state)
{
    (void)state;
    shm_fini();
    return 0;
}

static void parts_are_apart_aligned_and_zero(void **state)
{
    (void)state;
    assert_int_equal(shm_init(1 << 20), OK);
    char *a = shm_carve(1), *b = shm_carve(100), *c = shm_carve(64);
    assert_int_equal((uintptr_t)a % 64 | (uintptr_t)b % 64 | (uintptr_t)c % 64, 0);
    assert_true(b >= a + 64 && c >= b + 128);
    for (int i = 0; i < 100; i++)
        assert_int_equal(b[i], 0);
}

static void a_child_shares_it(void **state)
{
    (void)state;
    assert_int_equal(shm_init(4096), OK);
    volatile int *shared = shm_carve(sizeof(int));
    pid_t child = fork();
    if (child == 0) {
        *shared = 42;
        _exit(0);
    }
    waitpid(child, NULL, 0);
    assert_int_equal(*shared, 42);
}

static void it_can_be_used_to_the_last_byte(void **state)
{
    (void)state;
    assert_int_equal(shm_init(200), OK);
    shm_carve(100);
    char *last = shm_carve(72);
    last[71] = 1;
    shm_fini();
    assert_int_equal(shm_init(64), OK);
}

static void carve_too_much(void)
{
    if (shm_init(128) == OK) {
        shm_carve(64);
        shm_carve(65);
    }
}

static void carve_past_the_end(void)
{
    if (shm_init(100) == OK) {
        shm_carve(100);
        shm_carve(1);
    }
}

static void carve_from_nothing(void)
{
    shm_carve(1);
}

static void init_twice(void)
{
    enum err first = shm_init(64), second = shm_init(64);
    _exit(first == OK && second == OK ? 0 : 1);
}

static void misuse_is_a_bug(void **state)
{
    (void)state;
    assert_true(dies(carve_too_much));
    assert_true(dies(carve_past_the_end));
    assert_true(dies(carve_from_nothing));
    assert_true(dies(init_twice));
}

static void what_the_system_refuses_is_an_error(void **state)
{
    (void)state;
    assert_int_equal(shm_init((size_t)1 << 60), ERR_NO_MEMORY);
    assert_int_equal(shm_init(0), ERR_NO_MEMORY);
    assert_int_equal(shm_init(64), OK); /* and can be tried again */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(parts_are_apart_aligned_and_zero, give_back),
        cmocka_unit_test_teardown(a_child_shares_it, give_back),
        cmocka_unit_test_teardown(it_can_be_used_to_the_last_byte, give_back),
        cmocka_unit_test_teardown(misuse_is_a_bug, give_back),
        cmocka_unit_test_teardown(what_the_system_refuses_is_an_error, give_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
