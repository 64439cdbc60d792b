/* The cache is included, so that its entries age under a clock of our own. */
#include "../base/dies.h"
#include "../base/unit.h"

#include "base/clock.h"
#include "base/epoch.h"
#include "../../../src/net/uvloop.h"

static int64_t fake_now;

static int64_t cache_now(void)
{
    return fake_now;
}

#define clock_mono cache_now
#include "../../../src/cache/cache.c"
#undef clock_mono

#define MEBIBYTE ((size_t)1 << 20)
#define USER (const uint8_t *)"0123456789abcdef"

static struct cache *c;
static struct arena arena;
static void *part, *metrics;
static const char *const names[] = { "none", "api", "session", "result", "startup", "template" };

static int begin(void **state)
{
    (void)state;
    fake_now = 1000 * SECOND;
    part = calloc(1, epoch_size());
    epoch_init(part);
    metric_labels(METRIC_CACHE_LOOKUPS, "type", names, COUNT(names));
    metric_labels(METRIC_CACHE_BYTES, "type", names, COUNT(names));
    metrics = calloc(1, metric_size(1));
    metric_init(metrics, 1);
    metric_use(0);
    c = cache_new(&(struct cache_setup){ .max_bytes = MEBIBYTE });
    return c ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    cache_free(c);
    cache_free(NULL);
    arena_reset(&arena);
    arena_trim();
    metric_init(NULL, 0);
    free(metrics);
    free(part);
    return 0;
}

static void do_nothing(struct wait *w)
{
    (void)w;
}

/* Answered, and on the way to be woken. */
static bool answered(const struct wait *w)
{
    return w->open && !list_empty(&w->node);
}

static void forget(struct wait *w)
{
    list_remove(&w->node);
    w->open = false;
}

/* As the loop would. */
static void wake_answered(void)
{
    waits_wake(UINT32_MAX);
}

static int64_t lookups(enum cache_type type, enum outcome outcome)
{
    return metric_read(METRIC_CACHE_LOOKUPS, (unsigned)type * OUTCOMES + outcome);
}

static const struct epochs none;

static enum cache_got get_typed(enum cache_type type, struct str key, struct str *value)
{
    struct wait w;
    wait_init(&w, do_nothing);
    enum cache_got got = cache_get(c, type, key, &(struct epochs){ 0 }, &arena, value, &w);
    assert_true(got != CACHE_WAIT);
    return got;
}

static enum cache_got get(struct str key, struct str *value)
{
    return get_typed(CACHE_API, key, value);
}

static void fill(struct str key, struct str value)
{
    cache_fill(c, CACHE_API, key, &none, value);
}

/* ---- one key ---- */

static void what_was_filled_is_hit(void **state)
{
    (void)state;
    struct str value;
    assert_int_equal(get(STR("a"), &value), CACHE_FILL);
    fill(STR("a"), STR("one"));
    assert_int_equal(get(STR("a"), &value), CACHE_HIT);
    assert_str(value, "one");
    assert_int_equal(cache_entries(c), 1);
    assert_true(cache_bytes(c) > 3);
    assert_int_equal(metric_read(METRIC_CACHE_BYTES, CACHE_API), (int64_t)cache_bytes(c));
    assert_int_equal(lookups(CACHE_API, MISS), 1);
    assert_int_equal(lookups(CACHE_API, HIT), 1);
}

static void the_value_is_a_copy(void **state)
{
    (void)state;
    struct str value, again;
    fill(STR("a"), STR("one"));
    assert_int_equal(get(STR("a"), &value), CACHE_HIT);
    fill(STR("a"), STR("two"));
    assert_str(value, "one");
    assert_int_equal(get(STR("a"), &again), CACHE_HIT);
    assert_str(again, "two");
    assert_int_equal(cache_entries(c), 1);
}

static void an_empty_value_is_a_value(void **state)
{
    (void)state;
    struct str value;
    fill(STR("a"), STR(""));
    assert_int_equal(get(STR("a"), &value), CACHE_HIT);
    assert_int_equal(value.n, 0);
    assert_non_null(value.p);
}

static void types_are_apart(void **state)
{
    (void)state;
    struct str value;
    cache_fill(c, CACHE_SESSION, STR("a"), &none, STR("one"));
    assert_int_equal(get(STR("a"), &value), CACHE_FILL);
    assert_int_equal(get_typed(CACHE_SESSION, STR("a"), &value), CACHE_HIT);
    for (int type = 0; type < CACHE_TYPE_COUNT; type++)
        assert_string_equal(cache_type_name((enum cache_type)type), names[type]);
}

