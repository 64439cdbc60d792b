/* What is kept of each principal, to the request and to the minute: the records in the segment as words, and each
 * anomaly at exactly the request that makes it one. What follows an anomaly is only noted here. */
#include "base/clock.h"
#include "gate/anomaly.h"
#include "gate/facts.h"
#include "gate/respond.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* As gate/anomaly.c has them. */
struct record {
    uint64_t minutes[6];
    int64_t since;
    uint64_t last, mean, total, agents[2], countries, raised, probes;
};
struct set {
    uint64_t key[4];
    struct record at[4];
};
#define REQUESTS 0xfffff
#define FULL (REQUESTS - 4096)

static struct set *table;
static int64_t now;
static int raised;
static enum anomaly last_raised;
static enum restraint_kind last_kind;

void respond(struct req *r, enum restraint_kind kind, enum anomaly anomaly)
{
    (void)r;
    raised++;
    last_raised = anomaly;
    last_kind = kind;
}

/* ---- requests ---- */

static const struct action plain = { .rate = RATE_DEFAULT };
static struct principal who;
static struct req r;

static struct uuid user(uint8_t number)
{
    return (struct uuid){ { number, [8] = 7, [14] = number, [15] = 2 } };
}

static void asks(int n, int status)
{
    r.now = now;
    r.reply.status = status;
    for (int i = 0; i < n; i++)
        anomaly_observe(&r);
}

static void expect_at(int line, int n, enum anomaly anomaly)
{
    if (raised != n || (n > 0 && last_raised != anomaly))
        fail_msg("line %d: %d, the last one for %s", line, raised, anomaly_name(last_raised));
}
#define expect(n, anomaly) expect_at(__LINE__, (n), (anomaly))

/* A thousand requests an hour ago, in one minute. */
static void old_hand(void)
{
    asks(1000, 200);
    now += HOUR;
}

static uint64_t minute_now(void)
{
    return (uint64_t)(now / MINUTE) & 0xffffff;
}

static struct record *record_of(uint64_t key)
{
    for (size_t i = 0; i < anomaly_size() / sizeof(*table); i++)
        for (int way = 0; way < 4; way++)
            if (table[i].key[way] == key)
                return &table[i].at[way];
    return NULL;
}

static struct record *mine(void)
{
    return record_of(restraint_user(&who.user_id));
}

static struct set *my_set(void)
{
    for (size_t i = 0; i < anomaly_size() / sizeof(*table); i++)
        for (int way = 0; way < 4; way++)
            if (table[i].key[way] == restraint_user(&who.user_id))
                return &table[i];
    fail_msg("no record");
    return NULL;
}

/* ---- history ---- */

static void a_thousand_requests_are_history(void **state)
{
    (void)state;
    asks(500, 200);
    now += HOUR;
    asks(498, 200);
    memcpy(r.country, "BR", 2);
    asks(1, 200); /* the 999th */
    expect(0, ANOMALY_NONE);
    memcpy(r.country, "CN", 2);
    asks(1, 200);
    expect(1, ANOMALY_COUNTRY);
}

static void an_hour_is_history(void **state)
{
    (void)state;
    asks(1000, 200);
    now += HOUR - 1;
    memcpy(r.country, "BR", 2);
    asks(1, 200);
    expect(0, ANOMALY_NONE);
    now += 1;
    memcpy(r.country, "CN", 2);
    asks(1, 200);
    expect(1, ANOMALY_COUNTRY);
}

/* The minutes before the running one are summed, whichever of the ring each is in. */
static void requests_are_summed(void **state)
{
    (void)state;
    static const int steps[] = { 1, 2, 5, 6, 7, 12, 1, 1, 60, 6, 6 };
    uint64_t sum = 0;
    for (int i = 0; i < COUNT(steps); i++) {
        asks(i + 1, 200);
        assert_int_equal(mine()->total, sum);
        assert_int_equal(mine()->minutes[minute_now() % 6] & REQUESTS, i + 1);
        assert_int_equal(mine()->last, minute_now());
        sum += (uint64_t)i + 1;
        now += steps[i] * MINUTE;
    }
    mine()->minutes[mine()->last % 6] = 5; /* of another minute than the last: nonsense, which counts for nothing */
    asks(1, 200);
    assert_int_equal(mine()->total, sum - COUNT(steps));
}

