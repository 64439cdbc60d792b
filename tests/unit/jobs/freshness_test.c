/* What a node hears of the others, with a store and a Redis that answer as the test wants. */
#include "../base/unit.h"

#include "base/clock.h"
#include "base/metric.h"
#include "gen/stmt.h"

static int64_t clock_now;
#define clock_mono() (clock_now)
#include "../../../src/jobs/freshness.c"
#undef clock_mono

#include "../../../src/store/result.h"

#include <stdlib.h>
#include <unistd.h>

#define WHAT STR("\1\3abc") /* a user */

/* ---- the others ---- */

static struct {
    bool shared, up;
    struct rows *rows; /* of the ask that waits, */
    struct wait *ask;
    int64_t since;
    struct wait *forget;
    enum err *forget_err;
    void (*heard)(struct str message);
    void (*connected)(void);
    int told, forgets, beats, subscribes, nodes, heard_modes;
    bool told_late; /* the epoch had moved already */
    struct epochs user;
} other;

bool store_shared(const struct store *s)
{
    (void)s;
    return other.shared;
}

void store_ask(struct store *s, const struct stmt *stmt, const struct value *params,
               struct rows *out, struct wait *w)
{
    (void)s;
    assert_ptr_equal(stmt, &stmt_bump_list);
    *out = (struct rows){ .stmt = stmt };
    other.rows = out;
    other.since = params[0].i;
    other.ask = w;
    wait_open(w);
}

bool redis_up(const struct redis *r)
{
    (void)r;
    return other.up;
}

struct str redis_prefix(const struct redis *r)
{
    (void)r;
    return STR("t:");
}

void redis_ask(struct redis *r, int argc, const struct str *argv, struct redis_reply *out,
               struct wait *w)
{
    (void)r;
    (void)w;
    assert_true(argc == 3 && !out && str_eq(argv[0], STR("PUBLISH")));
    assert_true(str_eq(argv[1], STR("t:bumps")) && argv[2].n == BEAT_BYTES);
    other.beats++;
}

void redis_subscribe(struct redis *r, const char *channel, void (*heard_by)(struct str message))
{
    (void)r;
    assert_string_equal(channel, "bumps");
    other.heard = heard_by;
}

void redis_resubscribe(struct redis *r)
{
    (void)r;
    other.subscribes++;
}

void redis_on_connect(struct redis *r, void (*call)(void))
{
    (void)r;
    other.connected = call;
}

void cache_moved(struct cache *c, struct str what, int64_t number)
{
    (void)c;
    assert_true(what.n > 2 && number > 0);
    other.told++;
    other.told_late = epochs_moved(&other.user);
}

void cache_forget_shared(struct cache *c, enum err *err, struct wait *w)
{
    (void)c;
    other.forgets++;
    other.forget_err = err;
    other.forget = w;
    wait_open(w);
}

void windows_nodes(struct windows *ws, int n)
{
    (void)ws;
    other.nodes = n;
}

/* After the epochs have moved: it looks at them. */
void modes_hear(void)
{
    other.heard_modes += epochs_moved(&other.user);
}

/* ---- what happens ---- */

static struct jobs_setup setup;
static void *epoch_room, *metric_room;
static const struct uuid here = { { 1 } }, there = { { 2 } };

/* Wakes who waits; the loop does that otherwise. */
static void wake(struct wait **w)
{
    assert_non_null(*w);
    struct wait *woken = *w;
    *w = NULL;
    wait_done(woken);
    list_remove(&woken->node);
    woken->open = false;
    woken->wake(woken);
}

static void row(int64_t number, struct str what)
{
    const struct value values[] = {
        { .type = VALUE_INT, .i = number },
        { .type = VALUE_UUID, .uuid = there },
        { .type = VALUE_BYTES, .text = what },
    };
    assert_int_equal(rows_add(other.rows, values), OK);
}

static void answer(enum err err)
{
    other.rows->err = err;
    wake(&other.ask);
}

static void forgot(enum err err)
{
    *other.forget_err = err;
    wake(&other.forget);
}

static void pass(int64_t time)
{
    for (int64_t i = 0; i < time; i += TICK_MS * 1000) {
        clock_now += TICK_MS * 1000;
        tick(NULL);
    }
}

static void hear_beat(const struct uuid *node, int64_t sent)
{
    char message[BEAT_BYTES];
    beat_write(message, node, sent);
    other.heard((struct str){ message, sizeof(message) });
}

static void hear_bump(int64_t number)
{
    char message[13] = "\0\0\0\0\0\0\0\0\1\3abc";
    message[6] = (char)(number >> 8);
    message[7] = (char)number;
    other.heard((struct str){ message, sizeof(message) });
}

static void watch_user(void)
{
    other.user = (struct epochs){ 0 };
    epochs_add(&other.user, EPOCH_USER, "abc", 3);
}

