/* Gate flood: the window of the address, what a restraint leaves of it, and who is exempt. */
#include "limited.h"

#define ALL 2001 /* more than any window admits */

static const struct in6_addr there = { .s6_addr = {
                                           [10] = 0xff, [11] = 0xff, [12] = 192, [15] = 8 } };

static struct req request(const char *path)
{
    return (struct req){ .windows = windows, .now = NOW, .address = here, .path = str_of(path) };
}

static void hold(enum restraint_level level)
{
    restraint_put(restraint_address(&here), level, NOW + HOUR, NOW, 0);
}

static int64_t blocked(enum restraint_kind kind)
{
    return metric_read(METRIC_LIMIT_RESTRAINED, kind);
}

static const struct {
    const char *says, *path;
    bool local;
    enum restraint_level level;
    int passes; /* until one is refused */
} rows[] = {
    { "an address", "/api/v1/things", false, RESTRAINT_RECORDED, 2000 },
    { "half of it", "/api/v1/things", false, RESTRAINT_HALF, 1000 },
    { "a tenth", "/api/v1/things", false, RESTRAINT_TENTH, 200 },
    { "blocked", "/api/v1/things", false, RESTRAINT_BLOCK, 0 },
    { "health is exempt", "/health", false, RESTRAINT_BLOCK, ALL },
    { "and what lies below it", "/health/live", false, RESTRAINT_RECORDED, ALL },
    { "what ends like it is not", "/api/v1/health", false, RESTRAINT_TENTH, 200 },
    { "the operator of the machine", "/api/v1/things", true, RESTRAINT_BLOCK, ALL },
};

static void sizes(void **state)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int n = 0;
        tear_down(state);
        set_up(state);
        hold(rows[i].level);
        for (; n < ALL; n++) {
            struct req r = request(rows[i].path);
            r.local = rows[i].local;
            if (gate_flood(&r) == NEXT)
                continue;
            assert_int_equal(r.err, ERR_TOO_MANY);
            assert_true(r.spent.reset > 0);
            break;
        }
        if (n != rows[i].passes)
            fail_msg("%s: %d pass", rows[i].says, n);
    }
}

static void a_block_says_when_it_ends_and_is_counted(void **state)
{
    (void)state;
    struct req r = request("/api/v1/things");
    hold(RESTRAINT_BLOCK);
    assert_int_equal(gate_flood(&r), DENY);
    assert_int_equal(r.spent.reset, HOUR);
    assert_int_equal(blocked(RESTRAINT_ADDRESS), 1);
    assert_int_equal(blocked(RESTRAINT_PRINCIPAL), 0);
    r = request("/api/v1/things");
    r.address = there;
    assert_int_equal(gate_flood(&r), NEXT);
    assert_int_equal(r.spent.left, 1999);
    assert_int_equal(blocked(RESTRAINT_ADDRESS), 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(sizes),
        TEST(a_block_says_when_it_ends_and_is_counted),
    };
    return cmocka_run_group_tests_name("gate/flood", tests, NULL, NULL);
}
