/* Anomalies: the judgement as a table, and whole histories replayed under a driven clock: ordinary traffic raises
 * nothing, each anomaly exactly its response. */
#include "base/clock.h"
#include "base/config.h"
#include "base/log.h"
#include "base/metric.h"
#include "gate/anomaly.h"
#include "gate/facts.h"
#include "gate/keyring.h"
#include "gate/respond.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- the judgement ---- */

#define OLD                                                                                        \
    .since = 1, .requests = 1000, .recent = 10, .mean_fourth = 10000.0
#define AT (HOUR + 1)

static const struct {
    const char *says;
    struct behaviour b;
    int64_t now;
    enum anomaly anomaly;
} judged[] = {
    { "nothing", { OLD }, AT, ANOMALY_NONE },
    { "a new agent", { OLD, .new_agent = true }, AT, ANOMALY_AGENT },
    { "a new country", { OLD, .new_country = true }, AT, ANOMALY_COUNTRY },
    { "the country counts before the agent",
      { OLD, .new_agent = true, .new_country = true },
      AT,
      ANOMALY_COUNTRY },
    { "an hour less a moment", { OLD, .new_country = true }, AT - 1, ANOMALY_NONE },
    { "999 requests",
      { .since = 1, .requests = 999, .recent = 999, .errors = 999, .new_agent = true },
      AT,
      ANOMALY_NONE },
    { "half are errors",
      { .since = 1, .requests = 1000, .recent = 20, .errors = 10, .mean_fourth = 10000.0 },
      AT,
      ANOMALY_NONE },
    { "more than half are errors",
      { .since = 1, .requests = 1000, .recent = 20, .errors = 11, .mean_fourth = 10000.0 },
      AT,
      ANOMALY_ERRORS },
    { "but of fewer than twenty",
      { .since = 1, .requests = 1000, .recent = 19, .errors = 19, .mean_fourth = 10000.0 },
      AT,
      ANOMALY_NONE },
    { "errors that were raised already",
      { .since = 1,
        .requests = 1000,
        .recent = 20,
        .errors = 20,
        .mean_fourth = 10000.0,
        .errors_raised = true },
      AT,
      ANOMALY_NONE },
    { "five times the mean",
      { .since = 1, .requests = 5000, .recent = 1000, .mean_fourth = 40.0 * 40 * 40 * 40 },
      AT,
      ANOMALY_NONE },
    { "one more",
      { .since = 1, .requests = 5000, .recent = 1001, .mean_fourth = 40.0 * 40 * 40 * 40 },
      AT,
      ANOMALY_RATE },
    { "that was raised already",
      { .since = 1, .requests = 5000, .recent = 1001, .mean_fourth = 40.0 * 40 * 40 * 40, .rate_raised = true },
      AT,
      ANOMALY_NONE },
    { "a hundred a minute are never too many",
      { .since = 1, .requests = 5000, .recent = 500, .mean_fourth = 1.0 },
      AT,
      ANOMALY_NONE },
    { "one more",
      { .since = 1, .requests = 5000, .recent = 501, .mean_fourth = 1.0 },
      AT,
      ANOMALY_RATE },
    { "nine probes", { .probes = 9 }, 0, ANOMALY_NONE },
    { "ten probes, of whom nothing else is known", { .probes = 10 }, 0, ANOMALY_PROBES },
};

static void judgements(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(judged) / sizeof(judged[0]); i++)
        if (anomaly_judge(&judged[i].b, judged[i].now) != judged[i].anomaly)
            fail_msg("row %zu: %s", i, judged[i].says);
}

static const struct {
    enum restraint_level now;
    enum anomaly anomaly;
    enum restraint_level next;
} ladder[] = {
    { RESTRAINT_RECORDED, ANOMALY_RATE, RESTRAINT_HALF },
    { RESTRAINT_RECORDED, ANOMALY_ERRORS, RESTRAINT_HALF },
    { RESTRAINT_RECORDED, ANOMALY_AGENT, RESTRAINT_HALF },
    { RESTRAINT_RECORDED, ANOMALY_COUNTRY, RESTRAINT_HALF },
    { RESTRAINT_RECORDED, ANOMALY_PROBES, RESTRAINT_BLOCK },
    { RESTRAINT_HALF, ANOMALY_RATE, RESTRAINT_TENTH },
    { RESTRAINT_HALF, ANOMALY_COUNTRY, RESTRAINT_TENTH },
    { RESTRAINT_HALF, ANOMALY_PROBES, RESTRAINT_BLOCK },
    { RESTRAINT_TENTH, ANOMALY_ERRORS, RESTRAINT_BLOCK },
};

