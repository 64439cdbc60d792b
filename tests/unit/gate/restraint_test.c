/* Who is held back: the table, what a load does to it, and how subjects are spelled. */
#include "gate/restraint.h"

#include "../../../src/gate/limits.h"
#include "base/config.h"
#include "base/metric.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define NOW (1000 * SECOND)
#define LATER (NOW + HOUR)

static void *part;

static enum restraint_level level_of(uint64_t subject, int64_t now)
{
    return restraint_look(subject, now).level;
}

static void the_hardest_counts_while_it_lasts(void **state)
{
    (void)state;
    restraint_put(10, RESTRAINT_HALF, NOW + 4 * SECOND, NOW, 0);
    restraint_put(10, RESTRAINT_TENTH, NOW + 3 * SECOND, NOW, 0);
    restraint_put(10, RESTRAINT_BLOCK, NOW + 2 * SECOND, NOW, 0);
    restraint_put(10, RESTRAINT_RECORDED, LATER, NOW, 0);
    assert_int_equal(level_of(10, NOW), RESTRAINT_BLOCK);
    assert_int_equal(restraint_look(10, NOW).until, NOW + 2 * SECOND);
    assert_int_equal(level_of(10, NOW + 2 * SECOND), RESTRAINT_TENTH);
    assert_int_equal(level_of(10, NOW + 3 * SECOND), RESTRAINT_HALF);
    assert_int_equal(level_of(10, NOW + 4 * SECOND), RESTRAINT_RECORDED);
    assert_int_equal(level_of(12, NOW), RESTRAINT_RECORDED);
    assert_int_equal(restraint_look(12, NOW).until, 0);
}

static void what_has_ended_is_never_in_force(void **state)
{
    (void)state;
    restraint_put(10, RESTRAINT_BLOCK, NOW, NOW, 0);
    assert_int_equal(level_of(10, NOW - 1), RESTRAINT_RECORDED);
}

static void a_shorter_one_shortens_nothing(void **state)
{
    (void)state;
    restraint_put(10, RESTRAINT_BLOCK, LATER, NOW, 0);
    restraint_put(10, RESTRAINT_BLOCK, NOW + 1, NOW, 0);
    assert_int_equal(restraint_look(10, NOW).until, LATER);
}

static void lifted(void **state)
{
    (void)state;
    restraint_put(10, RESTRAINT_BLOCK, LATER, NOW, 0);
    restraint_put(10, RESTRAINT_HALF, LATER, NOW, 0);
    restraint_drop(10, RESTRAINT_BLOCK);
    assert_int_equal(level_of(10, NOW), RESTRAINT_HALF);
    restraint_drop(12, RESTRAINT_BLOCK); /* nobody */
}

static void a_load_is_what_the_store_says(void **state)
{
    (void)state;
    struct restraint_row rows[] = {
        { 12, RESTRAINT_HALF, LATER },      { 10, RESTRAINT_BLOCK, NOW + SECOND },
        { 10, RESTRAINT_BLOCK, LATER },     { 10, RESTRAINT_BLOCK, NOW + 2 * SECOND },
        { 14, RESTRAINT_TENTH, NOW - 1 },
    };
    restraint_put(16, RESTRAINT_BLOCK, LATER, NOW, 0);
    restraint_put(12, RESTRAINT_BLOCK, LATER, NOW, 0);
    restraint_put(12, RESTRAINT_HALF, LATER + 1, NOW, 0);
    restraint_load(rows, 5, NOW);
    assert_int_equal(restraint_look(10, NOW).until, LATER);
    assert_int_equal(level_of(12, NOW), RESTRAINT_HALF);
    assert_int_equal(restraint_look(12, NOW).until, LATER);
    assert_int_equal(level_of(14, NOW), RESTRAINT_RECORDED);
    assert_int_equal(level_of(16, NOW), RESTRAINT_RECORDED);
}