static void a_full_minute_is_counted_no_further(void **state)
{
    (void)state;
    asks(1, 200);
    uint64_t *minute = &mine()->minutes[minute_now() % 6];
    *minute += FULL - 2;
    asks(1, 200);
    assert_int_equal(*minute & REQUESTS, FULL);
    asks(1, 200);
    assert_int_equal(*minute & REQUESTS, FULL);
}

/* ---- rate and errors ---- */

static void five_times_the_mean(void **state)
{
    (void)state;
    for (int i = 0; i < 60; i++) {
        asks(200, 200);
        now += MINUTE;
    }
    asks(5000 - 4 * 200, 200);
    expect(0, ANOMALY_NONE);
    asks(1, 200);
    expect(1, ANOMALY_RATE);
}

/* One minute of many in 4,096 and more with one request each. */
static void so_far_back_the_mean_reaches(void **state)
{
    (void)state;
    const int many = 20000, just = many / 8 * 25; /* the fourth root of 4,096 is 8 */
    for (int i = 0; i < 4300; i++) {
        asks(1, 200);
        now += MINUTE;
    }
    mine()->raised = minute_now(); /* this one is not what is looked for */
    asks(many, 200);
    now += 10 * MINUTE;
    asks(just, 200);
    expect(0, ANOMALY_NONE);
    asks(2, 200);
    expect(1, ANOMALY_RATE);
}

/* Whichever minute of the ring it is, the running one and the four before it are judged. */
static void five_minutes_are_judged(void **state)
{
    (void)state;
    for (int start = 0; start < 6; start++)
        for (int before = 4; before < 6; before++) {
            memset(table, 0, anomaly_size());
            raised = 0;
            now += start * MINUTE;
            old_hand();
            asks(10, 399);
            now += before * MINUTE;
            asks(before == 4 ? 10 : 19, 400);
            expect(0, ANOMALY_NONE);
            asks(1, 400);
            expect(1, ANOMALY_ERRORS);
        }
}

static void each_is_raised_once_in_five_minutes(void **state)
{
    (void)state;
    old_hand();
    asks(20, 400);
    expect(1, ANOMALY_ERRORS);
    now += 4 * MINUTE;
    asks(20, 400);
    expect(1, ANOMALY_ERRORS);
    now += MINUTE;
    asks(1, 400);
    expect(2, ANOMALY_ERRORS);
    memset(&mine()->mean, 0, 8);
    asks(600, 200);
    expect(3, ANOMALY_RATE);
    assert_int_equal(mine()->raised, minute_now() << 24 | minute_now());
    now += 4 * MINUTE;
    asks(600, 200);
    expect(3, ANOMALY_RATE);
    now += 10 * MINUTE; /* each keeps the other's time */
    asks(20, 400);
    expect(4, ANOMALY_ERRORS);
    assert_int_equal(mine()->raised, minute_now() << 24 | (minute_now() - 14));
    memset(&mine()->mean, 0, 8);
    asks(600, 200);
    expect(5, ANOMALY_RATE);
}

/* ---- agents and countries ---- */

static void four_countries_are_known(void **state)
{
    (void)state;
    static const char *const countries[] = { "DE", "FE", "DK", "BR" };
    r.country[0] = r.country[1] = 0;
    old_hand();
    asks(1, 200);
    expect(0, ANOMALY_NONE); /* not to know it is not another one */
    for (int i = 0; i < COUNT(countries); i++) {
        memcpy(r.country, countries[i], 2);
        asks(2, 200);
        expect(i + 1, ANOMALY_COUNTRY);
    }
    for (int i = 0; i < COUNT(countries); i++) {
        memcpy(r.country, countries[i], 2);
        asks(1, 200);
    }
    memcpy(r.country, "CN", 2); /* finds no room */
    asks(1, 200);
    expect(4, ANOMALY_COUNTRY);
    assert_int_equal(mine()->raised, 0);
}

