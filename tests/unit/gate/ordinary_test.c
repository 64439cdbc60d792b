/* Histories of ordinary traffic: it raises nothing. And who is remembered of how many, and what observing costs. */
#include "replay.h"

#include <time.h>

static const char *const clients[] = {
    "python-requests/2.32.3", "python-httpx/0.27.0", "Python/3.11 aiohttp/3.9.5", "okhttp/4.12.0",
    "axios/1.7.2",            "Go-http-client/1.1",  "Go-http-client/2.0",        "curl/8.5.0",
    "node-fetch/1.0",         "node",                "Java/17.0.11",              "Wget/1.21",
    "Ruby",                   "GuzzleHttp/7",        "PostmanRuntime/7.39.0",     "Apache-HttpClient/5.3",
    "aws-sdk-go/1.44",        "OpenAI/Python 1.30",  "reqwest/0.12",              "",
};

static void agents(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(clients); i++)
        if (anomaly_agent(str_of(clients[i])) != 1)
            fail_msg("%s is none of the usual", clients[i]);
    assert_int_equal(anomaly_agent(STR(FIREFOX)), anomaly_agent(STR(FIREFOX_LATER)));
    assert_int_not_equal(anomaly_agent(STR(FIREFOX)), anomaly_agent(STR(CHROME)));
    assert_int_not_equal(anomaly_agent(STR(FIREFOX)), 1);
    assert_int_not_equal(anomaly_agent(STR("curly/1.0")), 1);
    assert_int_not_equal(anomaly_agent(STR("sync-of-acme/1.0")), 1);
}

/* ---- ordinary traffic ---- */

static void any_client_at_any_pace(void **state)
{
    (void)state;
    struct client c = client(1);
    for (size_t i = 0; i < 20 * COUNT(clients); i++) {
        c.agent = clients[i % COUNT(clients)];
        minute(&c, 5 + (int)(i % 7) * 3, 0);
    }
    c.agent = FIREFOX_LATER;
    minutes(&c, 1, 10, 0);
    expect(1, "half", "agent"); /* and it would be seen */
}

static void newer_versions(void **state)
{
    (void)state;
    struct client c = client(1);
    c.agent = FIREFOX;
    minutes(&c, 90, 20, 0);
    c.agent = FIREFOX_LATER;
    minutes(&c, 90, 20, 0);
    expect_none();
}

static void bursts_after_idle_hours(void **state)
{
    (void)state;
    struct client c = old_client(1);
    for (int day = 0; day < 7; day++) {
        now += 7 * HOUR;
        minute(&c, 400, 0);
        minutes(&c, 30, 20, 1);
        now += 9 * HOUR;
        minutes(&c, 2, 200, 0);
        minutes(&c, 60, 3, 0);
    }
    expect_none();
}

static void nightly_jobs(void **state)
{
    (void)state;
    struct client c = client(1);
    for (int day = 0; day < 10; day++) {
        minutes(&c, 5 + day % 3 * 10, 800, 2); /* midnight */
        now += 8 * HOUR;
        minutes(&c, 480, 10, 1);
        now += 7 * HOUR;
    }
    expect_none();
}

static void errors_below_half(void **state)
{
    (void)state;
    struct client c = client(1);
    minutes(&c, 300, 20, 6);
    for (int i = 0; i < 20; i++) { /* a minute of mistakes among others */
        minute(&c, 15, 15);
        minutes(&c, 4, 15, 3);
    }
    expect_none();
}

static void refusals_of_ours(void **state)
{
    (void)state;
    static const int statuses[] = { 429, 503, 401 };
    struct client c = old_client(1);
    for (int i = 0; i < 3; i++)
        for (int n = 0; n < 3000; n++)
            asks(&c, statuses[i]);
    expect_none();
}

static void pages_of_a_list(void **state)
{
    (void)state;
    struct client c = old_client(1);
    for (int i = 0; i < 24; i++) { /* each hour all pages, as fast as they come */
        now += HOUR;
        minute(&c, 450, 0);
    }
    expect_none();
}

static void newcomers(void **state)
{
    (void)state;
    struct client c = client(1);
    for (int i = 0; i < 59; i++) { /* what is not an hour old may do anything but probe */
        c.agent = i % 2 ? FIREFOX : CHROME;
        c.country = i % 3 ? "DE" : "FR";
        minute(&c, i % 10 ? 5 : 900, i % 4 ? 0 : 4);
    }
    expect_none();
}

