/* Gate 10: which windows count for whom, how large they are, who is blocked, and that a look spends nothing. */
#include "limited.h"

#include "../../../src/gate/limits.h"

static struct principal me = { .kind = PRINCIPAL_USER, .user_id = { { 1, 2, [15] = 3 } } };
static const struct action plain = { .rate = RATE_DEFAULT }, admin = { .rate = RATE_ADMIN },
                           health = { .rate = RATE_NONE };

static struct req request(const struct action *action)
{
    return (struct req){ .who = &me,
                         .action = action,
                         .windows = windows,
                         .now = NOW,
                         .address = here,
                         .path = STR("/api/v1/things") };
}

static void hold(enum restraint_level level)
{
    restraint_put(restraint_user(&me.user_id), level, NOW + HOUR, NOW, 0);
}

/* How many pass until one is refused, 1001 at most. */
static int passes(stage_fn *stage, const struct action *action)
{
    int n = 0;
    for (; n < 1001; n++) {
        struct req r = request(action);
        if (stage(&r) != NEXT) {
            assert_int_equal(r.err, ERR_TOO_MANY);
            assert_true(r.spent.reset > 0);
            break;
        }
    }
    return n;
}

static const struct {
    const char *says;
    enum limit_profile profile;
    enum restraint_level level;
    const struct action *action;
    int passes;
} rows[] = {
    { "a user", PROFILE_STANDARD, RESTRAINT_RECORDED, &plain, 1000 },
    { "half of it", PROFILE_STANDARD, RESTRAINT_HALF, &plain, 500 },
    { "a tenth", PROFILE_STANDARD, RESTRAINT_TENTH, &plain, 100 },
    { "blocked", PROFILE_STANDARD, RESTRAINT_BLOCK, &plain, 0 },
    { "a class", PROFILE_STANDARD, RESTRAINT_RECORDED, &admin, 10 },
    { "half of a class", PROFILE_STANDARD, RESTRAINT_HALF, &admin, 5 },
    { "a tenth of a class", PROFILE_STANDARD, RESTRAINT_TENTH, &admin, 1 },
    { "a class when blocked", PROFILE_STANDARD, RESTRAINT_BLOCK, &admin, 0 },
    { "strict", PROFILE_STRICT, RESTRAINT_RECORDED, &plain, 1000 },
    { "half of strict", PROFILE_STRICT, RESTRAINT_HALF, &plain, 500 },
    { "no limit", PROFILE_OFF, RESTRAINT_TENTH, &plain, 1001 },
    { "what was blocked by hand is, without limits too", PROFILE_OFF, RESTRAINT_BLOCK, &plain, 0 },
    { "health is exempt", PROFILE_STANDARD, RESTRAINT_BLOCK, &health, 1001 },
};

static void sizes(void **state)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        tear_down(state);
        set_up(state);
        config.rate_limit_profile = (enum limit_profile)rows[i].profile;
        if (rows[i].level != RESTRAINT_RECORDED)
            hold(rows[i].level);
        int n = passes(gate_limit, rows[i].action);
        if (n != rows[i].passes)
            fail_msg("%s: %d pass", rows[i].says, n);
    }
}

static void a_block_says_when_it_ends(void **state)
{
    (void)state;
    struct req r = request(&plain);
    hold(RESTRAINT_BLOCK);
    assert_int_equal(gate_limit(&r), DENY);
    assert_int_equal(r.err, ERR_TOO_MANY);
    assert_int_equal(r.spent.reset, HOUR);
    assert_false(r.spent.admitted);
    assert_string_equal(r.reason, "the principal is blocked");
    r = request(&plain);
    r.now = NOW + HOUR;
    assert_int_equal(gate_limit(&r), NEXT);
}

static void a_block_counts_for_whose_windows_are_spent_already(void **state)
{
    (void)state;
    struct req r = request(&plain);
    assert_int_equal(gate_limit(&r), NEXT);
    assert_true(r.counted);
    hold(RESTRAINT_BLOCK); /* while its body came */
    assert_int_equal(gate_limit(&r), DENY);
}

