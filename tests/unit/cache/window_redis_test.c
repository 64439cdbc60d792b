/* Windows that nodes share in Redis: what is spent together, permits in hand, who waits for whom, denials, what is
 * given back, and what is left when Redis is lost.
 */
#include "cache/window.h"

#include "forwarder.h"
#include "on_redis.h"

#define NODES 2
#define MANY 200

static struct redis *clients[NODES];
static struct windows *nodes[NODES];
static void *parts[NODES];
static uint64_t last_key;

static struct windows *windows_on(int node, struct redis *r)
{
    parts[node] = aligned_alloc(64, (windows_size(1000) + 63) / 64 * 64);
    memset(parts[node], 0, windows_size(1000));
    return windows_new(parts[node], 1000, r);
}

static int begin(void **state)
{
    if (begin_on_redis(state) != 0)
        return -1;
    for (int i = 0; i < NODES; i++) {
        clients[i] = connected_to(redis_address());
        nodes[i] = windows_on(i, clients[i]);
    }
    return 0;
}

static int end(void **state)
{
    for (int i = 0; i < NODES; i++) {
        windows_free(nodes[i]);
        redis_close(clients[i]);
        free(parts[i]);
    }
    return end_on_redis(state);
}

/* A window nobody has spent from. */
static struct window fresh(int64_t length, int64_t limit, bool strict)
{
    return (struct window){ ++last_key * UINT64_C(0xff51afd7ed558ccd), length, limit, strict };
}

static struct spent spend(struct windows *ws, const struct window *want, int n)
{
    struct spent out = { .err = ERR_UNAVAILABLE };
    struct wait w;
    wait_init(&w, woken);
    clock_tick();
    if (!window_spend(ws, want, n, clock_mono(), &out, &w))
        loop_run();
    assert_int_equal(out.err, OK);
    return out;
}

static struct spent look(struct windows *ws, const struct window *w)
{
    struct spent out = { .err = ERR_UNAVAILABLE };
    struct wait wait;
    wait_init(&wait, woken);
    clock_tick();
    if (!window_look(ws, w, 1, clock_mono(), &out, &wait))
        loop_run();
    assert_int_equal(out.err, OK);
    return out;
}

static int admitted_of(struct windows *ws, const struct window *w, int tries)
{
    int n = 0;
    for (int i = 0; i < tries; i++)
        n += spend(ws, w, 1).admitted;
    return n;
}

static int64_t round_trips(void)
{
    return metric_read(METRIC_LIMIT_ROUND_TRIPS, 0);
}

/* ---- one by one ---- */

static void nodes_share_a_window(void **state)
{
    (void)state;
    struct window w = fresh(HOUR, 5, true);
    for (int i = 0; i < 5; i++) {
        struct spent s = spend(nodes[i % 2], &w, 1);
        assert_true(s.admitted);
        assert_int_equal(s.limit, 5);
        assert_int_equal(s.left, 4 - i);
        assert_in_range(s.reset, HOUR, HOUR + MINUTE);
    }
    for (int i = 0; i < 2; i++) {
        struct spent s = spend(nodes[i], &w, 1);
        assert_false(s.admitted);
        assert_int_equal(s.limit, 5);
        assert_int_equal(s.left, 0);
        assert_in_range(s.reset, HOUR - MINUTE, HOUR + MINUTE);
    }
    struct window other = w; /* of another length: a window of its own */
    other.length = MINUTE;
    assert_true(spend(nodes[0], &other, 1).admitted);
}

static void all_or_none_are_spent(void **state)
{
    (void)state;
    struct window both[] = { fresh(MINUTE, 1000, false), fresh(HOUR, 2, false) };
    assert_int_equal(spend(nodes[0], both, 2).left, 1); /* of the one with the least share left */
    assert_true(spend(nodes[0], both, 2).admitted);
    int64_t before = look(nodes[0], &both[0]).left;
    struct spent s = spend(nodes[0], both, 2);
    assert_false(s.admitted);
    assert_int_equal(s.limit, 2);
    assert_true(s.reset > MINUTE);
    assert_int_equal(look(nodes[0], &both[0]).left, before); /* what was held is in hand again */
    assert_int_equal(before, 998);

    struct window three[] = { fresh(MINUTE, 50, false),
                              both[1] }; /* asked together, refused together */
    assert_false(spend(nodes[1], three, 2).admitted);
    assert_int_equal(look(nodes[1], &three[0]).left, 50);
}

