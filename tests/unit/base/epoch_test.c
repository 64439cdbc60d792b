#include "base/epoch.h"
#include "base/shm.h"

#include "dies.h"
#include "unit.h"

#include <stdlib.h>

static void *part;

static int begin(void **state)
{
    (void)state;
    part = calloc(1, epoch_size());
    epoch_init(part);
    return part ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    free(part);
    epoch_init(NULL);
    return 0;
}

static void nothing_added_is_always_fresh(void **state)
{
    (void)state;
    struct epochs e = { 0 };
    assert_true(epochs_fresh(&e));
    epoch_bump_all();
    assert_true(epochs_fresh(&e));
}

static void a_bump_makes_stale_what_stands_on_it(void **state)
{
    (void)state;
    struct epochs e = { 0 }, other = { 0 };
    epochs_add(&e, EPOCH_USER, "0123456789abcdef", 16);
    epochs_add(&e, EPOCH_ROLES, NULL, 0);
    epochs_add(&other, EPOCH_SESSION, "0123456789abcdef", 16);
    assert_true(epochs_fresh(&e) && epochs_fresh(&other));

    epoch_bump(EPOCH_USER, "0123456789abcdef", 16);
    assert_false(epochs_fresh(&e));
    assert_true(epochs_fresh(&other));

    struct epochs again = { 0 };
    epochs_add(&again, EPOCH_USER, "0123456789abcdef", 16);
    assert_true(epochs_fresh(&again));
    epoch_bump(EPOCH_USER, "0123456789abcdeF", 16);
    assert_true(epochs_fresh(&again));
}

static void every_kind_has_its_own(void **state)
{
    (void)state;
    static const enum epoch_kind kinds[] = { EPOCH_USER,  EPOCH_SESSION,  EPOCH_APIKEY,
                                             EPOCH_ROLES, EPOCH_RESOURCE, EPOCH_KEYS };
    for (size_t i = 0; i < COUNT(kinds); i++)
        for (size_t j = 0; j < COUNT(kinds); j++) {
            struct epochs e = { 0 };
            epochs_add(&e, kinds[i], "id", 2);
            epoch_bump(kinds[j], "id", 2);
            assert_int_equal(epochs_fresh(&e), i != j);
        }
}

static void bumping_all_makes_everything_stale(void **state)
{
    (void)state;
    struct epochs e = { 0 };
    epochs_add(&e, EPOCH_RESOURCE, "x", 1);
    epoch_bump_all();
    assert_false(epochs_fresh(&e));
}

static void the_total_counts_every_bump(void **state)
{
    (void)state;
    uint64_t before = epoch_total();
    epoch_bump(EPOCH_USER, "a", 1);
    epoch_bump(EPOCH_USER, "b", 1);
    epoch_bump_all();
    assert_int_equal(epoch_total() - before, 3);
}

/* What was added first was read before the data, so its value must not be renewed. */
static void adding_twice_keeps_the_first_value(void **state)
{
    (void)state;
    struct epochs e = { 0 };
    epochs_add(&e, EPOCH_USER, "a", 1);
    epoch_bump(EPOCH_USER, "a", 1);
    epochs_add(&e, EPOCH_USER, "a", 1);
    assert_int_equal(e.n, 1);
    assert_false(epochs_fresh(&e));

    struct epochs late = { 0 };
    epochs_add(&late, EPOCH_USER, "a", 1);
    epoch_bump_all();
    epochs_add(&late, EPOCH_SESSION, "b", 1);
    assert_false(epochs_fresh(&late));
}

static void the_bump_of_another_process_is_seen(void **state)
{
    (void)state;
    struct epochs e = { 0 };
    assert_int_equal(shm_init(epoch_size()), OK);
    epoch_init(shm_carve(epoch_size()));
    epochs_add(&e, EPOCH_USER, "a", 1);

    pid_t child = fork();
    if (child == 0) {
        epoch_bump(EPOCH_USER, "a", 1);
        _exit(0);
    }
    waitpid(child, NULL, 0);
    assert_false(epochs_fresh(&e));
    assert_int_equal(epoch_total(), 1);
    shm_fini();
}

static void add_too_many(void)
{
    struct epochs e = { 0 };
    for (int i = 0; i < 2 * EPOCHS_MAX; i++)
        epochs_add(&e, EPOCH_USER, &i, sizeof(i));
}

static void bump_nothing(void)
{
    epoch_init(NULL);
    epoch_bump(EPOCH_USER, "a", 1);
}

static void misuse_is_a_bug(void **state)
{
    (void)state;
    assert_true(dies(add_too_many));
    assert_true(dies(bump_nothing));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_added_is_always_fresh, begin, end),
        cmocka_unit_test_setup_teardown(a_bump_makes_stale_what_stands_on_it, begin, end),
        cmocka_unit_test_setup_teardown(every_kind_has_its_own, begin, end),
        cmocka_unit_test_setup_teardown(bumping_all_makes_everything_stale, begin, end),
        cmocka_unit_test_setup_teardown(the_total_counts_every_bump, begin, end),
        cmocka_unit_test_setup_teardown(adding_twice_keeps_the_first_value, begin, end),
        cmocka_unit_test_setup_teardown(the_bump_of_another_process_is_seen, begin, end),
        cmocka_unit_test_setup_teardown(misuse_is_a_bug, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
