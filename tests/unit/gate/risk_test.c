/* How unlike itself a session is used, as a table; and networks, agents and devices. */
#include "gate/risk.h"

#include "base/config.h"
#include "gate/anomaly.h"
#include "gate/country.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* Stands in for gate/country.c, which has a database to ask. */
void country_of(const struct in6_addr *at, char out[2])
{
    static const char *const countries[] = { "DE", "FR" };
    memcpy(out, countries[at->s6_addr[14] == 3], 2);
}

#define HERE { .network = 1, .agent = 7, .country = { 'D', 'E' } }
#define N RISK_BY_NETWORK
#define A RISK_BY_AGENT
#define C RISK_BY_COUNTRY
#define B RISK_BY_BEHAVIOUR

static const struct {
    const char *says;
    bool key;
    struct risk_place was, is;
    enum restraint_level held;
    enum risk risk;
    unsigned reasons;
} rows[] = {
    { "all as it was", false, HERE, HERE, 0, RISK_GREEN, 0 },
    { "nothing is known", false, { 0 }, { 0 }, 0, RISK_GREEN, 0 },
    { "what is not known now is as it was", false, HERE, { 0 }, 0, RISK_GREEN, 0 },
    { "what was not known is as it is", false, { 0 }, HERE, 0, RISK_GREEN, 0 },
    { "another network", false, HERE, { 2, 7, "DE" }, 0, RISK_YELLOW, N },
    { "another agent", false, HERE, { 1, 8, "DE" }, 0, RISK_YELLOW, A },
    { "another network and agent", false, HERE, { 2, 8, "DE" }, 0, RISK_ORANGE, N | A },
    { "another country", false, HERE, { 1, 7, "FR" }, 0, RISK_ORANGE, C },
    { "another country of that letter", false, HERE, { 1, 7, "DK" }, 0, RISK_ORANGE, C },
    { "another country that ends so", false, HERE, { 1, 7, "BE" }, 0, RISK_ORANGE, C },
    { "a traveller", false, HERE, { 2, 7, "FR" }, 0, RISK_ORANGE, C | N },
    { "another country and agent", false, HERE, { 1, 8, "FR" }, 0, RISK_ORANGE, C | A },
    { "everything is another", false, HERE, { 2, 8, "FR" }, 0, RISK_RED, C | N | A },
    { "everything, no country known now", false, HERE, { 2, 8, "" }, 0, RISK_ORANGE, N | A },
    { "everything, no country known then", false, { 1, 7, "" }, { 2, 8, "FR" }, 0, RISK_ORANGE,
      N | A },
    { "everything, no network known", false, { 0, 7, "DE" }, { 2, 8, "FR" }, 0, RISK_ORANGE,
      C | A },
    { "recorded is nothing", false, HERE, HERE, RESTRAINT_RECORDED, RISK_GREEN, 0 },
    { "half is not enough", false, HERE, HERE, RESTRAINT_HALF, RISK_GREEN, 0 },
    { "half raises nothing", false, HERE, { 2, 8, "DE" }, RESTRAINT_HALF, RISK_ORANGE, N | A },
    { "behaviour alone", false, HERE, HERE, RESTRAINT_TENTH, RISK_YELLOW, B },
    { "the worst behaviour alone", false, HERE, HERE, RESTRAINT_BLOCK, RISK_YELLOW, B },
    { "behaviour raises yellow", false, HERE, { 2, 7, "DE" }, RESTRAINT_TENTH, RISK_ORANGE, N | B },
    { "behaviour raises orange", false, HERE, { 1, 7, "FR" }, RESTRAINT_TENTH, RISK_RED, C | B },
    { "there is nothing above red", false, HERE, { 2, 8, "FR" }, RESTRAINT_BLOCK, RISK_RED,
      C | N | A | B },
    { "a key on another machine", true, HERE, { 2, 8, "DE" }, 0, RISK_GREEN, 0 },
    { "a key in another country", true, HERE, { 2, 8, "FR" }, 0, RISK_ORANGE, C },
    { "a key that misbehaves", true, HERE, { 2, 8, "DE" }, RESTRAINT_BLOCK, RISK_YELLOW, B },
    { "both of a key", true, HERE, { 2, 8, "FR" }, RESTRAINT_TENTH, RISK_RED, C | B },
};

static void judgements(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct risk_facts facts = { rows[i].key, rows[i].was };
        const struct risk_seen seen = { rows[i].is, rows[i].held };
        unsigned reasons = 99;
        enum risk risk = risk_judge(&facts, &seen, &reasons);
        if (risk != rows[i].risk || reasons != rows[i].reasons)
            fail_msg("%s: %s, reasons %u", rows[i].says, risk_name(risk), reasons);
    }
}

/* Over everything that can be seen: no single thing is red. */
static void no_single_thing_is_red(void **state)
{
    (void)state;
    for (unsigned bits = 0; bits < 16; bits++)
        for (int key = 0; key < 2; key++) {
            const struct risk_facts facts = { key, HERE };
            const struct risk_seen seen = {
                { bits & N ? 2 : 1, bits & A ? 8 : 7, { bits & C ? 'F' : 'D', 'E' } },
                bits & B ? RESTRAINT_BLOCK : RESTRAINT_RECORDED,
            };
            unsigned reasons;
            if (risk_judge(&facts, &seen, &reasons) == RISK_RED)
                assert_true((reasons & (reasons - 1)) != 0);
            else if (!key)
                assert_int_not_equal(bits & 7, 7);
            assert_int_equal(reasons, key ? bits & (C | B) : bits);
        }
}

static struct in6_addr address(const char *text)
{
    struct in6_addr at;
    assert_true(network_address(str_of(text), &at));
    return at;
}

