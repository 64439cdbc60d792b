/* Who holds the duty, when, and until when, with a store that answers as the test wants. */
#include "../base/unit.h"

#include "base/clock.h"
#include "gen/stmt.h"

static int64_t clock_now;
#define clock_mono() (clock_now)
#include "../../../src/jobs/duty.c"
#undef clock_mono

#include "net/loop.h"

#include "../../../src/store/result.h"

#include <unistd.h>

static struct {
    bool shared;
    int asked;
    const struct stmt *stmt;
    struct rows *rows;
    struct wait *wait;
} store;

bool store_shared(const struct store *s)
{
    (void)s;
    return store.shared;
}

void store_commit(struct store *s, const struct change *c, struct rows *out, struct wait *w)
{
    (void)s;
    assert_int_equal(c->n, 1);
    store.asked++;
    store.stmt = c->at[0].stmt;
    *out = (struct rows){ .stmt = store.stmt };
    store.rows = out;
    store.wait = w;
    wait_open(w);
}

/* Of the ask that waits; held: a row comes back. */
static void answer(enum err err, bool held)
{
    struct wait *w = store.wait;
    assert_non_null(w);
    store.wait = NULL;
    store.rows->err = err;
    /* the store's own clock is no matter of ours */
    if (held)
        assert_int_equal(rows_add(store.rows, &(struct value){ .type = VALUE_TIME, .i = 1 }), OK);
    wait_done(w);
    list_remove(&w->node);
    w->open = false;
    w->wake(w);
}

static const struct jobs_setup use = { .node = { { 7 } }, .first = true };

static void pass(int64_t time)
{
    clock_now += time;
    duty_turn(&use);
}

static int set_up(void **state)
{
    (void)state;
    memset(&duty, 0, sizeof(duty));
    memset(&store, 0, sizeof(store));
    store.shared = true;
    clock_now = HOUR;
    log_open(STDERR_FILENO, LOG_ERROR, LOG_JSON);
    return loop_init() == OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    duty_fini();
    loop_fini();
    arena_trim();
    return 0;
}

static void a_store_of_ones_own_is_never_asked(void **state)
{
    (void)state;
    store.shared = false;
    assert_false(duty_held());
    pass(SECOND);
    assert_true(duty_held());
    duty_stop();
    assert_int_equal(store.asked, 0);
    assert_false(duty_held());
}

static void it_is_held_from_the_answer_until_its_life_is_over(void **state)
{
    (void)state;
    pass(SECOND);
    assert_ptr_equal(store.stmt, &stmt_duty_take);
    assert_false(duty_held());
    int64_t asked = clock_now;
    pass(SECOND);
    answer(OK, true);
    assert_true(duty_held());
    pass(SECOND);
    assert_int_equal(store.asked, 1);
    pass(SECOND);
    assert_int_equal(store.asked, 2); /* and is not answered */
    clock_now = asked + LIFE - 1;
    assert_true(duty_held());
    clock_now = asked + LIFE;
    assert_false(duty_held());
}

static void it_is_renewed(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        pass(RENEW);
        answer(OK, true);
        assert_true(duty_held());
    }
    assert_int_equal(store.asked, 20);
}

static void a_failed_renewal_changes_nothing(void **state)
{
    (void)state;
    pass(RENEW);
    answer(OK, true);
    pass(RENEW);
    answer(ERR_UNAVAILABLE, false);
    assert_true(duty_held());
    pass(LIFE);
    answer(ERR_COMMIT_UNKNOWN, false);
    assert_false(duty_held());
}

static void it_is_another_s(void **state)
{
    (void)state;
    pass(RENEW);
    answer(OK, true);
    pass(RENEW);
    answer(OK, false);
    assert_false(duty_held());
}

static void who_leaves_gives_it_back(void **state)
{
    (void)state;
    pass(RENEW);
    answer(OK, true);
    duty_stop();
    assert_false(duty_held());
    assert_ptr_equal(store.stmt, &stmt_duty_give);
    assert_true(duty_busy());
    answer(OK, false);
    assert_false(duty_busy());
    duty_stop();
    assert_int_equal(store.asked, 2);
}

static void who_leaves_while_taking_gives_it_back_behind_that(void **state)
{
    (void)state;
    pass(RENEW);
    duty_stop();
    assert_int_equal(store.asked, 1);
    answer(OK, true);
    assert_false(duty_held());
    assert_ptr_equal(store.stmt, &stmt_duty_give);
    answer(OK, false);
    assert_false(duty_busy());
}

static void who_never_had_it_gives_nothing(void **state)
{
    (void)state;
    pass(RENEW);
    answer(OK, false);
    duty_stop();
    assert_int_equal(store.asked, 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_store_of_ones_own_is_never_asked),
        TEST(it_is_held_from_the_answer_until_its_life_is_over),
        TEST(it_is_renewed),
        TEST(a_failed_renewal_changes_nothing),
        TEST(it_is_another_s),
        TEST(who_leaves_gives_it_back),
        TEST(who_leaves_while_taking_gives_it_back_behind_that),
        TEST(who_never_had_it_gives_nothing),
    };
    return cmocka_run_group_tests_name("jobs/duty", tests, NULL, NULL);
}
