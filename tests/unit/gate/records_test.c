/* Where a principal's record is, who makes room for it, and what a new one holds. */
#include "behaviour.h"

/* The keys of a set, how long each was silent, and which of them a newcomer takes the place of; -1: none. */
static void who_makes_room(void **state)
{
    (void)state;
    enum { HALF = 0xffffff / 2 };
    clock_tick();
    const uint64_t busy = (uint64_t)clock_mono() << 1 | 1, old = busy - 4 * SECOND;
    const struct {
        const char *says;
        uint64_t key[4];
        int64_t silent[4]; /* minutes */
        int taken;
    } rows[] = {
        { "the longest silent, first", { 2, 4, 6, 8 }, { 9, 1, 2, 3 }, 0 },
        { "the longest silent, last", { 2, 4, 6, 8 }, { 1, 2, 3, 9 }, 3 },
        { "the longest silent, between", { 2, 4, 6, 8 }, { 1, 2, 9, 3 }, 2 },
        { "a free one", { 2, 0, 6, 8 }, { HALF, 0, 3, 4 }, 1 },
        { "a free first one", { 0, 4, 6, 8 }, { 0, 2, 3, HALF }, 0 },
        { "all in this minute: some one", { 2, 4, 6, 8 }, { 0, 0, 0, 0 }, 3 },
        { "one that is ahead is not silent", { 2, 4, 6, 8 }, { 1, 0, 0, -9 }, 0 },
        { "half of all minutes is silence", { 2, 4, 6, 8 }, { 1, HALF, 2, 3 }, 1 },
        { "more is ahead", { 2, 4, 6, 8 }, { 1, HALF + 1, 3, 2 }, 2 },
        { "as good as half", { 2, 4, 6, 8 }, { 1, HALF / 4 * 3, 3, 2 }, 1 },
        { "not what is being taken", { busy, 4, 6, 8 }, { HALF, 1, 3, 2 }, 2 },
        { "not what was being taken a moment ago", { old + 2, 4, 6, 8 }, { HALF, 1, 3, 2 }, 2 },
        { "but when that must have failed", { old, 4, 6, 8 }, { HALF, 1, 3, 2 }, 0 },
        { "only one can be had", { busy, 4, busy, busy }, { 0, 0, 0, 0 }, 1 },
        { "none can be had", { busy, busy, busy, busy }, { 0, 0, 0, 0 }, -1 },
    };
    asks(1, 200);
    struct set *s = my_set();
    for (int i = 0; i < COUNT(rows); i++) {
        memset(s, 0, sizeof(*s));
        for (int way = 0; way < 4; way++) {
            s->key[way] = rows[i].key[way];
            s->at[way].last = (minute_now() - (uint64_t)rows[i].silent[way]) & 0xffffff;
            s->at[way].since = 5;
        }
        asks(1, 200);
        for (int way = 0; way < 4; way++) {
            bool taken = s->key[way] == restraint_user(&who.user_id);
            if (taken != (way == rows[i].taken) || (!taken && s->key[way] != rows[i].key[way]))
                fail_msg("%s: %d", rows[i].says, way);
            assert_int_equal(s->at[way].since, taken ? now : 5);
        }
    }
}

static void it_is_found_wherever_it_is(void **state)
{
    (void)state;
    asks(1, 200);
    struct set *s = my_set();
    for (int at = 0; at < 4; at++) {
        memset(s, 0, sizeof(*s));
        s->key[at] = restraint_user(&who.user_id);
        asks(2, 200);
        for (int way = 0; way < 4; way++)
            assert_int_equal(s->at[way].minutes[minute_now() % 6] & REQUESTS, way == at ? 2 : 0);
    }
}

static void there_is_room_for_many(void **state)
{
    (void)state;
    int known = 0;
    for (int i = 0; i < 30000; i++) {
        who.user_id = (struct uuid){ { 1 } };
        memcpy(who.user_id.b + 8, &(uint64_t){ (uint64_t)i * UINT64_C(0x2545f4914f6cdd1d) }, 8);
        asks(1, 200);
    }
    for (size_t i = 0; i < anomaly_size() / sizeof(*table); i++)
        for (int way = 0; way < 4; way++)
            known += table[i].key[way] != 0;
    assert_in_range(known, 15000, 16384);
}

/* Whatever stands in a place that is taken. */
static void a_newcomer_begins_with_nothing(void **state)
{
    (void)state;
    static const struct record nothing = { .since = 0 };
    asks(1, 200);
    struct set *s = my_set();
    for (int nonsense = 0; nonsense < 2; nonsense++) {
        memset(s, nonsense ? 0xff : 0, sizeof(*s));
        for (int way = 0; way < 4; way++)
            s->key[way] = way == 2 ? 0 : 2;
        s->at[2].probes = nonsense ? minute_now() << 40 | 5 : 0;
        probe(1); /* of which the running minute and the agent are known, too */
        struct record is = s->at[2], wanted = nothing;
        wanted.since = now;
        wanted.last = minute_now();
        wanted.minutes[minute_now() % 6] = minute_now() << 40 | (uint64_t)1 << 20 | 1;
        wanted.agents[0] = anomaly_agent(r.user_agent);
        wanted.countries = (uint64_t)'D' << 8 | 'E';
        wanted.probes = minute_now() << 40 | 1;
        assert_memory_equal(&is, &wanted, sizeof(is));
    }
}

/* The counts of the first record lie behind the keys. */
static void what_is_counted_is_no_key(void **state)
{
    (void)state;
    asks(1, 200);
    struct set *s = my_set();
    memset(s, 0, sizeof(*s));
    s->at[0].minutes[0] = restraint_user(&who.user_id);
    asks(1, 200);
    assert_ptr_equal(my_set(), s);
}

/* It lies behind the minutes. */
static void since_when_it_is_known_is_no_minute(void **state)
{
    (void)state;
    old_hand();
    mine()->since = (int64_t)(minute_now() << 40 | 1000 << 20 | 1000); /* as a minute with errors */
    assert_true(mine()->since < 0); /* long ago */
    asks(1, 200);
    expect(0, ANOMALY_NONE);
}

/* The number of the minute begins anew each 32 years. */
static void minutes_begin_anew(void **state)
{
    (void)state;
    now = ((int64_t)1 << 24) * MINUTE - 59 * MINUTE;
    old_hand(); /* it is minute 1 now */
    assert_int_equal(minute_now(), 1);
    asks(10, 200);
    asks(10, 400);
    expect(0, ANOMALY_NONE);
    asks(1, 400);
    expect(1, ANOMALY_ERRORS);
    now += MINUTE;
    asks(20, 400);
    expect(1, ANOMALY_ERRORS);
    probe(9);
    expect(1, ANOMALY_ERRORS);
    probe(1);
    expect(2, ANOMALY_PROBES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(who_makes_room),
        TEST(it_is_found_wherever_it_is),
        TEST(there_is_room_for_many),
        TEST(a_newcomer_begins_with_nothing),
        TEST(what_is_counted_is_no_key),
        TEST(since_when_it_is_known_is_no_minute),
        TEST(minutes_begin_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