static void a_load_keeps_what_is_not_written_yet(void **state)
{
    (void)state;
    restraint_put(10, RESTRAINT_BLOCK, LATER, NOW, NOW + MINUTE);
    struct restraint_row none;
    restraint_load(&none, 0, NOW + SECOND);
    assert_int_equal(level_of(10, NOW + SECOND), RESTRAINT_BLOCK);
    restraint_load(&none, 0, NOW + MINUTE);
    assert_int_equal(level_of(10, NOW + MINUTE), RESTRAINT_RECORDED);
}

/* What a load has confirmed is kept as long as before, which counts when the clock is set back. */
static void a_load_does_not_end_the_time_it_is_kept(void **state)
{
    (void)state;
    struct restraint_row rows[] = { { 10, RESTRAINT_BLOCK, LATER } }, none;
    restraint_put(10, RESTRAINT_BLOCK, LATER, NOW, NOW + MINUTE);
    restraint_load(rows, 1, NOW + MINUTE);
    restraint_load(&none, 0, NOW + SECOND);
    assert_int_equal(level_of(10, NOW + SECOND), RESTRAINT_BLOCK);
}

static void a_lift_is_not_undone_by_being_kept(void **state)
{
    (void)state;
    restraint_put(10, RESTRAINT_BLOCK, LATER, NOW, NOW + MINUTE);
    restraint_put(10, RESTRAINT_HALF, LATER, NOW, NOW + MINUTE);
    restraint_drop(10, RESTRAINT_BLOCK);
    struct restraint_row rows[] = { { 10, RESTRAINT_HALF, LATER } };
    restraint_load(rows, 1, NOW);
    assert_int_equal(level_of(10, NOW), RESTRAINT_HALF);
}

static void after_a_lift_the_next_load_says_all(void **state)
{
    (void)state;
    restraint_put(10, RESTRAINT_BLOCK, LATER, NOW, NOW + MINUTE);
    restraint_put(10, RESTRAINT_HALF, LATER, NOW, NOW + MINUTE);
    restraint_drop(10, RESTRAINT_BLOCK);
    struct restraint_row none;
    restraint_load(&none, 0, NOW);
    assert_int_equal(level_of(10, NOW), RESTRAINT_RECORDED);
}

/* Nothing is held back by what is no time at all: neither what was lifted nor what a load has ended, of whom a place
 * was taken, or who was loaded. */
static void at_the_beginning_of_time(void **state)
{
    (void)state;
    struct restraint_row none, rows[] = { { 10, RESTRAINT_TENTH, 9 } };
    restraint_put(10, RESTRAINT_HALF, 9, 0, 0);
    restraint_drop(10, RESTRAINT_BLOCK);
    assert_int_equal(level_of(10, 0), RESTRAINT_HALF);
    restraint_load(rows, 1, 0);
    assert_int_equal(level_of(10, 0), RESTRAINT_TENTH);
    restraint_load(&none, 0, 0);
    assert_int_equal(level_of(10, 0), RESTRAINT_RECORDED);

    restraint_put(10, RESTRAINT_BLOCK, 9, 0, 9);
    restraint_drop(10, RESTRAINT_BLOCK);
    restraint_put(10, RESTRAINT_HALF, 9, 0, 0);
    restraint_load(&none, 0, 0);
    assert_int_equal(level_of(10, 0), RESTRAINT_RECORDED);
}

/* Of each of the four that share a set some, so that the newcomers find all places taken. */
static void who_takes_a_place_takes_nothing_of_who_had_it(void **state)
{
    (void)state;
    struct restraint_row none;
    for (uint64_t i = 1; i <= 4 * RESTRAINT_PLACES; i++)
        restraint_put(2 * i, RESTRAINT_BLOCK, 5, 0, 7);
    for (uint64_t i = 1; i <= RESTRAINT_PLACES; i++) {
        uint64_t newcomer = (UINT64_C(1) << 40) + 2 * i;
        restraint_put(newcomer, RESTRAINT_HALF, 6, 0, 0);
        struct held held = restraint_look(newcomer, 0);
        assert_int_equal(held.level, RESTRAINT_HALF);
        assert_int_equal(held.until, 6);
        if (i == 1) {
            restraint_load(&none, 0, 0);
            assert_int_equal(level_of(newcomer, 0), RESTRAINT_RECORDED);
        }
    }
}

