/* The wheel is included, so that days pass in a moment under a clock of our own. */
#include "unit.h"

#include "base/clock.h"

static int64_t fake_now; /* 0: the real clock */

static int64_t wheel_now(void)
{
    return fake_now ? fake_now : clock_mono();
}

#define clock_mono wheel_now
#include "../../../src/net/wheel.c"
#undef clock_mono

#include <stdlib.h>

#define MS (SECOND / 1000)
#define LATEST (200 * MS)

struct timed {
    struct deadline deadline;
    int64_t wanted; /* 0: none */
    int expiries;
};

static int64_t wheel_time(void)
{
    return fake_now ? fake_now : clock_mono_now();
}

static void note(struct deadline *d)
{
    struct timed *t = LIST_OF(d, struct timed, deadline);
    assert_true(t->wanted != 0);
    assert_true(wheel_time() >= t->wanted);
    t->wanted = 0;
    t->expiries++;
}

static int begin(void **state)
{
    fake_now = 0;
    int status = begin_loop(state);
    wheel_init();
    return status;
}

static int end(void **state)
{
    wheel_fini();
    wheel_fini();
    return end_loop(state);
}

static void want(struct timed *t, int64_t at)
{
    t->wanted = at;
    deadline_set(&t->deadline, at);
}

/* ---- on the loop ---- */

static void note_and_stop(struct deadline *d)
{
    note(d);
    loop_stop();
}

static void it_expires_once_in_time_and_never_early(void **state)
{
    (void)state;
    struct timed t = { 0 };
    deadline_init(&t.deadline, note_and_stop);
    int64_t at = clock_mono_now() + 250 * MS;
    want(&t, at);
    loop_run();
    assert_int_equal(t.expiries, 1);
    assert_true(clock_mono_now() - at < LATEST + 500 * MS); /* a slow machine */
}

static int turns;

static void count_turn(struct turn_hook *hook)
{
    (void)hook;
    turns++;
}

static void without_entries_it_does_not_tick(void **state)
{
    (void)state;
    struct turn_hook hook = { NULL, count_turn };
    struct timed t = { 0 };
    deadline_init(&t.deadline, note);
    want(&t, clock_mono_now() + SECOND);
    deadline_clear(&t.deadline);
    deadline_clear(&t.deadline);
    turns = 0;
    loop_each_turn(&hook);
    struct ticker *stop = ticker_new(800, stop_loop, NULL);
    loop_run();
    ticker_free(stop);
    assert_int_equal(t.expiries, 0);
    assert_true(turns <= 4);
}

/* ---- under a clock of our own ---- */

static void pass(int64_t by)
{
    for (; by > 0; by -= 100 * MS) {
        fake_now += by < 100 * MS ? by : 100 * MS;
        turn(&wheel.timer);
    }
}

static void moved_later_it_waits_and_moved_sooner_it_hurries(void **state)
{
    (void)state;
    struct timed later = { 0 }, sooner = { 0 };
    fake_now = 1000 * SECOND;
    deadline_init(&later.deadline, note);
    deadline_init(&sooner.deadline, note);
    want(&later, fake_now + SECOND);
    want(&later, fake_now + 10 * SECOND);
    want(&sooner, fake_now + 300 * SECOND);
    want(&sooner, fake_now + 2 * SECOND);
    pass(2 * SECOND + LATEST);
    assert_int_equal(later.expiries, 0);
    assert_int_equal(sooner.expiries, 1);
    pass(8 * SECOND);
    assert_int_equal(later.expiries, 1);
}

static void further_than_a_round_is_no_matter(void **state)
{
    (void)state;
    struct timed t = { 0 };
    fake_now = 77 * SECOND;
    deadline_init(&t.deadline, note);
    want(&t, fake_now + HOUR);
    pass(HOUR - SECOND);
    assert_int_equal(t.expiries, 0);
    pass(SECOND + LATEST);
    assert_int_equal(t.expiries, 1);
}

static void what_is_past_expires_at_the_next_turn(void **state)
{
    (void)state;
    struct timed t = { 0 };
    fake_now = 77 * SECOND;
    deadline_init(&t.deadline, note);
    want(&t, SECOND);
    assert_int_equal(t.expiries, 0);
    pass(LATEST);
    assert_int_equal(t.expiries, 1);
}

