/* What cannot be written at once: nothing is done that is not written down, and nothing is written twice. */
#include "responses.h"

/* The number of a row that was not written is the next row's; otherwise rows would seem to be missing. */
static void numbers_have_no_gap(void **state)
{
    (void)state;
    anomaly_of(1, ANOMALY_RATE);
    int64_t number = store.sequence;
    answers(ERR_UNAVAILABLE);
    respond_retry();
    assert_int_equal(store.sequence, number);
    answers(OK);
    anomaly_of(2, ANOMALY_RATE);
    assert_int_equal(store.sequence, number + 1);
    answers(OK);
}

static void what_finds_no_memory_is_written_later(void **state)
{
    (void)state;
    anomaly_of(0, ANOMALY_RATE);
    int64_t number = store.sequence;
    answers(OK);
    bool happened = true;
    for (long n = 0; happened; n++) {
        int asked = store.asked;
        arena_trim();
        nomem_after(n);
        assert_int_equal(anomaly_of((uint8_t)(n + 1), ANOMALY_RATE).level, RESTRAINT_HALF);
        happened = nomem_happened();
        nomem_after(-1);
        assert_int_equal(store.asked, asked + !happened);
        assert_int_equal(respond_busy(), !happened);
        respond_retry();
        assert_int_equal(store.asked, asked + 1);
        assert_int_equal(store.sequence, ++number);
        answers(OK);
    }
    assert_int_equal(lost(), 0);
}

/* Each write's memory is given back; where tests have each allocation apart, that is seen. */
static void memory_is_given_back(void **state)
{
    (void)state;
    anomaly_of(1, ANOMALY_RATE);
    answers(OK);
    size_t held = arena_held();
    for (uint8_t i = 2; i < 10; i++) {
        anomaly_of(i, ANOMALY_RATE);
        answers(OK);
    }
    assert_int_equal(arena_held(), held);
}

static void in_the_end_nothing_waits(void **state)
{
    (void)state;
    anomaly_of(1, ANOMALY_RATE);
    answers(ERR_UNAVAILABLE);
    respond_fini();
    respond_retry();
    assert_int_equal(store.asked, 1);
}

static void one_after_the_other(void **state)
{
    (void)state;
    anomaly_of(1, ANOMALY_RATE);
    struct uuid first = store.row;
    anomaly_of(2, ANOMALY_ERRORS);
    assert_int_equal(store.asked, 1);
    answers(OK);
    assert_int_equal(store.asked, 2);
    assert_false(uuid_eq(&store.row, &first));
    assert_string_equal(store.said[3], "errors");
    answers(OK);
    assert_false(respond_busy());
}

static void a_store_that_is_away_is_tried_again(void **state)
{
    (void)state;
    static const enum err away[] = { ERR_UNAVAILABLE, ERR_OVERLOADED, ERR_COMMIT_UNKNOWN };
    anomaly_of(1, ANOMALY_RATE);
    struct uuid row = store.row;
    for (int i = 0; i < 3; i++) {
        answers(away[i]);
        assert_false(respond_busy()); /* not at once */
        respond_retry();
        assert_int_equal(store.asked, i + 2);
        assert_true(uuid_eq(&store.row, &row));
    }
    answers(ERR_EXISTS); /* the one of unknown outcome was made */
    respond_retry();
    assert_int_equal(store.asked, 4);
    assert_int_equal(lost(), 0);
}

static enum restraint_level level_of(uint8_t number)
{
    me.user_id.b[10] = number;
    return restraint_look(restraint_user(&me.user_id), clock_wall()).level;
}

static void what_can_never_be_written_is_let_go(void **state)
{
    (void)state;
    anomaly_of(1, ANOMALY_RATE);
    anomaly_of(2, ANOMALY_RATE);
    answers(ERR_INTERNAL);
    assert_int_equal(lost(), 1);
    assert_int_equal(level_of(1), RESTRAINT_RECORDED);
    assert_int_equal(store.asked, 2);
    answers(OK);
    assert_int_equal(lost(), 1);
    assert_int_equal(level_of(2), RESTRAINT_HALF);
}

static void a_minute_without_the_store_is_the_end_of_it(void **state)
{
    (void)state;
    ago = MINUTE + SECOND;
    anomaly_of(1, ANOMALY_RATE);
    ago = 0;
    assert_int_equal(level_of(1), RESTRAINT_HALF);
    answers(ERR_UNAVAILABLE);
    assert_int_equal(lost(), 1);
    assert_int_equal(level_of(1), RESTRAINT_RECORDED);
    respond_retry();
    assert_int_equal(store.asked, 1);
}

static void less_than_a_minute_is_not(void **state)
{
    (void)state;
    static const struct {
        int64_t ago;
        int lost;
    } rows[] = { { MINUTE - 1, 0 }, { MINUTE, 1 } };
    for (int i = 0; i < COUNT(rows); i++) {
        ago = rows[i].ago;
        anomaly_of((uint8_t)i, ANOMALY_RATE);
        ago = 0;
        answers(ERR_UNAVAILABLE);
        assert_int_equal(lost(), rows[i].lost);
        respond_fini();
    }
}

static void what_finds_no_room_is_not_done(void **state)
{
    (void)state;
    for (int i = 0; i < 64; i++)
        assert_int_equal(anomaly_of((uint8_t)i, ANOMALY_PROBES).level, RESTRAINT_BLOCK);
    assert_int_equal(anomaly_of(64, ANOMALY_PROBES).level, RESTRAINT_RECORDED);
    assert_int_equal(lost(), 1);
    for (int i = 0; i < 64; i++)
        answers(OK);
    assert_false(respond_busy());
    assert_int_equal(store.asked, 64);
    assert_int_equal(anomaly_of(64, ANOMALY_PROBES).level, RESTRAINT_BLOCK);
    answers(OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(numbers_have_no_gap),
        TEST(what_finds_no_memory_is_written_later),
        TEST(memory_is_given_back),
        TEST(in_the_end_nothing_waits),
        TEST(one_after_the_other),
        TEST(a_store_that_is_away_is_tried_again),
        TEST(what_can_never_be_written_is_let_go),
        TEST(a_minute_without_the_store_is_the_end_of_it),
        TEST(less_than_a_minute_is_not),
        TEST(what_finds_no_room_is_not_done),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