static void each_is_a_row_of_its_own(void **state)
{
    (void)state;
    struct restraint_row rows[60];
    int n = 0;
    for (uint64_t i = 20; i > 0; i--)
        for (int level = RESTRAINT_BLOCK; level > RESTRAINT_RECORDED; level--)
            rows[n++] = (struct restraint_row){ 2 * i, (enum restraint_level)level,
                                                NOW + (RESTRAINT_LEVELS - level) * SECOND };
    for (uint64_t i = 1; i <= 20; i++) /* so that a load has something to end */
        restraint_put(2 * i, RESTRAINT_HALF, LATER, NOW, 0);
    restraint_load(rows, n, NOW);
    for (uint64_t i = 1; i <= 20; i++) {
        assert_int_equal(level_of(2 * i, NOW), RESTRAINT_BLOCK);
        assert_int_equal(level_of(2 * i, NOW + SECOND), RESTRAINT_TENTH);
        assert_int_equal(level_of(2 * i, NOW + 2 * SECOND), RESTRAINT_HALF);
        assert_int_equal(level_of(2 * i, NOW + 3 * SECOND), RESTRAINT_RECORDED);
    }
}

#define PUTS 3000000

static _Atomic int64_t longer;
static pthread_barrier_t both;

/* Each of two puts what is longer than all before, and finds it in force however the other comes in between. */
static void *puts_again_and_again(void *unused)
{
    (void)unused;
    pthread_barrier_wait(&both);
    for (;;) {
        int64_t until = NOW + ++longer;
        if (until > NOW + PUTS)
            return NULL;
        restraint_put(10, RESTRAINT_BLOCK, until, NOW, 0);
        if (restraint_look(10, NOW).until < until)
            return &longer;
    }
}

static void of_two_at_once_the_longer_stays(void **state)
{
    (void)state;
    pthread_t threads[2];
    longer = 0;
    pthread_barrier_init(&both, NULL, 2);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, puts_again_and_again, NULL), 0);
    for (int i = 0; i < 2; i++) {
        void *lost;
        pthread_join(threads[i], &lost);
        assert_null(lost);
    }
    pthread_barrier_destroy(&both);
    assert_int_equal(restraint_look(10, NOW).until, NOW + PUTS);
}

static _Atomic bool loaded;

/* Looks at each of those that are loaded again and again. */
static void *looks_again_and_again(void *unused)
{
    (void)unused;
    pthread_barrier_wait(&both);
    while (!loaded)
        for (uint64_t i = 1; i <= 20; i++)
            for (int level = RESTRAINT_BLOCK; level > RESTRAINT_RECORDED; level--) {
                int64_t ended = RESTRAINT_BLOCK - level;
                struct held held = restraint_look(2 * i, NOW + ended * SECOND);
                if ((int)held.level != level || held.until != NOW + (ended + 1) * SECOND)
                    return &loaded;
            }
    return NULL;
}

/* What a load brings again has no gap, whatever the order of the rows, and is no shorter for a moment. */
static void what_is_loaded_again_is_in_force_meanwhile(void **state)
{
    (void)state;
    pthread_t thread;
    void *gap;
    loaded = false;
    pthread_barrier_init(&both, NULL, 2);
    for (int load = 0; load < 1000; load++) {
        struct restraint_row rows[180];
        int n = 0;
        for (uint64_t i = 20; i > 0; i--)
            for (int level = RESTRAINT_BLOCK; level > RESTRAINT_RECORDED; level--) {
                struct restraint_row row = { 2 * i, (enum restraint_level)level,
                                             NOW + (RESTRAINT_LEVELS - level) * SECOND };
                rows[n] = rows[n + 1] = rows[n + 2] = row;
                rows[n].until = rows[n + 2].until = NOW + 1; /* shorter ones on both sides */
                n += 3;
            }
        restraint_load(rows, n, NOW);
        if (load == 0) {
            assert_int_equal(pthread_create(&thread, NULL, looks_again_and_again, NULL), 0);
            pthread_barrier_wait(&both);
        }
    }
    loaded = true;
    pthread_join(thread, &gap);
    pthread_barrier_destroy(&both);
    assert_null(gap);
}

