/* What is counted of each principal, to the request and to the minute: each anomaly at exactly the request that makes
 * it one. */
#include "behaviour.h"

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
    mine()->rate_raised = (uint32_t)minute_now(); /* this one is not what is looked for */
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
    assert_int_equal(mine()->rate_raised, minute_now());
    assert_int_equal(mine()->errors_raised, minute_now());
    now += 4 * MINUTE;
    asks(600, 200);
    expect(3, ANOMALY_RATE);
    now += 10 * MINUTE;
    asks(20, 400);
    expect(4, ANOMALY_ERRORS);
    assert_int_equal(mine()->rate_raised, minute_now() - 14);
    assert_int_equal(mine()->errors_raised, minute_now());
    memset(&mine()->mean, 0, 8);
    asks(600, 200);
    expect(5, ANOMALY_RATE);
}

static void another_raises(void)
{
    mine()->rate_raised = mine()->errors_raised = (uint32_t)minute_now();
}

/* Of two workers that see it in the same moment one raises it. */
static void what_another_worker_raises_meanwhile_is_not_raised_again(void **state)
{
    (void)state;
    old_hand();
    asks(19, 400);
    meanwhile = another_raises;
    memcpy(r.country, "BR", 2);
    asks(1, 400);
    expect(1, ANOMALY_COUNTRY);
    now += 10 * MINUTE;
    memset(&mine()->mean, 0, 8);
    asks(500, 200);
    memcpy(r.country, "CN", 2);
    asks(1, 200);
    expect(2, ANOMALY_COUNTRY);
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
    assert_int_equal(mine()->rate_raised, 0);
    assert_int_equal(mine()->errors_raised, 0);
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
        TEST(what_another_worker_raises_meanwhile_is_not_raised_again),
        TEST(four_countries_are_known),
        TEST(eight_agents_are_known),
        TEST(ten_probes_within_five_minutes),
        TEST(probes_of_five_minutes_ago_are_forgotten),
        TEST(probes_of_an_address),
        TEST(which_requests_are_probes),
        TEST(whose_requests_count),
        TEST(without_a_segment_nothing_is_observed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
