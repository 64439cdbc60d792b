#include "base/config.h"

#include "unit.h"

static bool has(const char *list, const char *address)
{
    struct network networks[8];
    struct in6_addr a;
    int n = network_list(list, networks, COUNT(networks));
    if (n < 0 || !network_address(str_of(address), &a))
        fail_msg("%s or %s was not read", list, address);
    return network_has(networks, n, &a);
}

static void addresses_are_read_and_written(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        { "127.0.0.1", "127.0.0.1" },       { "255.255.255.255", "255.255.255.255" },
        { "0.0.0.0", "0.0.0.0" },           { "::1", "::1" },
        { "::", "::" },                     { "2001:DB8:0:0::1", "2001:db8::1" },
        { "::ffff:10.1.2.3", "10.1.2.3" },  { "::ffff:0a01:0203", "10.1.2.3" },
        { "2001:db8::10.1.2.3", "2001:db8::a01:203" },
    };
    for (size_t i = 0; i < COUNT(pairs); i++) {
        struct in6_addr a;
        char text[INET6_ADDRSTRLEN];
        assert_true(network_address(str_of(pairs[i][0]), &a));
        network_format(&a, text);
        assert_string_equal(text, pairs[i][1]);
    }
}

static void what_is_no_address_is_refused(void **state)
{
    (void)state;
    const struct str bad[] = {
        STR(""), STR("1.2.3"), STR("1.2.3.4.5"), STR("256.1.1.1"), STR("01.2.3.4"), STR("0x7f.0.0.1"), STR("127.1"),
        STR("1.2.3.4 "), STR(" 1.2.3.4"), STR("1.2.3.4:80"), STR("[::1]"), STR("fe80::1%eth0"), STR("::1/128"),
        STR("localhost"), STR(":::"), STR("1:2:3:4:5:6:7:8:9"), STR("12345::"), STR("1.2.3.4\0"), STR("::1\0x"),
        STR("::ffff:1.2.3.4::ffff:1.2.3.4::ffff:1.2.3.4::ffff:1.2.3.4"), STR_NONE,
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct in6_addr a;
        if (network_address(bad[i], &a))
            fail_msg("%.*s was read", STR_ARG(bad[i]));
    }
}

static void networks_cover_their_addresses(void **state)
{
    (void)state;
    assert_true(has("10.0.0.0/8", "10.255.1.2"));
    assert_false(has("10.0.0.0/8", "11.0.0.0"));
    assert_true(has("10.0.0.0/8", "::ffff:10.1.1.1"));
    assert_false(has("10.0.0.0/8", "::10.1.1.1"));
    assert_true(has("192.168.1.77", "192.168.1.77"));
    assert_false(has("192.168.1.77", "192.168.1.76"));
    assert_true(has("172.16.0.0/12", "172.31.255.255"));
    assert_false(has("172.16.0.0/12", "172.32.0.0"));
    assert_true(has("0.0.0.0/0", "8.8.8.8"));
    assert_false(has("0.0.0.0/0", "2001:db8::1"));
    assert_true(has("::/0", "8.8.8.8"));
    assert_true(has("2001:db8::/33", "2001:db8:7fff::1"));
    assert_false(has("2001:db8::/33", "2001:db8:8000::1"));
    assert_true(has("::1", "::1"));
    assert_true(has("10.9.9.9/31,::1", "10.9.9.8"));
    assert_true(has(" 10.0.0.0/8 , ::1 ", "::1"));
    assert_false(has("", "::1"));
}

static void bits_behind_the_prefix_do_not_matter(void **state)
{
    (void)state;
    assert_true(has("10.1.2.3/8", "10.200.0.1"));
    assert_true(has("2001:db8:ffff:ffff::1/32", "2001:db8::5"));
}

static void bad_lists_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8/8", "10.0.0.0/8,", ",10.0.0.0/8", "10.0.0.0/8,,::1",
        "::/129",      "10.0.0/8",  "::1 ::2",     "/8",           "10.0.0.0/ 8", "example.org", "10.0.0.0/a",
    };
    struct network networks[4];
    for (size_t i = 0; i < COUNT(bad); i++)
        if (network_list(bad[i], networks, COUNT(networks)) != -1)
            fail_msg("%s was read", bad[i]);
    assert_int_equal(network_list("::1,::2,::3,::4,::5", networks, 4), -1);
    assert_int_equal(network_list("::1,::2,::3,::4", networks, 4), 4);
    assert_int_equal(network_list("", networks, 4), 0);
    assert_int_equal(network_list("  ", networks, 4), 0);
    assert_int_equal(network_list(NULL, networks, 4), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_read_and_written),
        cmocka_unit_test(what_is_no_address_is_refused),
        cmocka_unit_test(networks_cover_their_addresses),
        cmocka_unit_test(bits_behind_the_prefix_do_not_matter),
        cmocka_unit_test(bad_lists_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
