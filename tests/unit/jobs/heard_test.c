/* What has been heard is known again, and nothing else is taken for it. */
#include "../base/unit.h"

#include "base/clock.h"

#include "../../../src/jobs/heard.h"

#define WHAT STR("\5\3abc")

static struct heard heard;

static int forget(void **state)
{
    (void)state;
    memset(&heard, 0, sizeof(heard));
    return 0;
}

static void a_bump_is_new_once(void **state)
{
    (void)state;
    for (int64_t number = 1; number <= HEARD_BUMPS; number++)
        assert_true(heard_first(&heard, number, WHAT));
    for (int64_t number = 1; number <= HEARD_BUMPS; number++)
        assert_false(heard_first(&heard, number, WHAT));
}

static void without_a_number_it_is_always_new(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        assert_true(heard_first(&heard, 0, WHAT) && heard_first(&heard, -1, WHAT));
}

/* Whoever is pushed out is heard a second time, never a new one taken for known. */
static void two_in_one_place_push_each_other_out(void **state)
{
    (void)state;
    int64_t one = 7, other = 7 + (int64_t)HEARD_BUMPS, third = 7 + ((int64_t)1 << 32);
    assert_true(heard_first(&heard, one, WHAT));
    assert_true(heard_first(&heard, other, WHAT));
    assert_true(heard_first(&heard, third, WHAT));
    assert_false(heard_first(&heard, third, WHAT));
    assert_true(heard_first(&heard, one, WHAT));
}

static void a_number_given_out_again_is_new(void **state)
{
    (void)state;
    assert_true(heard_first(&heard, 7, WHAT));
    assert_true(heard_first(&heard, 7, STR("\5\3abd")));
    assert_true(heard_first(&heard, 7, STR("\5\3abd\1\3abc")));
}

/* ---- messages ---- */

static const struct uuid here = { { 1, 2, 3 } }, there = { { 1, 2, 4 } };

static void a_beat_is_read_as_it_was_written(void **state)
{
    (void)state;
    char message[BEAT_BYTES];
    struct news news;
    beat_write(message, &here, 1234567890123456789);
    assert_true(news_read((struct str){ message, sizeof(message) }, &news));
    assert_true(news.beat && uuid_eq(&news.node, &here));
    assert_int_equal(news.sent, 1234567890123456789);
    for (size_t n = 0; n < sizeof(message); n++)
        assert_false(news_read((struct str){ message, n }, &news));
}

static void a_bump_is_a_number_and_what_it_moved(void **state)
{
    (void)state;
    struct news news;
    assert_true(news_read(STR("\0\0\0\0\0\0\2\1\5\3abc"), &news));
    assert_false(news.beat);
    assert_int_equal(news.number, 513);
    assert_true(str_eq(news.what, WHAT));
    assert_true(news_read(STR("\0\0\0\0\0\0\0\0\4\0"), &news));
    assert_int_equal(news.number, 0);
}

static void other_messages_are_not_ours(void **state)
{
    (void)state;
    char strange[BEAT_BYTES + 1];
    struct news news;
    memset(strange, 0xff, sizeof(strange));
    for (size_t n = 0; n <= sizeof(strange); n++)
        assert_false(news_read((struct str){ strange, n }, &news));
    assert_false(news_read(STR("\x80\0\0\0\0\0\0\1\4\0"), &news));
    assert_false(news_read(STR("\0\0\0\0\0\0\0\1"), &news));
}

/* ---- nodes ---- */

static struct uuid numbered(int n)
{
    struct uuid id = { { 9 } };
    memcpy(id.b + 4, &n, sizeof(n));
    return id;
}

static void distinct_nodes_count_while_they_are_heard(void **state)
{
    (void)state;
    struct nodes nodes = { 0 };
    assert_int_equal(nodes_count(&nodes, true, 0), 1);
    nodes_heard(&nodes, &here, 0);
    assert_int_equal(nodes_count(&nodes, true, 0), 1);
    nodes_heard(&nodes, &there, SECOND);
    nodes_heard(&nodes, &here, SECOND);
    assert_int_equal(nodes_count(&nodes, true, SECOND), 2);
    nodes_heard(&nodes, &here, 4 * SECOND);
    assert_int_equal(nodes_count(&nodes, true, SECOND + NODE_KEPT), 2);
    assert_int_equal(nodes_count(&nodes, true, SECOND + NODE_KEPT + 1), 1);
    nodes_heard(&nodes, &there, 7 * SECOND);
    assert_int_equal(nodes_count(&nodes, true, 7 * SECOND), 2);
}

/* Else each node would take all of a limit as its share as soon as Redis is lost. */
static void who_is_deaf_leaves_nobody_out(void **state)
{
    (void)state;
    struct nodes nodes = { 0 };
    nodes_heard(&nodes, &here, 0);
    nodes_heard(&nodes, &there, 0);
    assert_int_equal(nodes_count(&nodes, false, MINUTE), 2);
    assert_int_equal(nodes_count(&nodes, true, MINUTE), 1);
}

static void more_nodes_than_there_is_room_for(void **state)
{
    (void)state;
    struct nodes nodes = { 0 };
    for (int i = 0; i < NODES_MAX + 10; i++) {
        struct uuid id = numbered(i);
        nodes_heard(&nodes, &id, i);
    }
    assert_int_equal(nodes_count(&nodes, true, 0), NODES_MAX);
    struct uuid last = numbered(NODES_MAX - 1);
    nodes_heard(&nodes, &last, MINUTE);
    assert_int_equal(nodes_count(&nodes, true, MINUTE), 1);
    nodes_heard(&nodes, &here, MINUTE);
    assert_int_equal(nodes_count(&nodes, true, MINUTE), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_bump_is_new_once, forget),
        cmocka_unit_test(without_a_number_it_is_always_new),
        cmocka_unit_test_setup(two_in_one_place_push_each_other_out, forget),
        cmocka_unit_test_setup(a_number_given_out_again_is_new, forget),
        cmocka_unit_test(a_beat_is_read_as_it_was_written),
        cmocka_unit_test(a_bump_is_a_number_and_what_it_moved),
        cmocka_unit_test(other_messages_are_not_ours),
        cmocka_unit_test(distinct_nodes_count_while_they_are_heard),
        cmocka_unit_test(who_is_deaf_leaves_nobody_out),
        cmocka_unit_test(more_nodes_than_there_is_room_for),
    };
    return cmocka_run_group_tests_name("jobs/heard", tests, NULL, NULL);
}