static void levels(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(ladder) / sizeof(ladder[0]); i++)
        assert_int_equal(respond_level(ladder[i].now, ladder[i].anomaly), ladder[i].next);
    assert_int_equal(restraint_length(RESTRAINT_HALF), HOUR);
    assert_int_equal(restraint_length(RESTRAINT_TENTH), 30 * MINUTE);
    assert_int_equal(restraint_length(RESTRAINT_BLOCK), HOUR);
}

/* ---- texts ---- */

static void what_is_a_probe(void **state)
{
    (void)state;
    static const char *const ids[] = { "1'", "1;drop", "..", "a--b", "<b>", "$x", "{{7*7}}", "%00",
                                       "a|b", "`id`", "a\"", "a\\b", "a/b" };
    static const char *const no_ids[] = { "", "12345", "my-startup", "f47ac10b58cc4372a5670e02b2c3d479",
                                          "f47ac10b-58cc-4372-a567-0e02b2c3d47", "me", "a+b", "a,b" };
    static const char *const paths[] = { "/a/../../etc/passwd", "/x%27%20OR%201=1", "/'", "/<script>",
                                         "/%2e%2e/x", "/a%00", "/${jndi:ldap}", "/%3Cscript%3E" };
    static const char *const no_paths[] = { "/favicon.ico", "/robots.txt", "/api/v1/nothing",
                                            "/.well-known/openid-configuration", "/a%20b", "/a;v=1",
                                            "/wiki/(x)", "/a--b", "/v1.2.3/..." };
    for (size_t i = 0; i < COUNT(ids); i++)
        assert_true(anomaly_in_id(str_of(ids[i])));
    for (size_t i = 0; i < COUNT(no_ids); i++)
        assert_false(anomaly_in_id(str_of(no_ids[i])));
    for (size_t i = 0; i < COUNT(paths); i++)
        assert_true(anomaly_in_path(str_of(paths[i])));
    for (size_t i = 0; i < COUNT(no_paths); i++)
        assert_false(anomaly_in_path(str_of(no_paths[i])));
}

#define FIREFOX "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
#define FIREFOX_LATER "Mozilla/5.0 (X11; Linux x86_64; rv:131.0) Gecko/20100101 Firefox/131.0"
#define CHROME                                                                                     \
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "             \
    "Chrome/124.0.0.0 Safari/537.36"

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

/* ---- replays ---- */

#define ROWS_MAX 64

/* The rows that were written, through a store that takes all that it is given. */
static struct {
    enum restraint_kind kind[ROWS_MAX];
    char level[ROWS_MAX][16], reason[ROWS_MAX][16];
    int n;
    struct wait *wait;
} wrote;

static void keep(char out[16], struct str text)
{
    snprintf(out, 16, "%.*s", STR_ARG(text));
}

/* The ring that the audit's keys come from reads none of its own. */
void store_ask(struct store *s, const struct stmt *stmt, const struct value *params,
               struct rows *out, struct wait *w)
{
    (void)s;
    (void)params;
    (void)out;
    (void)w;
    fail_msg("%s was asked", stmt->name);
}

void store_commit(struct store *s, const struct change *c, struct rows *out, struct wait *w)
{
    (void)s;
    const struct value *row = c->at[0].params;
    assert_true(c->n == 2 || c->n == 3); /* and its audit row, which may bring a key */
    assert_string_equal(c->at[0].stmt->name, "restraint_add");
    assert_string_equal(c->at[c->n - 1].stmt->name, "audit_add");
    assert_true(wrote.n < ROWS_MAX);
    wrote.kind[wrote.n] =
        str_eq(row[1].text, STR("principal")) ? RESTRAINT_PRINCIPAL : RESTRAINT_ADDRESS;
    keep(wrote.level[wrote.n], row[3].text);
    keep(wrote.reason[wrote.n++], row[4].text);
    *out = (struct rows){ .err = OK };
    wrote.wait = w;
    wait_open(w);
}

static void settle(void)
{
    while (wrote.wait) {
        struct wait *w = wrote.wait;
        wrote.wait = NULL;
        w->open = false;
        w->wake(w);
    }
}

/* ---- clients under a driven clock ---- */

static void *metrics, *restraints, *behaviours, *epochs;
static struct keyring *ring;

struct client {
    struct uuid user; /* nil: nobody is signed in */
    const char *agent, *country, *site;
    struct in6_addr address;
};

