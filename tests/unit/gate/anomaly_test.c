/* The judgement of what is out of the ordinary as a table, what follows it, and what texts nobody mistypes. */
#include "base/clock.h"
#include "gate/anomaly.h"
#include "gate/facts.h"
#include "gate/respond.h"

#include <setjmp.h>
#include <stdarg.h>

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(judgements),
        cmocka_unit_test(levels),
        cmocka_unit_test(what_is_a_probe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