static void an_entry_lives_as_long_as_its_type(void **state)
{
    (void)state;
    struct str value;
    fill(STR("a"), STR("one"));
    fake_now += 300 * SECOND - 1;
    assert_int_equal(get(STR("a"), &value), CACHE_HIT);
    fake_now += 1;
    assert_int_equal(get(STR("a"), &value), CACHE_FILL);
    assert_int_equal(lookups(CACHE_API, MISS), 1);
    assert_int_equal(lookups(CACHE_API, STALE), 0);
    assert_int_equal(cache_entries(c), 0);
}

static char long_key[KEY_MAX + 1];

static void get_with_a_long_key(void)
{
    struct str value;
    get((struct str){ long_key, sizeof(long_key) }, &value);
}

static void a_key_has_64_bytes_at_most(void **state)
{
    (void)state;
    struct str value;
    memset(long_key, 'k', sizeof(long_key));
    struct str longest = { long_key, KEY_MAX };
    assert_int_equal(get(longest, &value), CACHE_FILL);
    fill(longest, STR("one"));
    assert_int_equal(get(longest, &value), CACHE_HIT);
    assert_true(dies(get_with_a_long_key));
}

/* ---- the short way ---- */

static bool recalled(enum cache_type type, struct str key, struct epochs *under)
{
    struct str value = STR_NONE;
    bool here = cache_recall(c, type, key, under, &value);
    if (here)
        assert_str(value, "one");
    return here;
}

static void what_memory_has_is_recalled_with_its_epochs(void **state)
{
    (void)state;
    struct epochs under = { 0 }, read = { 0 };
    epochs_add(&under, EPOCH_USER, USER, 16);
    assert_false(recalled(CACHE_API, STR("a"), &read));
    cache_fill(c, CACHE_API, STR("a"), &under, STR("one"));
    assert_true(recalled(CACHE_API, STR("a"), &read));
    assert_memory_equal(&read, &under, sizeof(under));
    assert_false(recalled(CACHE_SESSION, STR("a"), &read));
    assert_int_equal(lookups(CACHE_API, HIT), 1);
}

/* What is stale is there still: the long way counts and drops it, and one loads. */
static void what_is_not_fresh_is_not_recalled(void **state)
{
    (void)state;
    struct epochs under = { 0 }, read;
    struct str value;
    epochs_add(&under, EPOCH_USER, USER, 16);
    cache_fill(c, CACHE_API, STR("a"), &under, STR("one"));
    epoch_bump(EPOCH_USER, USER, 16);
    assert_false(recalled(CACHE_API, STR("a"), &read));
    assert_int_equal(cache_entries(c), 1);
    assert_int_equal(lookups(CACHE_API, STALE) + lookups(CACHE_API, MISS), 0);
    assert_int_equal(get(STR("a"), &value), CACHE_FILL);
    assert_int_equal(lookups(CACHE_API, STALE), 1);

    fill(STR("a"), STR("one"));
    fake_now += 300 * SECOND - 1;
    assert_true(recalled(CACHE_API, STR("a"), &read));
    fake_now += 1;
    assert_false(recalled(CACHE_API, STR("a"), &read));
}

static void what_ages_is_left_to_who_loads_it_ahead(void **state)
{
    (void)state;
    struct epochs read;
    struct str value;
    cache_fill(c, CACHE_STARTUP, STR("a"), &none, STR("one"));
    fake_now += 3240 * SECOND;
    assert_true(recalled(CACHE_STARTUP, STR("a"), &read));
    fake_now += 1;
    assert_false(recalled(CACHE_STARTUP, STR("a"), &read));
    assert_int_equal(get_typed(CACHE_STARTUP, STR("a"), &value), CACHE_FILL);
    cache_drop(c, CACHE_STARTUP, STR("a"));
}

/* ---- freshness ---- */

