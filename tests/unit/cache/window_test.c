#include "cache/window.h"

#include "../base/dies.h"
#include "../base/unit.h"

#include "base/clock.h"
#include "base/metric.h"

#include <stdlib.h>

#define T0 (1000 * MINUTE)

static struct windows *ws;
static void *part, *metrics;

static void begin_with(uint32_t entries)
{
    windows_free(ws);
    free(part);
    part = aligned_alloc(64, (windows_size(entries) + 63) / 64 * 64);
    memset(part, 0, windows_size(entries));
    ws = windows_new(part, entries, NULL);
}

static int begin(void **state)
{
    (void)state;
    metrics = calloc(1, metric_size(1));
    metric_init(metrics, 1);
    metric_use(0);
    begin_with(1000);
    return 0;
}

static int end(void **state)
{
    (void)state;
    windows_free(ws);
    free(part);
    free(metrics);
    ws = NULL;
    part = NULL;
    metric_init(NULL, 0);
    return 0;
}

static struct spent spend(const struct window *want, int n, int64_t now)
{
    struct spent out;
    assert_true(window_spend(ws, want, n, now, &out, NULL));
    assert_int_equal(out.err, OK);
    return out;
}

static struct spent look(const struct window *want, int n, int64_t now)
{
    struct spent out;
    assert_true(window_look(ws, want, n, now, &out, NULL));
    assert_int_equal(out.err, OK);
    return out;
}

static uint64_t key(uint64_t n)
{
    return (n + 1) * UINT64_C(0xff51afd7ed558ccd) ^ n << 7;
}

/* ---- one window ---- */

static void the_limit_is_admitted_and_not_one_more(void **state)
{
    (void)state;
    struct window w = { key(1), MINUTE, 5 };
    for (int i = 0; i < 5; i++) {
        struct spent s = spend(&w, 1, T0 + i);
        assert_true(s.admitted);
        assert_int_equal(s.limit, 5);
        assert_int_equal(s.left, 4 - i);
        assert_true(s.reset > MINUTE - SECOND && s.reset <= MINUTE + SECOND);
    }
    for (int i = 0; i < 3; i++) {
        struct spent s = spend(&w, 1, T0 + i);
        assert_false(s.admitted);
        assert_int_equal(s.limit, 5);
        assert_int_equal(s.left, 0);
        assert_int_equal(s.reset, MINUTE + SECOND - i); /* the oldest bucket is counted whole */
    }
    assert_int_equal(metric_read(METRIC_LIMIT_SPENT, 0), 5);
    assert_int_equal(metric_read(METRIC_LIMIT_SPENT, 1), 3);
    assert_int_equal(metric_read(METRIC_LIMIT_TABLE_FULL, 0), 0);
}

static void reset_tells_when_a_permit_can_be_had(void **state)
{
    (void)state;
    struct window w = { key(1), MINUTE, 4 };
    int64_t at[] = { 0, 10 * SECOND + 400000, 10 * SECOND + 700000, 31 * SECOND };
    for (size_t i = 0; i < COUNT(at); i++)
        assert_true(spend(&w, 1, T0 + at[i]).admitted);

    int64_t now = T0 + 40 * SECOND + 123456;
    for (int i = 0; i < 3; i++) {
        struct spent s = spend(&w, 1, now);
        assert_false(s.admitted);
        assert_false(spend(&w, 1, now + s.reset - 1).admitted);
        now += s.reset;
        assert_true(look(&w, 1, now).admitted);
        assert_true(spend(&w, 1, now).admitted);
        if (i == 1)
            assert_true(spend(&w, 1, now).admitted); /* two left together */
    }
}

static void an_unused_window_is_empty_again_after_its_reset(void **state)
{
    (void)state;
    struct window w = { key(1), HOUR, 10 };
    struct spent s = spend(&w, 1, T0);
    assert_int_equal(look(&w, 1, T0 + s.reset - 1).left, 9);
    assert_int_equal(look(&w, 1, T0 + s.reset).left, 10);
    assert_int_equal(look(&w, 1, T0 + s.reset).reset, 0);
}

static void a_look_spends_nothing(void **state)
{
    (void)state;
    struct window w = { key(1), MINUTE, 2 };
    for (int i = 0; i < 5; i++) {
        assert_true(look(&w, 1, T0).admitted);
        assert_int_equal(look(&w, 1, T0).left, 2);
    }
    spend(&w, 1, T0);
    assert_int_equal(look(&w, 1, T0).left, 1);
    spend(&w, 1, T0);
    assert_false(look(&w, 1, T0).admitted);
    assert_int_equal(look(&w, 1, T0).reset, MINUTE + SECOND);
}