static void eight_agents_are_known(void **state)
{
    (void)state;
    static const char *const agents[] = { "Lynx",      "Links",  "Dillo",  "w3m",
                                          "Konqueror", "Falkon", "Midori", "curl" };
    old_hand();
    for (int i = 1; i < COUNT(agents); i++) {
        r.user_agent = str_of(agents[i]);
        asks(2, 200);
        expect(i, ANOMALY_AGENT);
    }
    for (int i = 0; i < COUNT(agents); i++) {
        r.user_agent = str_of(agents[i]);
        asks(1, 200);
    }
    r.user_agent = STR("Epiphany"); /* finds no room */
    asks(1, 200);
    expect(COUNT(agents) - 1, ANOMALY_AGENT);
    assert_int_equal(mine()->countries, (uint64_t)'D' << 8 | 'E');
}

/* ---- probes ---- */

static void probe(int n)
{
    r.probe = true;
    asks(n, 400);
    r.probe = false;
}

static void ten_probes_within_five_minutes(void **state)
{
    (void)state;
    for (int minutes = 0; minutes < 5; minutes++)
        for (int first = 1; first < 10; first++) {
            memset(table, 0, anomaly_size());
            raised = 0;
            now += 3 * HOUR;
            probe(first);
            now += minutes * MINUTE;
            probe(9 - first);
            expect(0, ANOMALY_NONE);
            probe(1);
            expect(1, ANOMALY_PROBES);
            assert_int_equal(last_kind, RESTRAINT_PRINCIPAL);
            probe(9); /* from here on it is counted anew */
            expect(1, ANOMALY_PROBES);
            probe(1);
            expect(2, ANOMALY_PROBES);
        }
}

static void probes_of_five_minutes_ago_are_forgotten(void **state)
{
    (void)state;
    for (int i = 0; i < 9; i++) { /* one in each minute, never more than five at once */
        probe(1);
        now += MINUTE;
    }
    expect(0, ANOMALY_NONE);
    now += 10 * MINUTE;
    probe(3);
    now += MINUTE;
    probe(3);
    now += 4 * MINUTE;
    probe(6);
    expect(0, ANOMALY_NONE);
    probe(1);
    expect(1, ANOMALY_PROBES);
}

static void probes_of_an_address(void **state)
{
    (void)state;
    r.who = NULL;
    r.headers[0] = (struct header){ STR("Sec-Fetch-Site"), STR("cross-site") };
    r.nheaders = 1;
    probe(20); /* by another site's page */
    expect(0, ANOMALY_NONE);
    r.nheaders = 0;
    probe(5);
    uint64_t key = restraint_address(&r.address) << 1;
    assert_non_null(record_of(key));
    now += MINUTE;
    probe(4);
    assert_int_equal(record_of(key)->last, minute_now());
    expect(0, ANOMALY_NONE);
    probe(1);
    expect(1, ANOMALY_PROBES);
    assert_int_equal(last_kind, RESTRAINT_ADDRESS);
}

static void which_requests_are_probes(void **state)
{
    (void)state;
    static const struct {
        bool probe, action;
        int status;
        const char *path;
        int counted;
    } rows[] = {
        { true, true, 400, "/", 1 },     { false, true, 400, "/'", 0 },  { false, false, 404, "/'", 1 },
        { false, false, 404, "/a", 0 },  { false, true, 404, "/'", 0 },  { false, false, 403, "/'", 0 },
        { false, false, 405, "/'", 0 },  { false, false, 200, "/'", 0 }, { true, false, 200, "/", 1 },
    };
    for (int i = 0; i < COUNT(rows); i++) {
        memset(table, 0, anomaly_size());
        r.probe = rows[i].probe;
        r.action = rows[i].action ? &plain : NULL;
        r.path = str_of(rows[i].path);
        asks(1, rows[i].status);
        if ((mine()->probes & 0xff) != (uint64_t)rows[i].counted)
            fail_msg("row %d", i);
    }
}

/* ---- who and what is looked at ---- */