static void a_full_table_gives_up_what_ends_first(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 4 * RESTRAINT_PLACES; i++)
        restraint_put(2 + 2 * i, RESTRAINT_BLOCK, LATER + (int64_t)i, NOW, 0);
    int held = 0;
    for (uint64_t i = 0; i < 4 * RESTRAINT_PLACES; i++)
        held += level_of(2 + 2 * i, NOW) == RESTRAINT_BLOCK;
    assert_int_equal(held, RESTRAINT_PLACES);
    assert_int_equal(level_of(2 + 2 * (4 * RESTRAINT_PLACES - 1), NOW), RESTRAINT_BLOCK);
}

/* It is not held back any longer by being kept. */
static void how_long_it_is_kept_saves_no_place(void **state)
{
    (void)state;
    restraint_put(2, RESTRAINT_BLOCK, NOW + 1, NOW, LATER + HOUR);
    for (uint64_t i = 1; i < 4 * RESTRAINT_PLACES; i++)
        restraint_put(2 + 2 * i, RESTRAINT_BLOCK, LATER, NOW, 0);
    assert_int_equal(level_of(2, NOW), RESTRAINT_RECORDED);
}

static void what_is_left_of_a_limit(void **state)
{
    (void)state;
    assert_int_equal(restraint_limit(RESTRAINT_RECORDED, 1000), 1000);
    assert_int_equal(restraint_limit(RESTRAINT_HALF, 1000), 500);
    assert_int_equal(restraint_limit(RESTRAINT_TENTH, 1000), 100);
    assert_int_equal(restraint_limit(RESTRAINT_BLOCK, 1000), 100);
    assert_int_equal(restraint_limit(RESTRAINT_TENTH, 5), 1);
    assert_int_equal(restraint_limit(RESTRAINT_HALF, 1), 1);
}

static void lengths(void **state)
{
    (void)state;
    assert_int_equal(restraint_length(RESTRAINT_RECORDED), 0);
    assert_int_equal(restraint_length(RESTRAINT_HALF), 60 * MINUTE);
    assert_int_equal(restraint_length(RESTRAINT_TENTH), 30 * MINUTE);
    assert_int_equal(restraint_length(RESTRAINT_BLOCK), 60 * MINUTE);
}

/* Users are known by the random end of their id; their numbers are even, those of addresses odd. */
static void numbers(void **state)
{
    (void)state;
    struct uuid user = { { 1 } };
    uint64_t end = UINT64_MAX;
    memcpy(user.b + 8, &end, sizeof(end));
    assert_true(restraint_user(&user) == UINT64_MAX - 1);
    end = 0x1234567;
    memcpy(user.b + 8, &end, sizeof(end));
    assert_true(restraint_user(&user) == 0x1234566);
    assert_true(restraint_user(&(struct uuid){ 0 }) == 2);
    for (uint8_t i = 0; i < 40; i++) {
        const struct in6_addr at = { .s6_addr = { 0x20, 0x01, [7] = i } };
        assert_true(restraint_address(&at) % 2 == 1);
    }
}

static void who_is_forgiven_begins_anew(void **state)
{
    (void)state;
    const struct uuid user = { { 1, [15] = 2 } };
    const struct in6_addr address = { .s6_addr = { [10] = 0xff, [11] = 0xff, [15] = 2 } };
    void *metrics = calloc(1, metric_size(1)), *table = calloc(1, windows_size(64));
    assert_true(metrics && table);
    metric_init(metrics, 1);
    metric_use(0);
    clock_tick();
    struct windows *ws = windows_new(table, 64, NULL);
    struct window of[] = { limits_of_user(&user), limits_of_address(&address) };
    struct spent spent;
    struct wait wait;
    for (int kind = 0; kind < 2; kind++) {
        window_spend_here(ws, of, 2, clock_mono(), &spent);
        restraint_forgive(ws, (enum restraint_kind)kind, &user, &address);
        for (int i = 0; i < 2; i++) {
            assert_true(window_look(ws, &of[i], 1, clock_mono(), &spent, &wait));
            assert_int_equal(spent.left, of[i].limit - (i != kind));
        }
        window_clear(ws, &of[!kind], clock_mono());
    }
    windows_free(ws);
    free(table);
    free(metrics);
}