static void lengths_of_one_key_are_apart(void **state)
{
    (void)state;
    struct window minute = { key(1), MINUTE, 1 }, hour = { key(1), HOUR, 1 };
    assert_true(spend(&minute, 1, T0).admitted);
    assert_true(spend(&hour, 1, T0).admitted);
    assert_false(spend(&minute, 1, T0).admitted);
    assert_true(spend(&minute, 1, T0 + 2 * MINUTE).admitted);
    assert_false(spend(&hour, 1, T0 + 2 * MINUTE).admitted);
}

static void a_lower_limit_takes_effect_at_once(void **state)
{
    (void)state;
    struct window w = { key(1), MINUTE, 100 };
    for (int i = 0; i < 50; i++)
        assert_true(spend(&w, 1, T0 + i * SECOND / 2).admitted);
    w.limit = 10;
    struct spent s = spend(&w, 1, T0 + 30 * SECOND);
    assert_false(s.admitted);
    assert_int_equal(s.limit, 10);
    assert_false(spend(&w, 1, T0 + 30 * SECOND + s.reset - 1).admitted);
    assert_true(spend(&w, 1, T0 + 30 * SECOND + s.reset).admitted);
}

static void what_was_refused_leaves_no_trace(void **state)
{
    (void)state;
    struct window w = { key(1), MINUTE, 3 };
    for (int i = 0; i < 3; i++)
        spend(&w, 1, T0);
    for (int i = 0; i < 1000; i++)
        assert_false(spend(&w, 1, T0 + 30 * SECOND).admitted);
    assert_int_equal(look(&w, 1, T0 + 62 * SECOND).left, 3);
}

static void soon_after_boot_nothing_is_odd(void **state)
{
    (void)state;
    struct window w = { key(1), HOUR, 2 };
    assert_true(spend(&w, 1, 0).admitted);
    assert_true(spend(&w, 1, 5).admitted);
    assert_false(spend(&w, 1, MINUTE).admitted);
}

/* A worker was held up between reading its clock and spending. Its permit counts from when others say it is, not from
 * when it thinks it is: behind by more than the ring allows, by a whole ring, and by far more. */
static void a_clock_that_is_behind_gives_no_permit_back_sooner(void **state)
{
    (void)state;
    static const int64_t behind[] = { 4, 40, 64, 128, 400, 520, 3600, 86400 };
    for (size_t i = 0; i < COUNT(behind); i++) {
        struct window w = { key(i), MINUTE, 2 };
        int64_t now = T0 + (int64_t)i * 10 * MINUTE + 2 * DAY;
        assert_true(spend(&w, 1, now).admitted);
        assert_true(spend(&w, 1, now - behind[i] * SECOND).admitted);
        assert_false(spend(&w, 1, now - behind[i] * SECOND).admitted);
        assert_int_equal(look(&w, 1, now + 57 * SECOND).left, 0);
        assert_int_equal(look(&w, 1, now + 61 * SECOND).left, 2);
    }
}

static void a_clock_that_is_a_little_behind_is_right(void **state)
{
    (void)state;
    struct window w = { key(1), MINUTE, 3 };
    assert_true(spend(&w, 1, T0 + 63 * SECOND).admitted);
    assert_true(spend(&w, 1, T0 + 60 * SECOND).admitted);
    assert_int_equal(look(&w, 1, T0 + 120 * SECOND).left, 1);
    assert_int_equal(look(&w, 1, T0 + 121 * SECOND).left, 2);
    assert_int_equal(look(&w, 1, T0 + 124 * SECOND).left, 3);
}

/* ---- several windows ---- */

static void all_or_none_are_spent(void **state)
{
    (void)state;
    struct window both[] = { { key(1), MINUTE, 100 }, { key(2), MINUTE, 3 }, { key(3), HOUR, 50 } };
    for (int i = 0; i < 10; i++) {
        struct spent s = spend(both, 3, T0);
        assert_int_equal(s.admitted, i < 3);
        assert_int_equal(s.limit, 3); /* the one with the least share, or that refused */
        assert_int_equal(s.left, i < 3 ? 2 - i : 0);
    }
    assert_int_equal(look(&both[0], 1, T0).left, 97);
    assert_int_equal(look(&both[2], 1, T0).left, 47);
}