static void a_look_spends_nothing(void **state)
{
    (void)state;
    struct window w = fresh(MINUTE, 2, false);
    assert_int_equal(look(nodes[0], &w).left, 2);
    assert_int_equal(look(nodes[0], &w).reset, 0);
    admitted_of(nodes[0], &w, 2);
    struct spent s = look(nodes[1], &w);
    assert_false(s.admitted);
    assert_true(s.reset > 59 * SECOND);
}

static void a_denial_is_remembered(void **state)
{
    (void)state;
    struct window w = fresh(3 * SECOND, 3, true);
    assert_int_equal(admitted_of(nodes[0], &w, 4), 3);
    int64_t trips = round_trips(), reset = spend(nodes[0], &w, 1).reset, asked = clock_mono();
    assert_int_equal(admitted_of(nodes[0], &w, 1000), 0);
    assert_int_equal(round_trips(), trips);
    assert_int_equal(metric_read(METRIC_LIMIT_ANSWERS, 3) >= 1001, 1);

    struct window higher = w;
    higher.limit = 4;
    assert_true(spend(nodes[0], &higher, 1).admitted); /* another limit is another question */
    higher.limit = 3;
    run_for(asked + reset - clock_mono_now() + 20000);
    spend(nodes[0], &w, 1);
    assert_true(round_trips() > trips + 1); /* not longer than the reset that was told */
}

/* ---- permits in hand ---- */

static void a_large_limit_asks_rarely(void **state)
{
    (void)state;
    struct window w = fresh(HOUR, 1000, false);
    int64_t trips = round_trips();
    for (int i = 0; i < 1000; i++)
        assert_int_equal(spend(nodes[0], &w, 1).left, 999 - i);
    assert_int_equal(round_trips() - trips, (1000 + 15) / 16);
    struct spent s = spend(nodes[0], &w, 1);
    assert_false(s.admitted);
    assert_false(spend(nodes[1], &w, 1).admitted);

    struct window strict = fresh(HOUR, 1000, true);
    trips = round_trips();
    admitted_of(nodes[0], &strict, 10);
    assert_int_equal(round_trips() - trips, 10);
}

static struct spent outs[MANY];
static struct wait waits[MANY];

/* All at once, before any answer. */
static int spend_many(struct windows *ws, const struct window *want, int n, int tries)
{
    int admitted = 0;
    clock_tick();
    for (int i = 0; i < tries; i++) {
        wait_init(&waits[i], woken);
        window_spend(ws, want, n, clock_mono(), &outs[i], &waits[i]);
    }
    loop_run();
    for (int i = 0; i < tries; i++) {
        assert_false(waits[i].open);
        assert_int_equal(outs[i].err, OK);
        admitted += outs[i].admitted;
    }
    return admitted;
}

static void who_comes_during_a_call_waits_for_it(void **state)
{
    (void)state;
    struct window w = fresh(HOUR, 1000, false);
    int64_t trips = round_trips();
    assert_int_equal(spend_many(nodes[0], &w, 1, MANY), MANY);
    assert_int_equal(round_trips() - trips, 2); /* the second takes enough for all who wait */
    for (int i = 0; i < 16; i++)
        assert_int_equal(outs[i].left, 999 - i);

    struct window small = fresh(HOUR, 600, false), both[] = { w, small };
    assert_int_equal(admitted_of(nodes[1], &small, 595), 595);
    assert_int_equal(spend_many(nodes[0], both, 2, MANY), 0); /* 5 are in hand of the other node */
    windows_free(nodes[1]);
    free(parts[1]);
    nodes[1] = windows_on(1, clients[1]);
    window_return(nodes[0], &small, 1, clock_mono()); /* forgets the denial */
    assert_int_equal(spend_many(nodes[0], both, 2, MANY), 6);
}