static struct timed pair[2];

static void clear_the_other(struct deadline *d)
{
    note(d);
    struct timed *other = &pair[LIST_OF(d, struct timed, deadline) == pair];
    deadline_clear(&other->deadline);
    other->wanted = 0;
}

static void one_that_expires_may_clear_another_of_its_slot(void **state)
{
    (void)state;
    fake_now = 50 * SECOND;
    memset(pair, 0, sizeof(pair));
    for (int i = 0; i < 2; i++) {
        deadline_init(&pair[i].deadline, clear_the_other);
        want(&pair[i], fake_now + SECOND);
    }
    pass(2 * SECOND);
    assert_int_equal(pair[0].expiries + pair[1].expiries, 1);
    assert_int_equal(wheel.entries, 0);
}

static void set_again(struct deadline *d)
{
    note(d);
    struct timed *t = LIST_OF(d, struct timed, deadline);
    if (t->expiries < 5)
        want(t, t->expiries % 2 ? 1 : fake_now + SECOND); /* also into the past */
}

static void one_that_expires_may_set_itself_again(void **state)
{
    (void)state;
    struct timed t = { 0 };
    fake_now = 50 * SECOND;
    deadline_init(&t.deadline, set_again);
    want(&t, fake_now + SECOND);
    pass(4 * SECOND);
    assert_int_equal(t.expiries, 5);
}

static void after_a_long_sleep_all_is_found(void **state)
{
    (void)state;
    struct timed t[40] = { 0 };
    fake_now = 50 * SECOND;
    for (int i = 0; i < 40; i++) {
        deadline_init(&t[i].deadline, note);
        want(&t[i], fake_now + (i + 1) * 5 * SECOND);
    }
    fake_now += 150 * SECOND + LATEST; /* three rounds in one turn */
    turn(&wheel.timer);
    for (int i = 0; i < 40; i++)
        assert_int_equal(t[i].expiries, i < 30);
    for (int i = 30; i < 40; i++)
        deadline_clear(&t[i].deadline);
}

/* Any order of sets, moves, clears and turns: none early, none later than the bound, none lost. */
static void random_lives_against_the_plain_rule(void **state)
{
    (void)state;
    static struct timed all[100];
    unsigned seed = 20261120;
    fake_now = 12345678901;
    memset(all, 0, sizeof(all));
    for (size_t i = 0; i < COUNT(all); i++)
        deadline_init(&all[i].deadline, note);

    for (int step = 0; step < 60000; step++) {
        struct timed *t = &all[(unsigned)rand_r(&seed) % COUNT(all)];
        int what = rand_r(&seed) % 10;
        int64_t span = rand_r(&seed) % 4 ? 20 * SECOND : 200 * SECOND;
        if (what < 6) {
            want(t, fake_now - SECOND + (int64_t)((double)rand_r(&seed) / RAND_MAX * (double)span));
        } else if (what < 7) {
            deadline_clear(&t->deadline);
            t->wanted = 0;
        } else {
            pass(1 + rand_r(&seed) % (100 * MS));
            for (size_t i = 0; i < COUNT(all); i++)
                assert_true(all[i].wanted == 0 || all[i].wanted > fake_now - LATEST);
        }
    }
    pass(300 * SECOND);
    for (size_t i = 0; i < COUNT(all); i++)
        assert_true(all[i].wanted == 0 && all[i].expiries > 0);
    assert_int_equal(wheel.entries, 0);
}

#define test_on_wheel(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test_on_wheel(it_expires_once_in_time_and_never_early),
        test_on_wheel(without_entries_it_does_not_tick),
        test_on_wheel(moved_later_it_waits_and_moved_sooner_it_hurries),
        test_on_wheel(further_than_a_round_is_no_matter),
        test_on_wheel(what_is_past_expires_at_the_next_turn),
        test_on_wheel(one_that_expires_may_clear_another_of_its_slot),
        test_on_wheel(one_that_expires_may_set_itself_again),
        test_on_wheel(after_a_long_sleep_all_is_found),
        test_on_wheel(random_lives_against_the_plain_rule),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