static void whose_requests_count(void **state)
{
    (void)state;
    static const struct action health = { .rate = RATE_NONE };
    const struct {
        const char *says;
        enum principal_kind kind;
        bool live, local;
        int64_t left;
        const struct action *action;
        int status;
        bool counts;
    } rows[] = {
        { "a user", PRINCIPAL_USER, true, false, 1, &plain, 200, true },
        { "a key", PRINCIPAL_APIKEY, true, false, 1, &plain, 200, true },
        { "without an action", PRINCIPAL_USER, true, false, 1, NULL, 404, true },
        { "nobody", PRINCIPAL_ANONYMOUS, true, false, 1, &plain, 200, false },
        { "the operator", PRINCIPAL_OPERATOR, true, false, 1, &plain, 200, false },
        { "a dead session", PRINCIPAL_USER, false, false, 1, &plain, 200, false },
        { "an ended session", PRINCIPAL_USER, true, false, 0, &plain, 200, false },
        { "a dead key", PRINCIPAL_APIKEY, false, false, 1, &plain, 200, false },
        { "over the control socket", PRINCIPAL_USER, true, true, 1, &plain, 200, false },
        { "what has no rate", PRINCIPAL_USER, true, false, 1, &health, 200, false },
        { "400", PRINCIPAL_USER, true, false, 1, &plain, 400, true },
        { "401", PRINCIPAL_USER, true, false, 1, &plain, 401, false },
        { "402", PRINCIPAL_USER, true, false, 1, &plain, 402, true },
        { "428", PRINCIPAL_USER, true, false, 1, &plain, 428, true },
        { "429", PRINCIPAL_USER, true, false, 1, &plain, 429, false },
        { "430", PRINCIPAL_USER, true, false, 1, &plain, 430, true },
        { "502", PRINCIPAL_USER, true, false, 1, &plain, 502, true },
        { "503", PRINCIPAL_USER, true, false, 1, &plain, 503, false },
        { "504", PRINCIPAL_USER, true, false, 1, &plain, 504, true },
    };
    for (int i = 0; i < COUNT(rows); i++) {
        memset(table, 0, anomaly_size());
        who.kind = rows[i].kind;
        who.live = rows[i].live;
        who.expires = now + rows[i].left;
        r.local = rows[i].local;
        r.action = rows[i].action;
        asks(1, rows[i].status);
        if ((mine() != NULL) != rows[i].counts)
            fail_msg("%s", rows[i].says);
        if (mine())
            assert_int_equal(mine()->minutes[minute_now() % 6] >> 20 & REQUESTS,
                             rows[i].status >= 400);
    }
}

static void without_a_segment_nothing_is_observed(void **state)
{
    (void)state;
    anomaly_init(NULL);
    probe(20);
    expect(0, ANOMALY_NONE);
    anomaly_init(table);
}

/* ---- who makes room ---- */

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

static int set_up(void **state)
{
    (void)state;
    table = calloc(1, anomaly_size());
    if (!table || anomaly_size() % sizeof(*table))
        return -1;
    anomaly_init(table);
    now = 1764000000 * SECOND;
    now -= now % MINUTE;
    raised = 0;
    last_raised = ANOMALY_NONE;
    who = (struct principal){
        .kind = PRINCIPAL_USER, .user_id = user(1), .live = true, .expires = INT64_MAX
    };
    r = (struct req){ .action = &plain,
                      .who = &who,
                      .path = STR("/"),
                      .user_agent = STR("Lynx/2.9"),
                      .country = { 'D', 'E' } };
    r.address.s6_addr[10] = r.address.s6_addr[11] = 0xff;
    r.address.s6_addr[15] = 3;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    anomaly_init(NULL);
    free(table);
    return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_thousand_requests_are_history),
        TEST(an_hour_is_history),
        TEST(requests_are_summed),
        TEST(a_full_minute_is_counted_no_further),
        TEST(five_times_the_mean),
        TEST(so_far_back_the_mean_reaches),
        TEST(five_minutes_are_judged),
        TEST(each_is_raised_once_in_five_minutes),
        TEST(four_countries_are_known),
        TEST(eight_agents_are_known),
        TEST(ten_probes_within_five_minutes),
        TEST(probes_of_five_minutes_ago_are_forgotten),
        TEST(probes_of_an_address),
        TEST(which_requests_are_probes),
        TEST(whose_requests_count),
        TEST(without_a_segment_nothing_is_observed),
        TEST(who_makes_room),
        TEST(it_is_found_wherever_it_is),
        TEST(there_is_room_for_many),
        TEST(a_newcomer_begins_with_nothing),
        TEST(minutes_begin_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