static void words(void **state)
{
    (void)state;
    enum restraint_level level;
    for (int i = RESTRAINT_RECORDED; i < RESTRAINT_LEVELS; i++) {
        assert_true(
            restraint_level_find(str_of(restraint_level_name((enum restraint_level)i)), &level));
        assert_int_equal(level, i);
    }
    assert_false(restraint_level_find(STR("all"), &level));
}

static void subjects(void **state)
{
    (void)state;
    static const struct {
        const char *text, *spelled; /* NULL: none */
    } rows[] = {
        { "192.0.2.1", "192.0.2.1" },
        { "::ffff:192.0.2.1", "192.0.2.1" },
        { "2001:DB8:0:0:5::1", "2001:db8::/64" },
        { "2001:db8:1:2::/64", "2001:db8:1:2::/64" },
        { "2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::/64" },
        { "2001:db8:1:ffff:ff::", "2001:db8:1:ffff::/64" },
        { "2001:db8:1:2::/48", NULL },
        { "192.0.2.1/64", NULL },
        { "192.0.2", NULL },
        { "example.com", NULL },
        { "", NULL },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct uuid user;
        struct in6_addr address;
        char text[RESTRAINT_SUBJECT];
        bool is = restraint_subject_read(RESTRAINT_ADDRESS, str_of(rows[i].text), &user, &address);
        if (is != (rows[i].spelled != NULL))
            fail_msg("%s", rows[i].text);
        if (!is)
            continue;
        restraint_address_text(&address, text);
        assert_string_equal(text, rows[i].spelled);
        struct in6_addr again;
        assert_true(restraint_subject_read(RESTRAINT_ADDRESS, str_of(text), &user, &again));
        assert_true(restraint_address(&again) == restraint_address(&address));
    }
    struct uuid user;
    struct in6_addr address;
    assert_true(restraint_subject_read(
        RESTRAINT_PRINCIPAL, STR("f47ac10b-58cc-4372-a567-0e02b2c3d479"), &user, &address));
    assert_false(restraint_subject_read(RESTRAINT_PRINCIPAL, STR("192.0.2.1"), &user, &address));
    assert_int_not_equal(restraint_user(&(struct uuid){ 0 }), 0);
}

static void without_a_segment_nobody_is_held_back(void **state)
{
    (void)state;
    restraint_init(NULL);
    restraint_put(10, RESTRAINT_BLOCK, LATER, NOW, 0);
    restraint_drop(10, RESTRAINT_BLOCK);
    restraint_load(NULL, 0, NOW);
    assert_int_equal(level_of(10, NOW), RESTRAINT_RECORDED);
}

static int set_up(void **state)
{
    (void)state;
    part = calloc(1, restraint_size());
    restraint_init(part);
    return part ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    restraint_init(NULL);
    free(part);
    return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_hardest_counts_while_it_lasts),
        TEST(what_has_ended_is_never_in_force),
        TEST(a_shorter_one_shortens_nothing),
        TEST(lifted),
        TEST(a_load_is_what_the_store_says),
        TEST(a_load_keeps_what_is_not_written_yet),
        TEST(a_load_does_not_end_the_time_it_is_kept),
        TEST(a_lift_is_not_undone_by_being_kept),
        TEST(after_a_lift_the_next_load_says_all),
        TEST(at_the_beginning_of_time),
        TEST(who_takes_a_place_takes_nothing_of_who_had_it),
        TEST(each_is_a_row_of_its_own),
        TEST(of_two_at_once_the_longer_stays),
        TEST(what_is_loaded_again_is_in_force_meanwhile),
        TEST(a_full_table_gives_up_what_ends_first),
        TEST(how_long_it_is_kept_saves_no_place),
        TEST(what_is_left_of_a_limit),
        TEST(lengths),
        TEST(numbers),
        TEST(who_is_forgiven_begins_anew),
        TEST(words),
        TEST(subjects),
        TEST(without_a_segment_nobody_is_held_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
