#include "net/wait.h"

#include "unit.h"

#include <pthread.h>
#include <stdlib.h>

#define THREADS 4
#define EACH 2000

static int order[3], woken;

struct numbered {
    struct wait wait;
    int number;
};

static void note(struct wait *w)
{
    order[woken++] = LIST_OF(w, struct numbered, wait)->number;
    assert_false(w->open);
    if (woken == 3)
        loop_stop();
}

static void answers_wake_in_their_order_and_later(void **state)
{
    (void)state;
    struct numbered waits[3];
    woken = 0;
    for (int i = 0; i < 3; i++) {
        wait_init(&waits[i].wait, note);
        waits[i].number = i;
        wait_open(&waits[i].wait);
    }
    wait_done(&waits[1].wait);
    wait_done(&waits[2].wait);
    wait_done(&waits[0].wait);
    assert_int_equal(woken, 0);

    loop_run();
    assert_int_equal(woken, 3);
    assert_int_equal(order[0], 1);
    assert_int_equal(order[1], 2);
    assert_int_equal(order[2], 0);
}

static struct both both;
static bool woken_both;

static void both_here(struct wait *w)
{
    (void)w;
    woken_both = true;
    loop_stop();
}

static void half_does_not_wake(struct wait *w)
{
    (void)w;
    assert_false(woken_both);
    wait_done(&both.first);
}

static void a_pair_wakes_when_both_are_answered(void **state)
{
    (void)state;
    struct wait whole, later;
    woken_both = false;
    wait_init(&whole, both_here);
    wait_init(&later, half_does_not_wake);
    both_begin(&both, &whole);
    assert_true(whole.open);
    wait_open(&both.first);
    wait_open(&both.second);
    wait_open(&later);
    wait_done(&both.second);
    wait_done(&later);
    loop_run();
    assert_true(woken_both);
    assert_false(whole.open || both.first.open || both.second.open);
}

static struct counted many[THREADS * EACH];

static void *post_some(void *from)
{
    struct counted *c = from;
    for (int i = 0; i < EACH; i++)
        wait_post(&c[i].wait);
    return NULL;
}

static void every_post_of_every_thread_wakes_once(void **state)
{
    (void)state;
    int left = THREADS * EACH;
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS * EACH; i++) {
        counted_init(&many[i], &left);
        wait_open(&many[i].wait);
    }
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, post_some, &many[i * EACH]), 0);
    loop_run();
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < THREADS * EACH; i++)
        assert_int_equal(many[i].woken, 1);
}

static int rounds;

static void ask_again(struct wait *w)
{
    if (--rounds == 0) {
        free(w); /* it may go in its own wake */
        loop_stop();
        return;
    }
    wait_open(w);
    wait_done(w);
}

static void a_wake_may_ask_again_and_may_free(void **state)
{
    (void)state;
    struct wait *w = malloc(sizeof(*w));
    assert_non_null(w);
    wait_init(w, ask_again);
    rounds = 100;
    wait_open(w);
    wait_done(w);
    loop_run();
    assert_int_equal(rounds, 0);
}

static void do_nothing(struct wait *w)
{
    (void)w;
}

static void ask_twice(void)
{
    struct wait w;
    wait_init(&w, do_nothing);
    wait_open(&w);
    wait_open(&w);
}

static void answer_what_nobody_asked(void)
{
    struct wait w;
    wait_init(&w, do_nothing);
    wait_done(&w);
}

static void post_what_nobody_asked(void)
{
    struct wait w;
    wait_init(&w, do_nothing);
    wait_post(&w);
}

static void asking_twice_or_answering_unasked_is_a_bug(void **state)
{
    (void)state;
    assert_true(dies(ask_twice));
    assert_true(dies(answer_what_nobody_asked));
    assert_true(dies(post_what_nobody_asked));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        test_on_loop(answers_wake_in_their_order_and_later),
        test_on_loop(a_pair_wakes_when_both_are_answered),
        test_on_loop(every_post_of_every_thread_wakes_once),
        test_on_loop(a_wake_may_ask_again_and_may_free),
        cmocka_unit_test(asking_twice_or_answering_unasked_is_a_bug),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