static void what_is_left_in_hand_is_given_back(void **state)
{
    (void)state;
    struct window w = fresh(HOUR, 1200, false), quick = fresh(3 * SECOND, 1200, false);
    assert_true(spend(nodes[0], &w, 1).admitted);
    assert_int_equal(look(nodes[1], &w).left, 1180); /* 20 were taken */
    windows_free(nodes[0]);
    free(parts[0]);
    nodes[0] = windows_on(0, clients[0]);
    run_for(1000);
    assert_int_equal(look(nodes[1], &w).left, 1199);

    assert_true(spend(nodes[0], &quick, 1).admitted);
    run_for(160000); /* 3 buckets are over */
    assert_true(spend(nodes[0], &quick, 1).admitted);
    assert_int_equal(look(nodes[1], &quick).left, 1179); /* 1 spent, and 20 */
}

/* ---- giving back ---- */

static void a_returned_permit_can_be_spent_again(void **state)
{
    (void)state;
    struct window both[] = { fresh(HOUR, 3, true), fresh(HOUR, 20, true) };
    for (int i = 0; i < 50; i++) {
        assert_true(spend(nodes[i % 2], both, 2).admitted);
        window_return(nodes[i % 2], both, 2, clock_mono());
    }
    assert_int_equal(admitted_of(nodes[0], &both[0], 5), 3);
    window_return(nodes[0], both, 1, clock_mono());
    assert_int_equal(admitted_of(nodes[0], &both[0], 2), 1); /* the denial is forgotten */
}

/* If the newest were given back, the permit that counts would leave when the returned one should. */
static void a_return_never_makes_a_permit_leave_sooner(void **state)
{
    (void)state;
    struct window w = fresh(3 * SECOND, 2, true);
    spend(nodes[0], &w, 1); /* is returned later */
    run_for(1500 * 1000);
    spend(nodes[0], &w, 1); /* counts */
    window_return(nodes[0], &w, 1, clock_mono());
    assert_int_equal(look(nodes[0], &w).left, 1);
    run_for(1700 * 1000);
    assert_int_equal(look(nodes[0], &w).left, 1);
}

static void a_cleared_window_is_empty(void **state)
{
    (void)state;
    struct window w = fresh(HOUR, 3, true), large = fresh(HOUR, 600, false);
    assert_int_equal(admitted_of(nodes[0], &w, 4), 3);
    window_clear(nodes[0], &w, clock_mono());
    assert_int_equal(admitted_of(nodes[0], &w, 4), 3);

    assert_int_equal(admitted_of(nodes[0], &large, 5), 5);
    window_clear(nodes[0], &large, clock_mono());
    assert_int_equal(admitted_of(nodes[0], &large, 650), 600);
}

/* ---- Redis lost ---- */

static struct forwarder between;
static struct redis *far;
static struct windows *ws;
static void *part;

static int begin_far(void **state)
{
    (void)state;
    forwarder_init(&between, redis_address());
    far = connected_to(between.url);
    part = aligned_alloc(64, (windows_size(1000) + 63) / 64 * 64);
    memset(part, 0, windows_size(1000));
    ws = windows_new(part, 1000, far);
    return 0;
}

static int end_far(void **state)
{
    (void)state;
    windows_free(ws);
    redis_close(far);
    forwarder_end(&between);
    free(part);
    return 0;
}