static void of_several_refusals_the_longest_is_told(void **state)
{
    (void)state;
    struct window both[] = { { key(1), MINUTE, 1 }, { key(2), HOUR, 1 } };
    spend(both, 2, T0);
    struct spent s = spend(both, 2, T0);
    assert_false(s.admitted);
    assert_int_equal(s.reset, HOUR + MINUTE);
    assert_false(look(both, 2, T0).admitted);
    assert_int_equal(look(both, 2, T0).reset, HOUR + MINUTE);
}

static void no_window_at_all_admits(void **state)
{
    (void)state;
    assert_true(spend(NULL, 0, T0).admitted);
    assert_true(look(NULL, 0, T0).admitted);
}

/* ---- giving back ---- */

static void a_returned_permit_can_be_spent_again(void **state)
{
    (void)state;
    struct window both[] = { { key(1), MINUTE, 5 }, { key(2), MINUTE, 5 } };
    for (int i = 0; i < 100; i++) {
        assert_true(spend(both, 2, T0 + i * 1000).admitted);
        window_return(ws, both, 2, T0 + i * 1000 + 300000);
    }
    for (int i = 0; i < 5; i++)
        assert_true(spend(both, 2, T0 + SECOND).admitted);
    assert_false(spend(both, 2, T0 + SECOND).admitted);
}

static void returning_to_an_empty_window_gains_nothing(void **state)
{
    (void)state;
    struct window w = { key(1), MINUTE, 2 };
    window_return(ws, &w, 1, T0);
    spend(&w, 1, T0);
    for (int i = 0; i < 5; i++)
        window_return(ws, &w, 1, T0 + 2 * MINUTE);
    assert_true(spend(&w, 1, T0 + 2 * MINUTE).admitted);
    assert_true(spend(&w, 1, T0 + 2 * MINUTE).admitted);
    assert_false(spend(&w, 1, T0 + 2 * MINUTE).admitted);
}

/* If the newest were given back, the permit that counts would leave when the returned one should. */
static void a_return_never_makes_a_permit_leave_sooner(void **state)
{
    (void)state;
    struct window w = { key(1), MINUTE, 2 };
    spend(&w, 1, T0);               /* is returned later */
    spend(&w, 1, T0 + 30 * SECOND); /* counts */
    window_return(ws, &w, 1, T0 + 31 * SECOND);
    assert_int_equal(look(&w, 1, T0 + 31 * SECOND).left, 1);
    assert_int_equal(look(&w, 1, T0 + 80 * SECOND).left, 1);
    assert_int_equal(look(&w, 1, T0 + 91 * SECOND).left, 2);
}

static void a_cleared_window_is_empty(void **state)
{
    (void)state;
    struct window w = { key(1), HOUR, 3 }, other = { key(2), HOUR, 3 };
    for (int i = 0; i < 3; i++) {
        spend(&w, 1, T0 + i * 10 * MINUTE);
        spend(&other, 1, T0 + i * 10 * MINUTE);
    }
    int64_t now = T0 + 40 * MINUTE;
    assert_false(spend(&w, 1, now).admitted);
    window_clear(ws, &w, now);
    for (int i = 0; i < 3; i++)
        assert_true(spend(&w, 1, now).admitted);
    assert_false(spend(&w, 1, now).admitted);
    assert_false(spend(&other, 1, now).admitted);
}

/* ---- a full table ---- */

#define FEW 16 /* entries of the smallest table */

static void newcomers_of_a_full_table_share_one_window(void **state)
{
    (void)state;
    begin_with(1);
    int admitted = 0;
    for (uint64_t k = 0; k < 500; k++) {
        struct window w = { key(k), MINUTE, 5 };
        for (int i = 0; i < 10; i++)
            admitted += spend(&w, 1, T0).admitted;
    }
    assert_int_equal(admitted, FEW * 5 + 5);
    assert_int_equal(metric_read(METRIC_LIMIT_TABLE_FULL, 0), (500 - FEW) * 10);

    struct window hour = { key(1000), HOUR, 5 }, big = { key(1001), MINUTE, 7 };
    assert_true(spend(&hour, 1, T0).admitted); /* another length is shared apart */
    assert_true(spend(&big, 1, T0).admitted);  /* the limit is the caller's: 5 are spent */
    assert_true(spend(&big, 1, T0).admitted);
    assert_false(spend(&big, 1, T0).admitted);
    assert_false(look(&big, 1, T0).admitted);
    window_return(ws, &big, 1, T0);
    assert_true(spend(&big, 1, T0).admitted);
}

