/* Gate 4 as a table: who is alive, until when, and how unlike itself a session or key may be used. */
#include "base/config.h"
#include "gate/country.h"
#include "gate/facts.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define NOW ((int64_t)1000000000)

/* Stands in for gate/country.c, which has a database to ask. */
void country_of(const struct in6_addr *at, char out[2])
{
    (void)at;
    memcpy(out, "DE", 2);
}

#define HERE { .network = 0xc00002, .agent = 1, .country = { 'D', 'E' } }
#define ELSEWHERE { .network = 1, .agent = 7, .country = { 'F', 'R' } }

static const struct {
    const char *says;
    enum principal_kind kind;
    bool live;
    int64_t left;
    struct risk_place place; /* where it is used to be */
    enum verdict verdict;
    const char *reason, *country;
} rows[] = {
    { "the operator", PRINCIPAL_OPERATOR, false, 0, ELSEWHERE, NEXT, NULL, "" },
    { "nobody", PRINCIPAL_ANONYMOUS, false, 0, ELSEWHERE, NEXT, NULL, "DE" },
    { "a session", PRINCIPAL_USER, true, 1, HERE, NEXT, NULL, "DE" },
    { "a key", PRINCIPAL_APIKEY, true, 1, HERE, NEXT, NULL, "DE" },
    { "a dead session", PRINCIPAL_USER, false, 1, HERE, DENY, "session, key or user is not live", "DE" },
    { "a dead key", PRINCIPAL_APIKEY, false, 1, HERE, DENY, "session, key or user is not live", "DE" },
    { "an ended session", PRINCIPAL_USER, true, 0, HERE, DENY, "expired", "DE" },
    { "one that ended long ago", PRINCIPAL_USER, true, -HOUR, HERE, DENY, "expired", "DE" },
    { "a session of elsewhere", PRINCIPAL_USER, true, 1, ELSEWHERE, DENY, "risk is red", "DE" },
    { "a key of elsewhere", PRINCIPAL_APIKEY, true, 1, ELSEWHERE, NEXT, NULL, "DE" }, /* keys move */
};

static void who_may_go_on(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct principal who = {
            .kind = rows[i].kind, .live = rows[i].live, .expires = NOW + rows[i].left, .place = rows[i].place
        };
        struct req r = { .who = &who, .now = NOW, .user_agent = STR("curl/8.9.1") };
        assert_true(network_address(STR("192.0.2.1"), &r.address));
        enum verdict v = gate_context(&r);
        if (v != rows[i].verdict || strncmp(r.country, rows[i].country, 2) != 0)
            fail_msg("%s: %d in %.2s", rows[i].says, v, r.country);
        if (rows[i].verdict == DENY) {
            assert_int_equal(r.err, ERR_SESSION_ENDED);
            assert_string_equal(r.reason, rows[i].reason);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_may_go_on),
    };
    return cmocka_run_group_tests_name("gate/context", tests, NULL, NULL);
}