static void a_moved_epoch_makes_it_stale(void **state)
{
    (void)state;
    struct str value;
    struct epochs under = { 0 };
    epochs_add(&under, EPOCH_USER, USER, 16);
    cache_fill(c, CACHE_API, STR("a"), &under, STR("one"));
    assert_int_equal(get(STR("a"), &value), CACHE_HIT);
    epoch_bump(EPOCH_USER, USER, 16);
    assert_int_equal(get(STR("a"), &value), CACHE_FILL);
    assert_int_equal(lookups(CACHE_API, STALE), 1);
    assert_int_equal(lookups(CACHE_API, MISS), 0);
    assert_int_equal(cache_entries(c), 0);
    assert_int_equal(metric_read(METRIC_CACHE_BYTES, CACHE_API), 0);
}

/* epoch.c reads the real clock, entries age by ours. */
static void who_hears_nobody_keeps_it_for_later(void **state)
{
    (void)state;
    struct str value;
    struct epochs e = { 0 };
    struct wait w;
    wait_init(&w, do_nothing);
    clock_tick();
    epochs_add(&e, EPOCH_USER, USER, 16);
    cache_fill(c, CACHE_API, STR("k"), &e, STR("v"));
    epoch_listen();
    assert_false(cache_recall(c, CACHE_API, STR("k"), &e, &value));
    assert_int_equal(cache_get(c, CACHE_API, STR("k"), &e, &arena, &value, &w), CACHE_FILL);
    cache_drop(c, CACHE_API, STR("k"));
    epoch_heard(clock_mono());
    assert_int_equal(cache_get(c, CACHE_API, STR("k"), &e, &arena, &value, &w), CACHE_HIT);
    epoch_bump(EPOCH_USER, USER, 16);
    assert_int_equal(cache_get(c, CACHE_API, STR("k"), &e, &arena, &value, &w), CACHE_FILL);
    cache_drop(c, CACHE_API, STR("k"));
}

static void what_was_loaded_before_a_bump_is_not_stored_after_it(void **state)
{
    (void)state;
    struct str value;
    struct epochs under = { 0 };
    assert_int_equal(get(STR("a"), &value), CACHE_FILL);
    epochs_add(&under, EPOCH_USER, USER, 16);
    epoch_bump(EPOCH_USER, USER, 16);
    cache_fill(c, CACHE_API, STR("a"), &under, STR("old"));
    assert_int_equal(cache_entries(c), 0);
    assert_int_equal(get(STR("a"), &value), CACHE_FILL);
}

static void bumping_everything_makes_everything_stale(void **state)
{
    (void)state;
    struct str value;
    struct epochs under = { 0 };
    epochs_add(&under, EPOCH_ROLES, NULL, 0);
    cache_fill(c, CACHE_API, STR("a"), &under, STR("one"));
    epoch_bump_all();
    assert_int_equal(get(STR("a"), &value), CACHE_FILL);
}

/* ---- single flight ---- */

static void one_loads_and_the_others_wait(void **state)
{
    (void)state;
    struct str value;
    struct wait waits[3];
    assert_int_equal(get(STR("a"), &value), CACHE_FILL);
    for (int i = 0; i < 3; i++) {
        wait_init(&waits[i], do_nothing);
        assert_int_equal(
            cache_get(c, CACHE_API, STR("a"), &(struct epochs){ 0 }, &arena, &value, &waits[i]),
            CACHE_WAIT);
        assert_true(waits[i].open);
    }
    assert_int_equal(get(STR("b"), &value), CACHE_FILL); /* another key does not wait */
    assert_int_equal(lookups(CACHE_API, JOINED), 3);

    fill(STR("a"), STR("one"));
    for (int i = 0; i < 3; i++) {
        assert_true(answered(&waits[i]));
        forget(&waits[i]);
        assert_int_equal(
            cache_get(c, CACHE_API, STR("a"), &(struct epochs){ 0 }, &arena, &value, &waits[i]),
            CACHE_HIT);
        assert_str(value, "one");
    }
}

static void after_a_drop_the_first_to_ask_again_loads(void **state)
{
    (void)state;
    struct str value;
    struct wait waits[2];
    assert_int_equal(get(STR("a"), &value), CACHE_FILL);
    for (int i = 0; i < 2; i++) {
        wait_init(&waits[i], do_nothing);
        assert_int_equal(
            cache_get(c, CACHE_API, STR("a"), &(struct epochs){ 0 }, &arena, &value, &waits[i]),
            CACHE_WAIT);
    }
    cache_drop(c, CACHE_API, STR("a"));
    for (int i = 0; i < 2; i++) {
        assert_true(answered(&waits[i]));
        forget(&waits[i]);
    }
    assert_int_equal(
        cache_get(c, CACHE_API, STR("a"), &(struct epochs){ 0 }, &arena, &value, &waits[1]),
        CACHE_FILL);
    assert_int_equal(
        cache_get(c, CACHE_API, STR("a"), &(struct epochs){ 0 }, &arena, &value, &waits[0]),
        CACHE_WAIT);
    cache_drop(c, CACHE_API, STR("a"));
    assert_true(answered(&waits[0]));
    forget(&waits[0]);
}

