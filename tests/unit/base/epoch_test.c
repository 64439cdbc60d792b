#include "base/clock.h"
#include "base/epoch.h"
#include "base/shm.h"

#include "dies.h"
#include "unit.h"

#include <stdlib.h>
#include <unistd.h>

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

static void what_another_node_moved_moves_here(void **state)
{
    (void)state;
    char bytes[3 * EPOCH_WHAT_MAX];
    struct epochs user = { 0 }, roles = { 0 }, other = { 0 };
    epochs_add(&user, EPOCH_USER, "0123456789abcdef", 16);
    epochs_add(&roles, EPOCH_ROLES, NULL, 0);
    epochs_add(&other, EPOCH_SESSION, "0123456789abcdef", 16);
    size_t n = epoch_what(bytes, EPOCH_USER, "0123456789abcdef", 16);
    n += epoch_what(bytes + n, EPOCH_ROLES, NULL, 0);

    epoch_bump_what((struct str){ bytes, n }, false);
    assert_true(epochs_moved(&user) && epochs_moved(&roles));
    assert_true(epochs_fresh(&other));
    assert_false(epochs_doubtful(&user));
}

/* What was cut short on its way names what is whole, and nothing else is read. */
static void a_broken_what_ends_early(void **state)
{
    (void)state;
    char bytes[EPOCH_WHAT_MAX];
    uint32_t slot;
    size_t n = epoch_what(bytes, EPOCH_USER, "0123456789abcdef", 16);
    for (size_t cut = 0; cut < n; cut++) {
        struct str what = { bytes, cut };
        assert_false(epoch_what_next(&what, &slot));
    }
    struct str what = { bytes, n };
    assert_true(epoch_what_next(&what, &slot));
    assert_int_equal(what.n, 0);
}

static void a_bump_of_ours_is_doubted_in_the_shared_cache(void **state)
{
    (void)state;
    struct epochs e = { 0 }, other = { 0 };
    epochs_add(&e, EPOCH_USER, "a", 1);
    epochs_add(&other, EPOCH_USER, "b", 1);
    epoch_bump(EPOCH_USER, "a", 1);
    assert_true(epochs_doubtful(&e));
    assert_false(epochs_doubtful(&other));
    epoch_doubt_all(clock_mono_now() + 20000);
    assert_true(epochs_doubtful(&other));
    usleep(30000);
    assert_false(epochs_doubtful(&other));
}

static void who_hears_nothing_uses_nothing(void **state)
{
    (void)state;
    struct epochs e = { 0 };
    epochs_add(&e, EPOCH_USER, "a", 1);
    clock_tick();
    assert_true(epochs_fresh(&e)); /* there is nobody to hear */
    epoch_listen();
    assert_false(epochs_fresh(&e));
    assert_false(epochs_moved(&e));
    epoch_heard(clock_mono());
    assert_true(epochs_fresh(&e));
    epoch_heard(clock_mono() - 2 * EPOCH_DEAF); /* older than what was heard already */
    assert_true(epochs_fresh(&e));
    epoch_listen(); /* a second worker's start forgets nothing */
    assert_true(epochs_fresh(&e));
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
        cmocka_unit_test_setup_teardown(what_another_node_moved_moves_here, begin, end),
        cmocka_unit_test_setup_teardown(a_broken_what_ends_early, begin, end),
        cmocka_unit_test_setup_teardown(a_bump_of_ours_is_doubted_in_the_shared_cache, begin, end),
        cmocka_unit_test_setup_teardown(who_hears_nothing_uses_nothing, begin, end),
        cmocka_unit_test_setup_teardown(adding_twice_keeps_the_first_value, begin, end),
        cmocka_unit_test_setup_teardown(the_bump_of_another_process_is_seen, begin, end),
        cmocka_unit_test_setup_teardown(misuse_is_a_bug, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
