/* replay.h: whole histories of clients, replayed under a driven clock, and the responses to them that were written. */
#ifndef GATE_REPLAY_H
#define GATE_REPLAY_H

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
#include <unistd.h>

#include <cmocka.h>

#include "unasked.h"

#define FIREFOX "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
#define FIREFOX_LATER "Mozilla/5.0 (X11; Linux x86_64; rv:131.0) Gecko/20100101 Firefox/131.0"
#define CHROME                                                                                     \
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "             \
    "Chrome/124.0.0.0 Safari/537.36"

/* ---- what is written ---- */

#define ROWS_MAX 64

/* The rows that were written, through a store that takes all that it is given. */
static struct {
    enum restraint_kind kind[ROWS_MAX];
    char level[ROWS_MAX][16], reason[ROWS_MAX][16];
    int n;
    struct wait *wait;
} wrote;

static inline void keep(char out[16], struct str text)
{
    snprintf(out, 16, "%.*s", STR_ARG(text));
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

static inline void settle(void)
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
static inline void asks(const struct client *c, int status)
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
static inline void minute(const struct client *c, int requests, int errors)
{
    for (int i = 0; i < requests; i++)
        asks(c, (int64_t)(i + 1) * errors / requests != (int64_t)i * errors / requests ? 404 : 200);
    now += MINUTE;
}

static inline void minutes(const struct client *c, int n, int requests, int errors)
{
    for (int i = 0; i < n; i++)
        minute(c, requests, errors);
}

static inline struct client client(uint8_t number)
{
    struct client c = { .agent = "python-requests/2.32.3", .country = "DE" };
    for (int i = 0; i < 16; i++)
        c.user.b[i] = (uint8_t)(number * 37 + i * i);
    c.address.s6_addr[10] = c.address.s6_addr[11] = 0xff;
    c.address.s6_addr[15] = number;
    return c;
}

/* With an hour and 1,200 requests behind it. */
static inline struct client old_client(uint8_t number)
{
    struct client c = client(number);
    minutes(&c, 60, 20, 1);
    return c;
}

static inline void expect_at(int line, int n, const char *level, const char *reason)
{
    if (wrote.n != n)
        fail_msg("line %d: %d responses, the last one %s for %s", line, wrote.n,
                 wrote.n ? wrote.level[wrote.n - 1] : "", wrote.n ? wrote.reason[wrote.n - 1] : "");
    if (n > 0 && (strcmp(wrote.level[n - 1], level) || strcmp(wrote.reason[n - 1], reason)))
        fail_msg("line %d: %s for %s", line, wrote.level[n - 1], wrote.reason[n - 1]);
}
#define expect(n, level, reason) expect_at(__LINE__, (n), (level), (reason))
#define expect_none() expect_at(__LINE__, 0, "", "")

static inline enum restraint_level level_of(const struct client *c)
{
    return restraint_look(restraint_user(&c->user), now).level;
}
static inline int set_up(void **state)
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

static inline int tear_down(void **state)
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

#endif
