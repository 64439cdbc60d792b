/* What a user agent is told apart by: the usual clients, versions, and what is remembered of it. */
#include "base/hash.h"
#include "gate/anomaly.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define USUAL 1
#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

/* Before any other was seen, so that nothing is remembered in its place. */
static void none_is_a_client_of_apis(void **state)
{
    (void)state;
    assert_int_equal(anomaly_agent(STR("")), USUAL);
    assert_int_equal(anomaly_agent(STR_NONE), USUAL);
    assert_int_equal(anomaly_agent(STR("Lynx/2.9 \xff")), USUAL); /* nothing is kept of it */
}

static void the_usual_clients(void **state)
{
    (void)state;
    static const char *const clients[] = {
        "aiohttp",        "anthropic", "apache-httpclient", "aws-sdk",     "axios",    "boto3",
        "curl",           "dart",      "deno",              "faraday",     "got",      "go-http-client",
        "go-resty",       "grpc",      "guzzlehttp",        "httpie",      "httpx",    "insomnia",
        "java",           "jakarta",   "k6",                "ktor",        "libcurl",  "libwww-perl",
        "node",           "okhttp",    "openai",            "php",         "postmanruntime", "powershell",
        "python",         "reqwest",   "rest-client",       "restsharp",   "retrofit", "ruby",
        "rust",           "undici",    "urllib",            "wget",
    };
    static const char *const relatives[] = { "",  "/1.0", "-more/1.0", "`", "{",
                                             "@", "[",    " (x)",      "1" };
    static const char *const others[] = { "a", "z", "A", "Z", "ish/1.0" };
    char text[60];
    for (int i = 0; i < COUNT(clients); i++) {
        for (int k = 0; k < COUNT(relatives); k++) {
            snprintf(text, sizeof(text), "%s%s", clients[i], relatives[k]);
            if (anomaly_agent(str_of(text)) != USUAL)
                fail_msg("%s is none", text);
        }
        for (int k = 0; k < COUNT(others); k++) {
            snprintf(text, sizeof(text), "%s%s", clients[i], others[k]);
            if (anomaly_agent(str_of(text)) == USUAL)
                fail_msg("%s is one", text);
        }
    }
    assert_int_equal(anomaly_agent(STR("GUZZLEHTTP/7 AZ")), USUAL);
    assert_int_not_equal(anomaly_agent(STR("xurl/8.5.0")), USUAL);
    assert_int_not_equal(anomaly_agent(STR("cur")), USUAL);
    assert_int_not_equal(anomaly_agent((struct str){ "wget/8.5.0", 3 }), USUAL);
    assert_int_equal(anomaly_agent((struct str){ "curl\0x", 6 }), USUAL);
    assert_int_not_equal(anomaly_agent(STR("x")), USUAL);
}

/* Numbers that are kept in the store; 0 and 1 are taken. */
static void numbers(void **state)
{
    (void)state;
    static const struct {
        const char *agent;
        uint16_t number;
    } rows[] = { { "Lynx/2.9", 0x4e8c }, { "xer", 2 }, { "xevof", 2 }, { "xhhrz", 2 } };
    for (int i = 0; i < COUNT(rows); i++)
        assert_int_equal(anomaly_agent(str_of(rows[i].agent)), rows[i].number);
}

static void versions_make_no_difference(void **state)
{
    (void)state;
    static const struct {
        const char *agent;
        bool same; /* as "lynx" */
    } rows[] = {
        { "lynx0", true },  { "lynx9", true },  { "1.2.3_4lynx", true }, { "LYNX", true }, { "lynx/", false },
        { "lynx:", false }, { "lynx-", false }, { "lyny", false },       { "kynx", false },
    };
    uint16_t lynx = anomaly_agent(STR("lynx"));
    for (int i = 0; i < COUNT(rows); i++)
        if ((anomaly_agent(str_of(rows[i].agent)) == lynx) != rows[i].same)
            fail_msg("%s", rows[i].agent);
}

/* The first 256 bytes count, versions left out. */
static void long_ones(void **state)
{
    (void)state;
    static char one[400], other[400];
    const struct str a = { one, sizeof(one) }, b = { other, sizeof(other) };
    memset(one, 'x', sizeof(one));
    memset(other, 'x', sizeof(other));
    memset(one + 40, '7', 20);
    memset(other + 40, '8', 20);
    other[256] = 'y';
    assert_int_equal(anomaly_agent(a), anomaly_agent(b));
    other[255] = 'y';
    assert_int_not_equal(anomaly_agent(a), anomaly_agent(b));
    for (int i = 0; i < 1000; i++) { /* nor has any of them a place among the remembered */
        snprintf(one, sizeof(one), "%0300d", i);
        assert_int_equal(anomaly_agent((struct str){ one, 300 }), anomaly_agent(STR("0")));
    }
}

static size_t place_of(struct str agent)
{
    return hash_bytes(agent.p, agent.n) % 64;
}

/* Those that are remembered in one place are not taken for each other, whatever they have in common. */
static void what_is_remembered_is_the_whole_text(void **state)
{
    (void)state;
    static const char zeros[3] = { 0 };
    struct str nothing = { zeros, 3 };
    char text[200];
    int longer = 0, none = 0;
    for (int i = 0; i < 100000 && (longer == 0 || none == 0); i++) {
        struct str first = STR("Lynx/2.9"), agent;
        uint16_t lynx = anomaly_agent(first);
        snprintf(text, sizeof(text), "Lynx/2.9 %c%c%c", 'a' + i % 26, 'a' + i / 26 % 26,
                 'a' + i / 676 % 26);
        agent = str_of(text);
        if (place_of(agent) == place_of(first)) {
            longer++;
            assert_int_not_equal(anomaly_agent(agent), lynx);
            assert_int_equal(anomaly_agent(first), lynx);
        }
        agent = (struct str){ text + 9, 3 };
        if (place_of(agent) == place_of(nothing)) {
            none++;
            uint16_t before = anomaly_agent(agent);
            assert_int_not_equal(anomaly_agent(nothing), before);
        }
    }
    assert_true(longer > 0 && none > 0);
    memset(text, 'x', sizeof(text));
    uint16_t all = anomaly_agent((struct str){ text, 200 });
    assert_int_not_equal(anomaly_agent((struct str){ text, 199 }), all);
    assert_int_equal(anomaly_agent((struct str){ text, 200 }), all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(none_is_a_client_of_apis),
        cmocka_unit_test(the_usual_clients),
        cmocka_unit_test(numbers),
        cmocka_unit_test(versions_make_no_difference),
        cmocka_unit_test(long_ones),
        cmocka_unit_test(what_is_remembered_is_the_whole_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