static void more_lengths_than_can_be_shared_are_refused_not_free(void **state)
{
    (void)state;
    begin_with(1);
    for (uint64_t k = 0; k < 500; k++) {
        struct window w = { key(k), DAY, 5 };
        spend(&w, 1, T0);
    }
    int admitted = 0;
    for (int64_t i = 1; i <= 20; i++) {
        struct window w = { key(1000), i * MINUTE, 1 };
        struct spent s = spend(&w, 1, T0);
        admitted += s.admitted;
        assert_true(s.admitted || s.reset > 0);
    }
    assert_int_equal(admitted, 7); /* 8, and one is the day's */
}

/* Who leaves the shared window for one of its own must not begin with a new limit. */
static void a_newcomer_keeps_what_it_spent(void **state)
{
    (void)state;
    begin_with(1);
    for (uint64_t k = 0; k < 500; k++) {
        struct window w = { key(k), MINUTE, 5 };
        spend(&w, 1, T0);
    }
    struct window late = { key(1000), MINUTE, 9 };
    int64_t now = T0 + 55 * SECOND; /* all others but those shared leave at 61 s; the table is full until 64 s */
    int first = 0, second = 0, third = 0;
    while (spend(&late, 1, now).admitted)
        first++;
    int64_t before = metric_read(METRIC_LIMIT_TABLE_FULL, 0);
    now = T0 + 67 * SECOND;
    while (spend(&late, 1, now).admitted)
        second++;
    assert_int_equal(metric_read(METRIC_LIMIT_TABLE_FULL, 0), before); /* it has an entry of its own */
    assert_int_equal(first + second, 9);
    now = T0 + 135 * SECOND;
    while (spend(&late, 1, now).admitted)
        third++;
    assert_int_equal(third, 9);
}

static void entries_whose_counts_have_left_are_taken_over(void **state)
{
    (void)state;
    begin_with(1);
    int64_t now = T0;
    for (uint64_t k = 0; k < 2000; k++, now += 5 * SECOND) {
        struct window w = { key(k), MINUTE, 2 };
        assert_true(spend(&w, 1, now).admitted);
        assert_int_equal(spend(&w, 1, now).left, 0);
        assert_false(spend(&w, 1, now).admitted);
    }
    assert_int_equal(metric_read(METRIC_LIMIT_TABLE_FULL, 0), 0);
}

static void a_table_is_nearly_full_before_it_shares(void **state)
{
    (void)state;
    begin_with(8192);
    for (uint64_t k = 0; k < 8192 * 8 / 10; k++) {
        struct window w = { key(k), MINUTE, 5 };
        assert_int_equal(spend(&w, 1, T0).left, 4);
    }
    assert_int_equal(metric_read(METRIC_LIMIT_TABLE_FULL, 0), 0);
}

/* ---- bugs ---- */

static void spend_a_length_without_shares(void)
{
    struct window w = { 1, 61, 1 };
    spend(&w, 1, T0);
}

static void spend_without_a_limit(void)
{
    struct window w = { 1, MINUTE, 0 };
    spend(&w, 1, T0);
}

static void a_window_without_sense_is_a_bug(void **state)
{
    (void)state;
    assert_true(dies(spend_a_length_without_shares));
    assert_true(dies(spend_without_a_limit));
}

#define test(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(the_limit_is_admitted_and_not_one_more),
        test(reset_tells_when_a_permit_can_be_had),
        test(an_unused_window_is_empty_again_after_its_reset),
        test(a_look_spends_nothing),
        test(lengths_of_one_key_are_apart),
        test(a_lower_limit_takes_effect_at_once),
        test(what_was_refused_leaves_no_trace),
        test(soon_after_boot_nothing_is_odd),
        test(a_clock_that_is_behind_gives_no_permit_back_sooner),
        test(a_clock_that_is_a_little_behind_is_right),
        test(all_or_none_are_spent),
        test(of_several_refusals_the_longest_is_told),
        test(no_window_at_all_admits),
        test(a_returned_permit_can_be_spent_again),
        test(returning_to_an_empty_window_gains_nothing),
        test(a_return_never_makes_a_permit_leave_sooner),
        test(a_cleared_window_is_empty),
        test(newcomers_of_a_full_table_share_one_window),
        test(more_lengths_than_can_be_shared_are_refused_not_free),
        test(a_newcomer_keeps_what_it_spent),
        test(entries_whose_counts_have_left_are_taken_over),
        test(a_table_is_nearly_full_before_it_shares),
        test(a_window_without_sense_is_a_bug),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
