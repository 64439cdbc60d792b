/* Histories that leave the ordinary: each anomaly has exactly its response. */
#include "replay.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_rate),
        TEST(a_share_of_errors),
        TEST(a_new_agent),
        TEST(a_new_country),
        TEST(one_after_the_other),
        TEST(it_comes_back),
        TEST(probes),
        TEST(probes_of_nobody),
        TEST(profile_off_only_records),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
