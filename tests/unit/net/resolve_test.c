#include "net/resolve.h"

#include "unit.h"

static struct resolved found;

static void ask(const char *host)
{
    struct counted c;
    int left = 1;
    counted_init(&c, &left);
    resolve_ask(host, &found, &c.wait);
    assert_int_equal(c.woken, 0); /* never inside the call */
    loop_run();
    assert_int_equal(c.woken, 1);
}

static void an_address_is_its_own_answer(void **state)
{
    (void)state;
    ask("192.0.2.7");
    assert_int_equal(found.err, OK);
    assert_int_equal(found.n, 1);
    assert_string_equal(found.address[0], "192.0.2.7");
}

static void an_ipv6_address_too(void **state)
{
    (void)state;
    ask("2001:db8::1");
    assert_int_equal(found.err, OK);
    assert_string_equal(found.address[0], "2001:db8::1");
}

static void a_name_has_addresses(void **state)
{
    (void)state;
    ask("localhost");
    assert_int_equal(found.err, OK);
    assert_in_range(found.n, 1, ADDRESSES_MAX);
    assert_true(strcmp(found.address[0], "127.0.0.1") == 0 || strcmp(found.address[0], "::1") == 0);
}

static void what_is_no_name_says_why(void **state)
{
    (void)state;
    char long_name[400];
    memset(long_name, 'a', sizeof(long_name) - 1);
    long_name[sizeof(long_name) - 1] = '\0';
    ask(long_name);
    assert_int_equal(found.err, ERR_UNAVAILABLE);
    assert_true(found.says[0] != '\0');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        test_on_loop(an_address_is_its_own_answer),
        test_on_loop(an_ipv6_address_too),
        test_on_loop(a_name_has_addresses),
        test_on_loop(what_is_no_name_says_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