static void what_is_seen_again_is_not_spent_again(void **state)
{
    (void)state;
    struct req r = request(&admin), next = request(&admin);
    assert_int_equal(gate_limit(&r), NEXT);
    assert_int_equal(r.spent.left, 9);
    assert_int_equal(gate_limit(&r), NEXT); /* after its body came */
    assert_int_equal(r.spent.left, 9);
    assert_int_equal(gate_limit(&next), NEXT);
    assert_int_equal(next.spent.left, 8);
}

static void the_operator_is_exempt(void **state)
{
    (void)state;
    struct principal operator= { .kind = PRINCIPAL_OPERATOR };
    struct req r = request(&plain);
    restraint_put(restraint_user(&operator.user_id), RESTRAINT_BLOCK, NOW + HOUR, NOW, 0);
    r.who = &operator;
    assert_int_equal(gate_limit(&r), NEXT);
    assert_int_equal(gate_limit_look(&r), NEXT);
}

static void a_look_spends_nothing(void **state)
{
    (void)state;
    assert_int_equal(passes(gate_limit_look, &admin), 1001);
    assert_int_equal(passes(gate_limit, &admin), 10);
    assert_int_equal(passes(gate_limit_look, &admin), 0);
    struct req r = request(&plain);
    assert_int_equal(gate_limit_look(&r), NEXT);
    assert_false(r.counted);
    assert_int_equal(r.spent.left, 990);
    hold(RESTRAINT_HALF);
    assert_int_equal(gate_limit_look(&r), NEXT);
    assert_int_equal(r.spent.left, 490);
    hold(RESTRAINT_BLOCK);
    assert_int_equal(gate_limit_look(&r), DENY);
    assert_string_equal(r.reason, "the principal is blocked");
}

static void the_answer_decides(void **state)
{
    (void)state;
    stage_fn *const stages[] = { gate_limit_spent, gate_limit_looked };
    for (int i = 0; i < 2; i++) {
        struct req r = request(&plain);
        r.spent = (struct spent){ .err = OK, .admitted = true };
        assert_int_equal(stages[i](&r), NEXT);
        r.spent.admitted = false;
        assert_int_equal(stages[i](&r), DENY);
        assert_int_equal(r.err, ERR_TOO_MANY);
        r.spent = (struct spent){ .err = ERR_UNAVAILABLE, .admitted = true };
        assert_int_equal(stages[i](&r), DENY);
        assert_int_equal(r.err, ERR_UNAVAILABLE);
    }
}

static void a_row_is_not_the_callers_alone(void **state)
{
    (void)state;
    config.rate_limit_profile = PROFILE_STRICT;
    hold(RESTRAINT_HALF);
    int n = 0;
    for (;; n++) {
        struct req r = request(&plain);
        r.target_ids.n = 1;
        r.target_ids.id = (struct uuid){ { 9 } };
        if (gate_limit(&r) != NEXT)
            break;
    }
    assert_int_equal(n, 100);
}

/* What nodes share is counted under keys that all of them make alike. */
static void each_window_of_a_class_counts(void **state)
{
    (void)state;
    const struct {
        int64_t length, limit;
    } lengths[] = { { MINUTE, 10 }, { HOUR, 50 }, { DAY, 200 } };
    for (uint32_t i = 0; i < 3; i++) {
        uint32_t dimension = LIMIT_CLASS + RATE_ADMIN * 3 + i;
        struct window w = { limits_user(dimension, &me.user_id), lengths[i].length, 1000,
                            false };
        tear_down(state);
        set_up(state);
        for (int64_t n = 0; n < lengths[i].limit - 3; n++) {
            struct spent spent;
            window_spend_here(windows, &w, 1, clock_mono(), &spent);
            assert_true(spent.admitted);
        }
        assert_int_equal(passes(gate_limit, &admin), 3);
    }
}