static const struct action plain = { .rate = RATE_DEFAULT }, health = { .rate = RATE_NONE };
static int64_t now;

/* One request, of somebody who is not refused by gate limit. */
static void asks(const struct client *c, int status)
{
    struct principal who = {
        .kind = PRINCIPAL_USER, .user_id = c->user, .live = true, .expires = INT64_MAX
    };
    struct req r = { .now = now, .action = &plain, .address = c->address, .id = STR("test"),
                     .keyring = ring };
    r.user_agent = str_of(c->agent);
    if (c->country)
        memcpy(r.country, c->country, 2);
    if (c->site) {
        r.headers[0] = (struct header){ STR("Sec-Fetch-Site"), str_of(c->site) };
        r.nheaders = 1;
    }
    r.who = uuid_nil(&c->user) ? NULL : &who;
    r.reply.status = status;
    r.probe = status == 400;
    anomaly_observe(&r);
    settle();
}

/* A minute with so many requests, of which so many are not found; and on to the next. */
static void minute(const struct client *c, int requests, int errors)
{
    for (int i = 0; i < requests; i++)
        asks(c, (int64_t)(i + 1) * errors / requests != (int64_t)i * errors / requests ? 404 : 200);
    now += MINUTE;
}

static void minutes(const struct client *c, int n, int requests, int errors)
{
    for (int i = 0; i < n; i++)
        minute(c, requests, errors);
}

static struct client client(uint8_t number)
{
    struct client c = { .agent = "python-requests/2.32.3", .country = "DE" };
    for (int i = 0; i < 16; i++)
        c.user.b[i] = (uint8_t)(number * 37 + i * i);
    c.address.s6_addr[10] = c.address.s6_addr[11] = 0xff;
    c.address.s6_addr[15] = number;
    return c;
}

/* With an hour and 1,200 requests behind it. */
static struct client old_client(uint8_t number)
{
    struct client c = client(number);
    minutes(&c, 60, 20, 1);
    return c;
}

static void expect_at(int line, int n, const char *level, const char *reason)
{
    if (wrote.n != n)
        fail_msg("line %d: %d responses, the last one %s for %s", line, wrote.n,
                 wrote.n ? wrote.level[wrote.n - 1] : "", wrote.n ? wrote.reason[wrote.n - 1] : "");
    if (n > 0 && (strcmp(wrote.level[n - 1], level) || strcmp(wrote.reason[n - 1], reason)))
        fail_msg("line %d: %s for %s", line, wrote.level[n - 1], wrote.reason[n - 1]);
}
#define expect(n, level, reason) expect_at(__LINE__, (n), (level), (reason))
#define expect_none() expect_at(__LINE__, 0, "", "")

