/* Which failed sign-ins count together. */
#include "../base/unit.h"

#undef COUNT
#include "base/clock.h"
#include "base/config.h"
#include "gate/facts.h"

static struct signin of(const char *account, const char *address, bool known)
{
    struct signin s;
    struct in6_addr a;
    assert_true(network_address(str_of(address), &a));
    signin_windows(&s, str_of(account), &a, known);
    return s;
}

/* Which of the three windows two sign-ins share, as bits. */
static int shared(struct signin a, struct signin b)
{
    int bits = 0;
    for (int i = 0; i < 3; i++)
        bits |= (a.windows[i].key == b.windows[i].key) << i;
    return bits;
}

static void their_limits(void **state)
{
    (void)state;
    struct signin s = of("a@example.com", "192.0.2.1", false);
    assert_int_equal(s.n, 3);
    assert_int_equal(s.windows[0].limit, 5);
    assert_int_equal(s.windows[0].length, MINUTE);
    assert_int_equal(s.windows[1].limit, 20);
    assert_int_equal(s.windows[1].length, MINUTE);
    assert_int_equal(s.windows[2].limit, 50);
    assert_int_equal(s.windows[2].length, HOUR);
    for (int i = 0; i < 3; i++)
        assert_true(s.windows[i].strict);
}

static void a_known_address_is_spared_the_window_that_a_stranger_can_fill(void **state)
{
    (void)state;
    assert_int_equal(of("a@example.com", "192.0.2.1", true).n, 2);
}

static void who_counts_with_whom(void **state)
{
    (void)state;
    enum { PAIR = 1, ADDRESS = 2, ACCOUNT = 4 };
    struct signin s = of("a@example.com", "192.0.2.1", false);
    assert_int_equal(shared(s, of("a@example.com", "192.0.2.1", true)) & (PAIR | ADDRESS),
                     PAIR | ADDRESS);
    assert_int_equal(shared(s, of("b@example.com", "192.0.2.1", false)), ADDRESS);
    assert_int_equal(shared(s, of("a@example.com", "192.0.2.2", false)), ACCOUNT);
    assert_int_equal(shared(s, of("b@example.com", "192.0.2.2", false)), 0);
    assert_int_equal(shared(s, of("a@example.co", "192.0.2.1", false)), ADDRESS);
}

static void ipv6_counts_by_64(void **state)
{
    (void)state;
    struct signin s = of("a@example.com", "2001:db8:1:2::1", false);
    assert_int_equal(shared(s, of("a@example.com", "2001:db8:1:2:ffff::9", false)), 7);
    assert_int_equal(shared(s, of("a@example.com", "2001:db8:1:3::1", false)), 4);
}

static void the_windows_of_one_sign_in_are_three(void **state)
{
    (void)state;
    struct signin s = of("a@example.com", "192.0.2.1", false);
    assert_true(s.windows[0].key != s.windows[1].key && s.windows[1].key != s.windows[2].key);
    assert_true(s.windows[0].key != s.windows[2].key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(their_limits),
        cmocka_unit_test(a_known_address_is_spared_the_window_that_a_stranger_can_fill),
        cmocka_unit_test(who_counts_with_whom),
        cmocka_unit_test(ipv6_counts_by_64),
        cmocka_unit_test(the_windows_of_one_sign_in_are_three),
    };
    return cmocka_run_group_tests_name("gate/signin", tests, NULL, NULL);
}