static void a_lost_redis_leaves_the_share_of_the_node(void **state)
{
    (void)state;
    struct window w = fresh(HOUR, 100, false), tight = fresh(HOUR, 100, true),
                  one = fresh(HOUR, 2, true), hand = fresh(HOUR, 600, false);
    windows_nodes(ws, 4);
    assert_int_equal(admitted_of(ws, &w, 10), 10);
    assert_true(spend(ws, &hand, 1).admitted);
    forwarder_end(&between);
    int64_t trips = round_trips(), begun = clock_mono_now();
    assert_int_equal(admitted_of(ws, &w, 200), 25);
    assert_int_equal(admitted_of(ws, &tight, 200), 12);
    assert_int_equal(admitted_of(ws, &one, 200), 1);
    assert_int_equal(admitted_of(ws, &hand, 200), 9 + 150); /* what is in hand, and the share */
    assert_true(clock_mono_now() - begun < SECOND);
    assert_true(round_trips() - trips <= 5);
    struct spent s = spend(ws, &w, 1);
    assert_false(s.admitted);
    assert_int_equal(s.limit, 25);
    assert_true(s.reset > HOUR - 2 * MINUTE);
    assert_int_equal(look(ws, &w).left, 0);

    forwarder_start(&between);
    assert_true(run_until(is_up, far, 3 * SECOND));
    assert_int_equal(admitted_of(ws, &w, 200), 90); /* what Redis knows of */
}

static void a_redis_that_hangs_is_no_reason_to_hang(void **state)
{
    (void)state;
    struct window w = fresh(HOUR, 1000, false), small = fresh(HOUR, 40, false);
    windows_nodes(ws, 2);
    assert_true(spend(ws, &small, 1).admitted);
    kill(between.pid, SIGSTOP);
    int64_t begun = clock_mono_now();
    assert_int_equal(spend_many(ws, &w, 1, MANY), MANY);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(outs[i].limit, 500);
    int64_t took = clock_mono_now() - begun;
    assert_true(took > 200 * 1000 && took < 700 * 1000); /* one deadline, for all of them */

    begun = clock_mono_now();
    assert_int_equal(admitted_of(ws, &small, 100), 20);
    assert_true(clock_mono_now() - begun < 3 * SECOND); /* until the breaker opened */
    kill(between.pid, SIGCONT);
    assert_true(run_until(is_up, far, 3 * SECOND));
    assert_true(spend(ws, &w, 1).admitted);
    assert_int_equal(spend(ws, &w, 1).limit, 1000);
}

/* What it grants is stale on arrival: nobody may wait until it is his turn in the line. */
static void a_slow_redis_is_asked_for_all_at_once(void **state)
{
    (void)state;
    struct window w = fresh(600 * 1000, 1000, false); /* 3 buckets are 30 ms */
    forwarder_end(&between);
    run_for(20000);
    between.delay = 30000;
    forwarder_start(&between);
    assert_true(run_until(is_up, far, 3 * SECOND));
    int64_t begun = clock_mono_now();
    assert_int_equal(spend_many(ws, &w, 1, MANY), MANY);
    assert_true(clock_mono_now() - begun < 600 * 1000);
    assert_int_equal(spend(ws, &w, 1).limit, 1000); /* it is not lost */
}

static void while_redis_is_lost_a_return_goes_here(void **state)
{
    (void)state;
    struct window w = fresh(HOUR, 2, true);
    forwarder_end(&between);
    windows_nodes(ws, 1);
    run_for(20000);
    for (int i = 0; i < 10; i++) {
        assert_true(spend(ws, &w, 1).admitted);
        window_return(ws, &w, 1, clock_mono());
    }
    assert_int_equal(admitted_of(ws, &w, 3), 1);
    forwarder_start(&between);
}

#define test_far(f) cmocka_unit_test_setup_teardown(f, begin_far, end_far)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nodes_share_a_window),
        cmocka_unit_test(all_or_none_are_spent),
        cmocka_unit_test(a_look_spends_nothing),
        cmocka_unit_test(a_denial_is_remembered),
        cmocka_unit_test(a_large_limit_asks_rarely),
        cmocka_unit_test(who_comes_during_a_call_waits_for_it),
        cmocka_unit_test(what_is_left_in_hand_is_given_back),
        cmocka_unit_test(a_returned_permit_can_be_spent_again),
        cmocka_unit_test(a_return_never_makes_a_permit_leave_sooner),
        cmocka_unit_test(a_cleared_window_is_empty),
        test_far(a_lost_redis_leaves_the_share_of_the_node),
        test_far(a_redis_that_hangs_is_no_reason_to_hang),
        test_far(a_slow_redis_is_asked_for_all_at_once),
        test_far(while_redis_is_lost_a_return_goes_here),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