/* Whoever waits must not be left behind because the value was too old to be stored. */
static void a_fill_that_stores_nothing_wakes_too(void **state)
{
    (void)state;
    struct str value;
    struct wait w;
    struct epochs under = { 0 };
    wait_init(&w, do_nothing);
    assert_int_equal(get(STR("a"), &value), CACHE_FILL);
    assert_int_equal(cache_get(c, CACHE_API, STR("a"), &(struct epochs){ 0 }, &arena, &value, &w),
                     CACHE_WAIT);
    epochs_add(&under, EPOCH_USER, USER, 16);
    epoch_bump(EPOCH_USER, USER, 16);
    cache_fill(c, CACHE_API, STR("a"), &under, STR("old"));
    assert_true(answered(&w));
    forget(&w);
}

/* What memory does not keep reaches those who wait all the same, and is gone with their wakes. */
static void without_memory_those_who_wait_are_served(void **state)
{
    (void)state;
    struct str value;
    struct wait waits[2];
    cache_free(c);
    c = cache_new(&(struct cache_setup){ .max_bytes = 0 });
    assert_int_equal(get(STR("a"), &value), CACHE_FILL);
    for (int i = 0; i < 2; i++) {
        wait_init(&waits[i], do_nothing);
        assert_int_equal(
            cache_get(c, CACHE_API, STR("a"), &(struct epochs){ 0 }, &arena, &value, &waits[i]),
            CACHE_WAIT);
    }
    fill(STR("a"), STR("one"));
    assert_int_equal(cache_entries(c), 0);
    assert_true(answered(&waits[0]) && answered(&waits[1]));
    forget(&waits[0]);
    assert_int_equal(get(STR("a"), &value), CACHE_HIT); /* the other one's client has left */
    assert_str(value, "one");
    forget(&waits[1]);
    wake_answered();
    assert_int_equal(get(STR("a"), &value), CACHE_FILL);
}

static void what_is_held_is_not_used_after_a_bump(void **state)
{
    (void)state;
    struct str value;
    struct wait w;
    struct epochs under = { 0 };
    wait_init(&w, do_nothing);
    cache_free(c);
    c = cache_new(&(struct cache_setup){ .max_bytes = 0 });
    epochs_add(&under, EPOCH_USER, USER, 16);
    assert_int_equal(get(STR("a"), &value), CACHE_FILL);
    assert_int_equal(cache_get(c, CACHE_API, STR("a"), &(struct epochs){ 0 }, &arena, &value, &w),
                     CACHE_WAIT);
    cache_fill(c, CACHE_API, STR("a"), &under, STR("one"));
    forget(&w);
    epoch_bump(EPOCH_USER, USER, 16);
    assert_int_equal(get(STR("a"), &value), CACHE_FILL);
    wake_answered();
}

/* Nor by who stands on more than the value does. */
static void what_is_held_is_only_for_its_epochs(void **state)
{
    (void)state;
    struct str value;
    struct wait w;
    struct epochs under = { 0 };
    wait_init(&w, do_nothing);
    cache_free(c);
    c = cache_new(&(struct cache_setup){ .max_bytes = 0 });
    assert_int_equal(get(STR("a"), &value), CACHE_FILL);
    assert_int_equal(cache_get(c, CACHE_API, STR("a"), &(struct epochs){ 0 }, &arena, &value, &w),
                     CACHE_WAIT);
    fill(STR("a"), STR("one"));
    forget(&w);
    epochs_add(&under, EPOCH_USER, USER, 16);
    assert_int_equal(cache_get(c, CACHE_API, STR("a"), &under, &arena, &value, &w), CACHE_FILL);
    wake_answered();
}