static void networks(void **state)
{
    (void)state;
    static const struct {
        const char *address, *network;
        uint64_t number;
    } of[] = {
        { "192.0.2.1", "192.0.2.0/24", 0xc00002 },
        { "192.0.2.255", "192.0.2.0/24", 0xc00002 },
        { "192.0.3.1", "192.0.3.0/24", 0xc00003 },
        { "2001:db8:1:2::3", "2001:db8:1::/48", UINT64_C(0x20010db80001) },
        { "2001:db8:1:ffff::", "2001:db8:1::/48", UINT64_C(0x20010db80001) },
        { "2001:db8:2::", "2001:db8:2::/48", UINT64_C(0x20010db80002) },
        { "::1", "::/48", 0 },
    };
    for (size_t i = 0; i < sizeof(of) / sizeof(of[0]); i++) {
        struct in6_addr at = address(of[i].address);
        char text[RISK_NETWORK_TEXT];
        risk_network_text(&at, text);
        assert_string_equal(text, of[i].network);
        assert_true(risk_network(&at) == of[i].number);
    }
}

#define FIREFOX "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
#define CHROME                                                                                     \
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 "     \
    "Safari/537.36"

static void agents(void **state)
{
    (void)state;
    static const struct {
        const char *agent, *name;
    } of[] = {
        { FIREFOX, "Firefox" },
        { CHROME, "Chrome" },
        { CHROME " Edg/126.0.0.0", "Edge" },
        { CHROME " OPR/112.0.0.0", "Opera" },
        { "Mozilla/5.0 (Macintosh) AppleWebKit/605.1.15 Version/17.5 Safari/605.1.15", "Safari" },
        { "curl/8.9.1", "API client" },
        { "python-requests/2.32", "API client" },
        { "", "API client" },
        { "Lynx/2.9", "other" },
    };
    for (size_t i = 0; i < sizeof(of) / sizeof(of[0]); i++)
        assert_string_equal(risk_agent_name(str_of(of[i].agent)), of[i].name);
    assert_string_equal(risk_agent_name(STR_NONE), "API client");
}

/* It is kept in the store: what it is may not depend on the start or the node. */
static void agents_are_the_same_after_every_start(void **state)
{
    (void)state;
    assert_int_equal(anomaly_agent(STR("Lynx/2.9")), 0x4e8c);
}

static void devices(void **state)
{
    (void)state;
    const struct risk_place a = { 1, 7, "DE" }, b = { 2, 7, "DE" }, c = { 1, 8, "DE" },
                            d = { 1, 7, "FR" };
    assert_int_not_equal(risk_device(&a), risk_device(&b));
    assert_int_not_equal(risk_device(&a), risk_device(&c));
    assert_int_equal(risk_device(&a), risk_device(&d));
    assert_int_equal(risk_device(&a), 0x10007); /* it is kept in the store */
}

static void places(void **state)
{
    (void)state;
    struct risk_place kept = risk_place_kept(STR("192.0.2.1"), STR("curl/8.9.1"));
    assert_true(kept.network == 0xc00002);
    assert_int_equal(kept.agent, 1);
    assert_memory_equal(kept.country, "DE", 2);
    kept = risk_place_kept(STR("192.0.3.1"), STR("curl/8.9.1"));
    assert_memory_equal(kept.country, "FR", 2);
    kept = risk_place_kept(STR("local"), STR(FIREFOX));
    assert_true(kept.network == 0);
    assert_int_equal(kept.country[0], 0);
    assert_int_equal(kept.agent, anomaly_agent(STR(FIREFOX)));

    static char agent[300];
    memset(agent, 'a', sizeof(agent));
    memcpy(agent + 255, "\xc3\xa9", 2); /* over the end */
    struct req *r = calloc(1, sizeof(*r));
    assert_non_null(r);
    r->address = address("192.0.2.9");
    memcpy(r->country, "AT", 2);
    r->user_agent = (struct str){ agent, sizeof(agent) };
    kept = risk_place_kept(STR("192.0.2.1"), risk_agent_kept(r->user_agent));
    const struct risk_place is = risk_place_of(r);
    assert_true(is.network == kept.network);
    assert_memory_equal(is.country, "AT", 2);
    assert_int_equal(is.agent, kept.agent); /* although the row has less of it */
    assert_int_equal(risk_agent_kept(r->user_agent).n, 255);
    assert_int_equal(risk_agent_kept(STR("\xff\xfe")).n, 0);
    memset(agent, 'a', 256);
    agent[256] = '\x80';
    assert_int_equal(risk_agent_kept((struct str){ agent, 256 }).n, 256);
    free(r);
}

static void a_request_is_rated(void **state)
{
    (void)state;
    const struct risk_facts facts = { false, HERE };
    const struct uuid user = { { 1 } };
    struct req *r = calloc(1, sizeof(*r));
    assert_non_null(r);
    r->address = address("192.0.2.9");
    r->user_agent = STR(FIREFOX);
    memcpy(r->country, "DE", 2);
    assert_int_equal(risk_of(r, &facts, &user), RISK_ORANGE);
    assert_true(r->rated);
    assert_int_equal(r->risk, RISK_ORANGE);
    assert_int_equal(r->risk_reasons, N | A);
    free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(judgements),
        cmocka_unit_test(no_single_thing_is_red),
        cmocka_unit_test(networks),
        cmocka_unit_test(agents),
        cmocka_unit_test(agents_are_the_same_after_every_start),
        cmocka_unit_test(devices),
        cmocka_unit_test(places),
        cmocka_unit_test(a_request_is_rated),
    };
    return cmocka_run_group_tests_name("gate/risk", tests, NULL, NULL);
}
