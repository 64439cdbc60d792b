/* Two workers that count the same principal in the same moment lose nothing and say nothing twice. */
#include "behaviour.h"

#include <pthread.h>
#include <sched.h>

#define LONG_ENOUGH (SECOND / 3) /* for the two to come between each other many times */

static const char *const somewhere[] = { "BR", "CN" };
static _Atomic int arrived;
static _Atomic bool over;
static struct req other_r; /* of the other worker */

/* Waits for the other one. Each calls it equally often. */
static void meet(int *times)
{
    int all = 2 * ++*times;
    arrived++;
    while (arrived < all)
        sched_yield();
}

/* Asks once a round. */
static void *asks_along(void *unused)
{
    int times = 0;
    (void)unused;
    for (;;) {
        meet(&times);
        if (over)
            return NULL;
        anomaly_observe(&other_r);
        meet(&times);
    }
}

/* Rounds in which both ask once, after `before` and before `after`. */
static void at_once(void (*before)(int round), void (*after)(int round))
{
    pthread_t other;
    int times = 0, round = 0;
    arrived = 0;
    over = false;
    assert_int_equal(pthread_create(&other, NULL, asks_along, NULL), 0);
    for (int64_t end = clock_mono_now() + LONG_ENOUGH; clock_mono_now() < end; round++) {
        before(round);
        meet(&times);
        asks(1, 200);
        meet(&times);
        after(round);
    }
    over = true;
    meet(&times);
    pthread_join(other, NULL);
}

static void another_minute(int round)
{
    (void)round;
    now += MINUTE;
    r.now = now;
    other_r = r;
}

static void both_are_counted(int round)
{
    (void)round;
    assert_int_equal(mine()->minutes[minute_now() % 6] & REQUESTS, 2);
}

static void the_first_two_of_a_minute_both_count(void **state)
{
    (void)state;
    asks(1, 200);
    at_once(another_minute, both_are_counted);
}

/* In every other round they come from different ones. */
static void another_country(int round)
{
    raised = 0;
    mine()->countries = (uint64_t)'D' << 8 | 'E';
    mine()->rate_raised = (uint32_t)minute_now(); /* that is not what is looked for */
    other_r = r;
    memcpy(r.country, somewhere[0], 2);
    memcpy(other_r.country, somewhere[round % 2], 2);
}

static void it_was_new_once(int round)
{
    assert_int_equal(raised, 1 + round % 2);
}

static void what_both_bring_is_new_once(void **state)
{
    (void)state;
    old_hand();
    r.now = now;
    at_once(another_country, it_was_new_once);
}

/* ---- probes ---- */

#define PROBES 300000

static void *probes_again_and_again(void *of)
{
    for (int i = 0; i < PROBES; i++)
        anomaly_observe(of);
    return NULL;
}

/* At each tenth it is raised and counted anew. */
static void each_probe_counts(void **state)
{
    (void)state;
    pthread_t other;
    r.who = NULL;
    r.probe = true;
    r.now = now;
    asks(1, 400);
    other_r = r;
    assert_int_equal(pthread_create(&other, NULL, probes_again_and_again, &other_r), 0);
    probes_again_and_again(&r);
    pthread_join(other, NULL);
    assert_int_equal(raised, 2 * PROBES / 10);
}

/* ---- newcomers ---- */

#define NEWCOMERS 8 /* that share the four places of a set */

static struct uuid newcomers[NEWCOMERS];

static bool is_free_or_theirs(uint64_t key)
{
    bool is = key == 0;
    for (int i = 0; i < NEWCOMERS; i++)
        is = is || key == restraint_user(&newcomers[i]);
    return is;
}

/* Gives a key that should not be there, NULL if there never was one. */
static void *watches_keys(void *of)
{
    static uint64_t seen;
    _Atomic uint64_t *keys = of;
    while (!over)
        for (int way = 0; way < 4; way++) {
            seen = keys[way];
            if (!(seen & 1) && !is_free_or_theirs(seen))
                return &seen;
        }
    return NULL;
}

/* Else another would take it over at the same time. */
static void while_a_place_is_taken_over_its_key_is_odd(void **state)
{
    (void)state;
    struct set *s = NULL;
    pthread_t other;
    void *seen;
    clock_tick();
    for (int n = 0, i = 0; n < NEWCOMERS; i++) {
        who.user_id = (struct uuid){ { 1 } };
        memcpy(who.user_id.b + 8, &(uint64_t){ (uint64_t)i * UINT64_C(0x2545f4914f6cdd1d) }, 8);
        asks(1, 200);
        s = s ? s : my_set();
        for (int way = 0; way < 4; way++)
            if (s->key[way] == restraint_user(&who.user_id))
                newcomers[n++] = who.user_id;
    }
    memset(s, 0, sizeof(*s));
    over = false;
    assert_int_equal(pthread_create(&other, NULL, watches_keys, s->key), 0);
    int64_t end = clock_mono_now() + LONG_ENOUGH;
    for (int i = 0; clock_mono_now() < end; i++) {
        who.user_id = newcomers[i % NEWCOMERS];
        asks(1, 200);
    }
    over = true;
    pthread_join(other, &seen);
    assert_null(seen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_first_two_of_a_minute_both_count),
        TEST(what_both_bring_is_new_once),
        TEST(each_probe_counts),
        TEST(while_a_place_is_taken_over_its_key_is_odd),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