static void switched_off_everybody_loads(void **state)
{
    (void)state;
    struct str value;
    cache_free(c);
    c = cache_new(&(struct cache_setup){ .max_bytes = MEBIBYTE, .off = true });
    assert_int_equal(get(STR("a"), &value), CACHE_FILL);
    assert_int_equal(get(STR("a"), &value), CACHE_FILL);
    fill(STR("a"), STR("one"));
    cache_drop(c, CACHE_API, STR("a"));
    assert_int_equal(get(STR("a"), &value), CACHE_FILL);
    assert_int_equal(cache_entries(c), 0);
}

/* ---- loaded ahead of its end ---- */

static void one_loads_ahead_and_the_others_have_it(void **state)
{
    (void)state;
    struct str value;
    cache_fill(c, CACHE_STARTUP, STR("a"), &none, STR("one"));
    fake_now += 3240 * SECOND;
    assert_int_equal(get_typed(CACHE_STARTUP, STR("a"), &value), CACHE_HIT);
    fake_now += 1;
    assert_int_equal(get_typed(CACHE_STARTUP, STR("a"), &value), CACHE_FILL);
    assert_int_equal(get_typed(CACHE_STARTUP, STR("a"), &value), CACHE_HIT);
    cache_fill(c, CACHE_STARTUP, STR("a"), &none, STR("two"));
    assert_int_equal(get_typed(CACHE_STARTUP, STR("a"), &value), CACHE_HIT);
    assert_str(value, "two");
    cache_fill(c, CACHE_API, STR("a"), &none, STR("one")); /* another strategy */
    fake_now += 299 * SECOND;
    assert_int_equal(get(STR("a"), &value), CACHE_HIT);
}

/* The store is down: the fact is known nevertheless, and only now and then someone pays for trying. */
static void a_failed_load_ahead_is_not_repeated_at_once(void **state)
{
    (void)state;
    struct str value;
    cache_fill(c, CACHE_STARTUP, STR("a"), &none, STR("one"));
    fake_now += 3300 * SECOND;
    assert_int_equal(get_typed(CACHE_STARTUP, STR("a"), &value), CACHE_FILL);
    cache_drop(c, CACHE_STARTUP, STR("a"));
    assert_int_equal(get_typed(CACHE_STARTUP, STR("a"), &value), CACHE_HIT);
    fake_now += REST;
    assert_int_equal(get_typed(CACHE_STARTUP, STR("a"), &value), CACHE_FILL);
    cache_drop(c, CACHE_STARTUP, STR("a"));
}

static void a_drop_without_a_load_is_harmless(void **state)
{
    (void)state;
    struct str value;
    cache_drop(c, CACHE_API, STR("a"));
    fill(STR("a"), STR("one"));
    cache_drop(c, CACHE_API, STR("a"));
    assert_int_equal(get(STR("a"), &value), CACHE_HIT);
}

static void many_keys_in_flight(void **state)
{
    (void)state;
    struct str value;
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 2000; i++)
            assert_int_equal(get((struct str){ (char *)&i, sizeof(i) }, &value), CACHE_FILL);
        for (int i = 0; i < 2000; i++)
            cache_drop(c, CACHE_API, (struct str){ (char *)&i, sizeof(i) });
    }
    assert_int_equal(get(STR("left in flight"), &value), CACHE_FILL); /* cache_free frees it */
}

#define test(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(what_was_filled_is_hit),
        test(the_value_is_a_copy),
        test(an_empty_value_is_a_value),
        test(types_are_apart),
        test(an_entry_lives_as_long_as_its_type),
        test(a_key_has_64_bytes_at_most),
        test(what_memory_has_is_recalled_with_its_epochs),
        test(what_is_not_fresh_is_not_recalled),
        test(what_ages_is_left_to_who_loads_it_ahead),
        test(a_moved_epoch_makes_it_stale),
        test(who_hears_nobody_keeps_it_for_later),
        test(what_was_loaded_before_a_bump_is_not_stored_after_it),
        test(bumping_everything_makes_everything_stale),
        test(one_loads_and_the_others_wait),
        test(after_a_drop_the_first_to_ask_again_loads),
        test(a_fill_that_stores_nothing_wakes_too),
        test(without_memory_those_who_wait_are_served),
        test(what_is_held_is_not_used_after_a_bump),
        test(what_is_held_is_only_for_its_epochs),
        test(switched_off_everybody_loads),
        test(one_loads_ahead_and_the_others_have_it),
        test(a_failed_load_ahead_is_not_repeated_at_once),
        test(a_drop_without_a_load_is_harmless),
        test(many_keys_in_flight),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