/* Of a class without windows the user's own is left; somebody unknown has none but those of the class. */
static void who_has_no_name(void **state)
{
    (void)state;
    static const struct action sign_in = { .rate = RATE_AUTH };
    struct principal nobody = { 0 };
    stage_fn *const stages[] = { gate_limit, gate_limit_look };
    assert_int_equal(passes(gate_limit, &sign_in), 1000);
    for (int i = 0; i < 2; i++) {
        const struct action *const unlimited[] = { &sign_in, &plain };
        for (int k = 0; k < 2; k++) {
            struct req r = request(unlimited[k]);
            r.who = &nobody;
            r.target_ids.n = 1;
            assert_int_equal(stages[i](&r), NEXT);
            assert_false(r.counted);
        }
    }
    int n = 0;
    for (struct req r; n < 20; n++) {
        r = request(&admin);
        r.who = &nobody;
        if (gate_limit(&r) != NEXT)
            break;
    }
    assert_int_equal(n, 10);
    struct req elsewhere = request(&admin);
    elsewhere.who = &nobody;
    elsewhere.address.s6_addr[15]++;
    assert_int_equal(gate_limit(&elsewhere), NEXT);
}

static void a_look_at_one_window(void **state)
{
    (void)state;
    assert_int_equal(passes(gate_limit, &plain), 1000);
    assert_int_equal(passes(gate_limit_look, &plain), 0);
}

static void who_is_blocked_is_counted(void **state)
{
    (void)state;
    struct req r = request(&plain);
    hold(RESTRAINT_BLOCK);
    assert_int_equal(gate_limit(&r), DENY);
    assert_int_equal(metric_read(METRIC_LIMIT_RESTRAINED, RESTRAINT_PRINCIPAL), 1);
    assert_int_equal(metric_read(METRIC_LIMIT_RESTRAINED, RESTRAINT_ADDRESS), 0);
}

/* ---- the address ---- */

static void an_address(void **state)
{
    (void)state;
    struct principal nobody = { 0 };
    struct req r = request(&plain);
    restraint_put(restraint_address(&here), RESTRAINT_TENTH, NOW + HOUR, NOW, 0);
    int n = 0;
    for (; n < 3000 && gate_flood(&r) == NEXT; n++)
        r = request(&plain);
    assert_int_equal(n, 200);
    restraint_put(restraint_address(&here), RESTRAINT_BLOCK, NOW + 2 * HOUR, NOW, 0);
    r = request(&plain);
    assert_int_equal(gate_flood(&r), DENY);
    assert_int_equal(r.spent.reset, 2 * HOUR);
    r.path = STR("/health/live");
    assert_int_equal(gate_flood(&r), NEXT);
    r.path = STR("/api/v1/things");
    r.local = true;
    assert_int_equal(gate_flood(&r), NEXT);
    r = request(&plain);
    r.who = &nobody;
    assert_int_equal(gate_limit(&r), NEXT);
}

static void who_is_lifted_begins_anew(void **state)
{
    (void)state;
    assert_int_equal(passes(gate_limit, &plain), 1000);
    restraint_forgive(windows, RESTRAINT_PRINCIPAL, &me.user_id, NULL);
    assert_int_equal(passes(gate_limit, &plain), 1000);
    struct req r = request(&plain);
    while (gate_flood(&r) == NEXT)
        r = request(&plain);
    restraint_forgive(windows, RESTRAINT_ADDRESS, NULL, &here);
    r = request(&plain);
    assert_int_equal(gate_flood(&r), NEXT);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(sizes),
        TEST(a_block_says_when_it_ends),
        TEST(a_block_counts_for_whose_windows_are_spent_already),
        TEST(what_is_seen_again_is_not_spent_again),
        TEST(the_operator_is_exempt),
        TEST(a_look_spends_nothing),
        TEST(the_answer_decides),
        TEST(a_row_is_not_the_callers_alone),
        TEST(each_window_of_a_class_counts),
        TEST(who_has_no_name),
        TEST(a_look_at_one_window),
        TEST(who_is_blocked_is_counted),
        TEST(an_address),
        TEST(who_is_lifted_begins_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