static void nobody_and_the_operator(void **state)
{
    (void)state;
    struct client c = old_client(1), nobody = client(2);
    nobody.user = (struct uuid){ 0 };
    minutes(&nobody, 90, 300, 250);
    for (int i = 0; i < 40; i++) {
        struct principal who = {
            .kind = PRINCIPAL_USER, .user_id = c.user, .live = true, .expires = INT64_MAX
        };
        struct req r = {
            .now = now, .action = &health, .who = &who, .probe = true, .keyring = ring
        };
        r.reply.status = 400;
        anomaly_observe(&r); /* health */
        r.action = &plain;
        r.local = true;
        anomaly_observe(&r); /* the control socket */
        r.local = false;
        r.probe = false;
        who.live = false;
        anomaly_observe(&r); /* a session that has ended says nothing of its user */
    }
    settle();
    expect_none();
}

static void another_sites_pages(void **state)
{
    (void)state;
    struct client c = client(1);
    c.user = (struct uuid){ 0 };
    c.site = "cross-site";
    for (int i = 0; i < 100; i++)
        asks(&c, 400);
    expect_none();
}

static void slow_probes(void **state)
{
    (void)state;
    struct client c = client(1);
    for (int i = 0; i < 40; i++) { /* nine in each five minutes */
        asks(&c, 400);
        now += 34 * SECOND;
    }
    expect_none();
}

/* ---- the table ---- */

static void a_full_table_forgets_who_was_silent_longest(void **state)
{
    (void)state;
    struct client c = old_client(1), others = client(2);
    for (int i = 0; i < 100000; i++) { /* 6 times what fits, while it goes on asking */
        others.user = uuid_new(now);
        asks(&others, 200);
        if (i % 500 == 0) {
            now += MINUTE;
            asks(&c, 200);
        }
    }
    c.country = "BR";
    asks(&c, 200);
    expect(1, "half", "country"); /* it is still known */
}

static void a_dead_worker_holds_nothing(void **state)
{
    (void)state;
    struct client c = client(1);
    uint64_t *words = behaviours;
    for (size_t i = 0; i < anomaly_size() / sizeof(*words); i++)
        words[i] = 3; /* keys that were being taken over long ago, and nonsense in the records */
    minutes(&c, 60, 20, 1);
    c.country = "BR";
    minute(&c, 1, 0);
    expect(1, "half", "country");
}

/* ---- what it costs ---- */

/* Microseconds of this process, whoever else uses the machine. */
static int64_t used(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec * SECOND + t.tv_nsec / 1000;
}

static void cost(void **state)
{
    (void)state;
    struct client c = old_client(1);
    struct principal who = {
        .kind = PRINCIPAL_USER, .user_id = c.user, .live = true, .expires = INT64_MAX
    };
    struct req r = { .now = now, .action = &plain, .who = &who, .user_agent = STR(FIREFOX),
                     .keyring = ring };
    const int rounds = 100000;
    r.reply.status = 200;
    memcpy(r.country, "DE", 2);
    config.rate_limit_profile = PROFILE_OFF;
    anomaly_observe(&r);
    settle();
    int64_t begin = used();
    for (int i = 0; i < rounds; i++) {
        r.now += 60; /* a thousand a second */
        anomaly_observe(&r);
        settle();
    }
    int64_t observed = used() - begin;
    uint64_t held = 0;
    const struct in6_addr somebody = { .s6_addr = { 1, 2, 3 } };
    restraint_put(restraint_address(&somebody), RESTRAINT_BLOCK, r.now + HOUR, r.now, 0);
    begin = used();
    for (int i = 0; i < rounds; i++) {
        who.user_id.b[15] = (uint8_t)i;
        held += restraint_look(restraint_user(&who.user_id), r.now).level;
    }
    int64_t looked = used() - begin;
    print_message("# observing a request: %.0f ns, looking for a restraint: %.0f ns\n",
                  (double)observed * 1000 / rounds, (double)looked * 1000 / rounds);
    assert_int_equal(held, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agents),
        TEST(any_client_at_any_pace),
        TEST(newer_versions),
        TEST(bursts_after_idle_hours),
        TEST(nightly_jobs),
        TEST(errors_below_half),
        TEST(refusals_of_ours),
        TEST(pages_of_a_list),
        TEST(newcomers),
        TEST(nobody_and_the_operator),
        TEST(another_sites_pages),
        TEST(slow_probes),
        TEST(a_full_table_forgets_who_was_silent_longest),
        TEST(a_dead_worker_holds_nothing),
        TEST(cost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