/* Everything is up, and has been asked once. */
static int begin(void **state)
{
    (void)state;
    memset(&fresh, 0, sizeof(fresh));
    memset(&heard, 0, sizeof(heard));
    memset(&nodes, 0, sizeof(nodes));
    memset(&other, 0, sizeof(other));
    epoch_room = calloc(1, epoch_size());
    epoch_init(epoch_room);
    epoch_listen();
    metric_room = calloc(1, metric_size(1));
    metric_init(metric_room, 1);
    metric_use(0);
    other.shared = other.up = true;
    clock_now = HOUR;
    setup = (struct jobs_setup){ .redis = (struct redis *)&other, .node = here, .first = true };
    log_open(STDERR_FILENO, LOG_ERROR, LOG_JSON);
    assert_int_equal(loop_init(), OK);
    freshness_start(&setup);
    freshness_stop();
    other.heard(STR_NONE);
    answer(OK);
    forgot(OK);
    pass(SECOND / 10);
    forgot(OK);
    watch_user();
    return 0;
}

static int end(void **state)
{
    (void)state;
    freshness_fini();
    loop_fini();
    arena_trim();
    free(epoch_room);
    free(metric_room);
    return 0;
}

/* ---- rereads ---- */

static void a_reread_is_as_good_as_the_time_it_was_asked_at(void **state)
{
    (void)state;
    pass(SECOND / 2);
    int64_t asked = fresh.asked_at;
    pass(SECOND / 5);
    assert_int_equal(epoch_last_heard(), HOUR);
    answer(OK);
    assert_int_equal(epoch_last_heard(), asked);
    assert_true(asked > HOUR && asked < clock_now);
}

static void what_was_missed_meanwhile_is_read_next_time(void **state)
{
    (void)state;
    pass(SECOND / 2);
    answer(ERR_UNAVAILABLE);
    assert_int_equal(epoch_last_heard(), HOUR);
    pass(2 * MINUTE);
    answer(ERR_UNAVAILABLE);
    pass(SECOND / 2);
    assert_int_equal(other.since, fresh.asked_at - HOUR + REREAD_MARGIN);
    answer(OK);
    assert_false(epochs_moved(&other.user));
}

static void after_longer_than_rows_are_kept_everything_is_stale(void **state)
{
    (void)state;
    pass(SECOND / 2);
    answer(ERR_UNAVAILABLE);
    clock_now += REREAD_MOST;
    pass(SECOND / 2);
    assert_int_equal(other.since, REREAD_MOST + REREAD_MARGIN);
    answer(OK);
    assert_true(epochs_moved(&other.user));
    pass(SECOND / 10);
    assert_non_null(other.forget);
}

static void at_first_everything_is_stale(void **state)
{
    (void)state;
    fresh.reread_at = 0;
    pass(SECOND / 2);
    answer(OK);
    assert_true(epochs_moved(&other.user));
}

static void a_row_that_nobody_told_of_is_passed_on_before_it_counts(void **state)
{
    (void)state;
    pass(SECOND / 2);
    row(7, WHAT);
    answer(OK);
    assert_int_equal(other.told, 1);
    assert_int_equal(other.heard_modes, 1);
    assert_false(other.told_late);
    assert_true(epochs_moved(&other.user));
    watch_user();
    assert_true(epochs_doubtful(&other.user));
    assert_int_equal(metric_read(METRIC_FRESH_BUMPS, REREAD), 1);

    pass(SECOND / 2);
    row(7, WHAT);
    answer(OK);
    hear_bump(7);
    assert_int_equal(other.told, 1);
    assert_false(epochs_moved(&other.user));
}

static void a_row_that_was_told_of_counts_once(void **state)
{
    (void)state;
    hear_bump(7);
    assert_true(epochs_moved(&other.user));
    assert_int_equal(other.heard_modes, 1);
    assert_int_equal(metric_read(METRIC_FRESH_BUMPS, PUBLISHED), 1);
    watch_user();
    pass(SECOND / 2);
    row(7, WHAT);
    answer(OK);
    assert_false(epochs_moved(&other.user));
    assert_int_equal(other.told, 0);
}

/* ---- what Redis missed ---- */

static void what_redis_could_not_be_told_it_forgets(void **state)
{
    (void)state;
    pass(SECOND / 2);
    other.up = false;
    row(7, WHAT);
    answer(OK);
    assert_int_equal(other.told, 0);
    assert_true(epochs_moved(&other.user));
    int forgets = other.forgets;
    pass(SECOND);
    assert_int_equal(other.forgets, forgets);
    other.up = true;
    other.connected();
    assert_int_equal(other.forgets, forgets + 1);
    forgot(ERR_UNAVAILABLE);
    pass(SECOND / 10);
    assert_int_equal(other.forgets, forgets + 2);
    forgot(OK);
    pass(SECOND);
    assert_int_equal(other.forgets, forgets + 2);
}