static enum restraint_level level_of(const struct client *c)
{
    return restraint_look(restraint_user(&c->user), now).level;
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

/* ---- each anomaly ---- */

static void a_rate(void **state)
{
    (void)state;
    struct client c = old_client(1);
    int n = 0;
    while (wrote.n == 0 && ++n < 1000)
        asks(&c, 200);
    assert_true(n > 400 && n <= 440); /* 4 minutes with 20 each, so at 501 in five */
    expect(1, "half", "rate");
    assert_int_equal(level_of(&c), RESTRAINT_HALF);
    minutes(&c, 4, 300, 0);
    expect(1, "half", "rate"); /* once in five minutes */
    now += 58 * MINUTE;
    assert_int_equal(level_of(&c), RESTRAINT_RECORDED);
}

static void a_share_of_errors(void **state)
{
    (void)state;
    struct client c = old_client(1);
    minutes(&c, 5, 20, 10);
    expect_none();
    minute(&c, 20, 20);
    expect(1, "half", "errors");
}

static void a_new_agent(void **state)
{
    (void)state;
    struct client c = old_client(1);
    c.agent = "sqlmap/1.8";
    minute(&c, 3, 0);
    expect(1, "half", "agent");
    minutes(&c, 10, 20, 0);
    expect(1, "half", "agent"); /* it is known now */
}

static void a_new_country(void **state)
{
    (void)state;
    struct client c = old_client(1);
    c.country = "BR";
    minute(&c, 3, 0);
    expect(1, "half", "country");
    c.country = "DE";
    minutes(&c, 10, 20, 0);
    c.country = NULL; /* unknown is no country */
    minutes(&c, 10, 20, 0);
    expect(1, "half", "country");
}

static void one_after_the_other(void **state)
{
    (void)state;
    struct client c = old_client(1);
    c.country = "BR";
    c.agent = CHROME;
    asks(&c, 200); /* both at once: two */
    expect(2, "tenth", "agent");
    assert_string_equal(wrote.level[0], "half");
    assert_string_equal(wrote.reason[0], "country");
    assert_int_equal(level_of(&c), RESTRAINT_TENTH);
    minutes(&c, 2, 30, 30);
    expect(3, "block", "errors");
    c.agent = "nikto";
    minutes(&c, 2, 30, 30);
    expect(3, "block", "errors"); /* who is blocked is not blocked again */
    assert_int_equal(level_of(&c), RESTRAINT_BLOCK);
}

static void it_comes_back(void **state)
{
    (void)state;
    struct client c = old_client(1);
    c.country = "BR";
    minute(&c, 1, 0);
    now += HOUR;
    c.country = "CN";
    minute(&c, 1, 0);
    expect(2, "half", "country"); /* after the first has ended it is a first one */
}

static void probes(void **state)
{
    (void)state;
    struct client c = client(1);
    for (int i = 0; i < 9; i++) {
        asks(&c, 400);
        now += 30 * SECOND;
    }
    expect_none();
    asks(&c, 400);
    expect(1, "block", "probes");
    assert_int_equal(wrote.kind[0], RESTRAINT_PRINCIPAL);
    assert_int_equal(level_of(&c), RESTRAINT_BLOCK);
    assert_int_equal(restraint_look(restraint_user(&c.user), now).until, now + HOUR);
    assert_int_equal(restraint_look(restraint_address(&c.address), now).level, RESTRAINT_RECORDED);
}

static void probes_of_nobody(void **state)
{
    (void)state;
    struct client c = client(1), neighbour;
    c.user = (struct uuid){ 0 };
    memcpy(c.address.s6_addr, "\x20\x01\x0d\xb8\0\0\0\5\0\0\0\0\0\0\0\1", 16);
    neighbour = c;
    for (int i = 0; i < 10; i++) {
        c.address.s6_addr[15] = (uint8_t)i; /* all of a /64 is one */
        asks(&c, 400);
    }
    expect(1, "block", "probes");
    assert_int_equal(wrote.kind[0], RESTRAINT_ADDRESS);
    assert_int_equal(restraint_look(restraint_address(&c.address), now).level, RESTRAINT_BLOCK);
    neighbour.address.s6_addr[7] = 6;
    assert_int_equal(restraint_look(restraint_address(&neighbour.address), now).level,
                     RESTRAINT_RECORDED);
}

static void profile_off_only_records(void **state)
{
    (void)state;
    struct client c = old_client(1);
    config.rate_limit_profile = PROFILE_OFF;
    for (int i = 0; i < 10; i++)
        asks(&c, 400);
    expect(1, "recorded", "probes");
    c.country = "BR";
    minute(&c, 1, 0);
    expect(2, "recorded", "country");
    assert_int_equal(level_of(&c), RESTRAINT_RECORDED);
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

static int set_up(void **state)
{
    (void)state;
    metrics = calloc(1, metric_size(1));
    restraints = calloc(1, restraint_size());
    behaviours = calloc(1, anomaly_size());
    epochs = calloc(1, epoch_size());
    ring = keyring_new(NULL, STR("0123456789012345678901234567890123456789"));
    assert_true(metrics && restraints && behaviours && epochs && ring);
    epoch_init(epochs);
    metric_init(metrics, 1);
    metric_use(0);
    restraint_init(restraints);
    anomaly_init(behaviours);
    memset(&wrote, 0, sizeof(wrote));
    config.rate_limit_profile = PROFILE_STANDARD;
    config.redis_url = "";
    log_open(STDERR_FILENO, LOG_ERROR, LOG_JSON);
    now = 1764000000 * SECOND;
    clock_tick();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    respond_fini();
    restraint_init(NULL);
    anomaly_init(NULL);
    free(metrics);
    free(restraints);
    free(behaviours);
    free(epochs);
    keyring_free(ring);
    return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(judgements),
        cmocka_unit_test(levels),
        cmocka_unit_test(what_is_a_probe),
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
        TEST(a_rate),
        TEST(a_share_of_errors),
        TEST(a_new_agent),
        TEST(a_new_country),
        TEST(one_after_the_other),
        TEST(it_comes_back),
        TEST(probes),
        TEST(probes_of_nobody),
        TEST(profile_off_only_records),
        TEST(a_full_table_forgets_who_was_silent_longest),
        TEST(a_dead_worker_holds_nothing),
        TEST(cost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
