/* Who the client is, behind trusted and other proxies. */
#include "../../../src/http/parse.h"

#include "base/config.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct {
    const char *says, *peer, *lines[3], *client;
} rows[] = {
    { "no header", "9.9.9.9", { 0 }, "9.9.9.9" },
    { "an untrusted peer is not believed", "9.9.9.9", { "1.1.1.1" }, "9.9.9.9" },
    { "a trusted one is", "10.0.0.1", { "1.1.1.1" }, "1.1.1.1" },
    { "from the right", "10.0.0.1", { "6.6.6.6, 1.1.1.1" }, "1.1.1.1" },
    { "through two trusted hops", "10.0.0.1", { "6.6.6.6, 1.1.1.1, 10.0.0.2" }, "1.1.1.1" },
    { "lines are one list", "10.0.0.1", { "1.1.1.1", "10.0.0.2" }, "1.1.1.1" },
    { "what is no address ends the list",
      "10.0.0.1",
      { "1.1.1.1, unknown, 10.0.0.2" },
      "10.0.0.2" },
    { "all trusted: the first of them", "10.0.0.1", { "10.0.0.3, 10.0.0.2" }, "10.0.0.3" },
    { "IPv6", "fd00::1", { "2001:db8::5" }, "2001:db8::5" },
    { "an empty list", "10.0.0.1", { "" }, "10.0.0.1" },
};

static void clients(void **state)
{
    (void)state;
    static char trusted[] = "10.0.0.0/8,fd00::/8";
    config.trusted_proxies = trusted;
    address_init();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct req r = { 0 };
        struct in6_addr peer, client, wanted;
        for (int k = 0; k < 3 && rows[i].lines[k]; k++)
            r.headers[r.nheaders++] =
                (struct header){ STR("X-Forwarded-For"), str_of(rows[i].lines[k]) };
        assert_true(network_address(str_of(rows[i].peer), &peer));
        assert_true(network_address(str_of(rows[i].client), &wanted));
        client = address_client(&r, &peer);
        if (memcmp(&client, &wanted, sizeof(client)) != 0)
            fail_msg("%s", rows[i].says);
    }
}

static void nobody_trusted(void **state)
{
    (void)state;
    static char none[] = "";
    config.trusted_proxies = none;
    address_init();
    struct req r = { 0 };
    struct in6_addr peer, client;
    r.headers[r.nheaders++] = (struct header){ STR("X-Forwarded-For"), STR("1.1.1.1") };
    assert_true(network_address(STR("127.0.0.1"), &peer));
    client = address_client(&r, &peer);
    assert_memory_equal(&client, &peer, sizeof(peer));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(clients),
                                        cmocka_unit_test(nobody_trusted) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