/* What came while it was forgetting may have come too late for that. */
static void a_bump_missed_while_it_forgets_needs_another_time(void **state)
{
    (void)state;
    other.connected();
    int forgets = other.forgets;
    pass(SECOND / 2);
    other.up = false;
    row(7, WHAT);
    answer(OK);
    other.up = true;
    forgot(OK);
    pass(SECOND / 10);
    assert_int_equal(other.forgets, forgets + 1);
}

static void many_rows_at_once_are_forgotten_instead(void **state)
{
    (void)state;
    pass(SECOND / 2);
    for (int i = 1; i <= TOLD_MAX + 10; i++)
        row(i, WHAT);
    answer(OK);
    assert_int_equal(other.told, TOLD_MAX);
    pass(SECOND / 10);
    assert_non_null(other.forget);
}

/* ---- the channel ---- */

static void beats_do_where_the_store_does_not_answer(void **state)
{
    (void)state;
    pass(SECOND / 2);
    answer(OK);
    for (int i = 0; i < 80; i++) {
        pass(SECOND / 10 * 3);
        hear_beat(&there, clock_now);
        assert_true(epoch_last_heard() < clock_now);
        hear_beat(&here, clock_now - 1000);
        assert_int_equal(epoch_last_heard(), clock_now - 1000);
    }
    assert_true(other.beats >= 80);
    hear_beat(&here, clock_now + SECOND); /* no clock of ours */
    assert_int_equal(epoch_last_heard(), clock_now - 1000);
}

static void but_not_for_long(void **state)
{
    (void)state;
    pass(SECOND / 2);
    answer(OK);
    int64_t asked = epoch_last_heard();
    while (clock_now <= asked + TRUSTED) {
        hear_beat(&here, clock_now);
        assert_int_equal(epoch_last_heard(), clock_now);
        pass(SECOND / 2);
    }
    hear_beat(&here, clock_now);
    assert_true(epoch_last_heard() < clock_now);
}

static void but_not_when_the_channel_was_broken_since(void **state)
{
    (void)state;
    pass(SECOND / 2);
    answer(OK);
    int64_t asked = epoch_last_heard();
    pass(SECOND / 2);
    other.heard(STR_NONE);
    hear_beat(&here, clock_now);
    assert_int_equal(epoch_last_heard(), asked);

    answer(OK); /* asked before that */
    asked = epoch_last_heard();
    hear_beat(&here, clock_now);
    assert_int_equal(epoch_last_heard(), asked);
    pass(SECOND / 2);
    answer(OK);
    hear_beat(&here, clock_now);
    assert_int_equal(epoch_last_heard(), clock_now);
}

static void a_silent_channel_is_made_anew(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++) {
        pass(SECOND / 2);
        hear_beat(&here, clock_now);
    }
    assert_int_equal(other.subscribes, 0);
    pass(SECOND + SECOND / 5);
    assert_int_equal(other.subscribes, 1);
    hear_beat(&here, clock_now);
    assert_true(epoch_last_heard() < clock_now);
    other.up = false;
    pass(5 * SECOND);
    assert_int_equal(other.subscribes, 1);
}

static void nodes_are_counted_by_their_beats(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        pass(SECOND / 2);
        hear_beat(&there, clock_now);
        hear_beat(&here, clock_now);
    }
    assert_int_equal(other.nodes, 2);
    pass(MINUTE); /* nothing at all is heard: it is this node that is cut off */
    hear_beat(&here, clock_now);
    assert_int_equal(other.nodes, 2);
    for (int i = 0; i < 12; i++) {
        pass(SECOND / 2);
        hear_beat(&here, clock_now);
    }
    assert_int_equal(other.nodes, 1);
    assert_int_equal(metric_read(METRIC_FRESH_NODES, 0), 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_reread_is_as_good_as_the_time_it_was_asked_at),
        TEST(what_was_missed_meanwhile_is_read_next_time),
        TEST(after_longer_than_rows_are_kept_everything_is_stale),
        TEST(at_first_everything_is_stale),
        TEST(a_row_that_nobody_told_of_is_passed_on_before_it_counts),
        TEST(a_row_that_was_told_of_counts_once),
        TEST(what_redis_could_not_be_told_it_forgets),
        TEST(a_bump_missed_while_it_forgets_needs_another_time),
        TEST(many_rows_at_once_are_forgotten_instead),
        TEST(beats_do_where_the_store_does_not_answer),
        TEST(but_not_for_long),
        TEST(but_not_when_the_channel_was_broken_since),
        TEST(a_silent_channel_is_made_anew),
        TEST(nodes_are_counted_by_their_beats),
    };
    return cmocka_run_group_tests_name("jobs/freshness", tests, NULL, NULL);
}
