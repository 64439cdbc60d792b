#include "net/loop.h"

#include "base/log.h"
#include "base/metric.h"
#include "unit.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

static struct {
    struct turn_hook hook;
    struct counted *answers; /* in this turn */
    int turns;
} hooked;

static void sleep_ms(int ms)
{
    nanosleep(&(struct timespec){ ms / 1000, ms % 1000 * 1000000L }, NULL);
}

static void work_ms(int ms)
{
    int64_t until = clock_mono_now() + ms * 1000;
    while (clock_mono_now() < until)
        ;
}

static void do_nothing(void *owner)
{
    (void)owner;
}

static void *post_later(void *wait)
{
    sleep_ms(50);
    wait_post(wait);
    return NULL;
}

/* ---- the turn ---- */

static void answer_in_hook(struct turn_hook *hook)
{
    (void)hook;
    hooked.turns++;
    if (hooked.answers)
        wait_done(&hooked.answers->wait);
    hooked.answers = NULL;
}

static void count_turns(struct counted *answers)
{
    hooked.hook.run = answer_in_hook;
    hooked.answers = answers;
    hooked.turns = 0;
    loop_each_turn(&hooked.hook);
}

static struct counted *answered_next;

static void let_hook_answer(struct wait *w)
{
    (void)w;
    hooked.answers = answered_next;
}

/* The loop would sleep on it until something else comes. */
static void what_a_hook_answers_is_woken_at_once(void **state)
{
    (void)state;
    struct counted c;
    int left = 1;
    counted_init(&c, &left);
    wait_open(&c.wait);
    count_turns(NULL);
    answered_next = &c;
    pthread_t thread;
    struct wait first;
    wait_init(&first, let_hook_answer);
    wait_open(&first);
    assert_int_equal(pthread_create(&thread, NULL, post_later, &first), 0);
    struct ticker *late = ticker_new(3000, stop_loop, NULL);

    int64_t begun = clock_mono_now();
    loop_run();
    assert_int_equal(c.woken, 1);
    assert_true(clock_mono_now() - begun < 2 * SECOND);
    pthread_join(thread, NULL);
    ticker_free(late);
}

static void answer(void *owner)
{
    struct counted *c = owner;
    if (c->wait.open)
        wait_done(&c->wait);
}

static void what_a_ticker_answers_is_woken_in_the_same_turn(void **state)
{
    (void)state;
    struct counted c;
    int left = 1;
    counted_init(&c, &left);
    wait_open(&c.wait);
    count_turns(NULL);
    struct ticker *t = ticker_new(20, answer, &c);
    loop_run();
    assert_int_equal(c.woken, 1);
    assert_true(hooked.turns <= 2);
    ticker_free(t);
}

static char said[8];

static void say(struct turn_hook *hook);

static struct turn_hook sayers[3] = { { NULL, say }, { NULL, say }, { NULL, say } };

static void say(struct turn_hook *hook)
{
    size_t n = strlen(said);
    if (n < 3)
        said[n] = (char)('a' + (hook - sayers));
    if (n == 2)
        loop_stop();
}

static void hooks_run_in_the_order_they_came(void **state)
{
    (void)state;
    struct ticker *t = ticker_new(1, do_nothing, NULL);
    loop_each_turn(&sayers[2]);
    loop_each_turn(&sayers[0]);
    loop_each_turn(&sayers[1]);
    loop_run();
    assert_string_equal(said, "cab");
    ticker_free(t);
}

static void go_on(struct wait *w)
{
    struct counted *c = LIST_OF(w, struct counted, wait);
    c->woken++;
    if (*c->left == 0)
        return;
    wait_open(w);
    wait_done(w);
}

static void end_chain(void *left)
{
    *(int *)left = 0;
    loop_stop();
}

/* Each wake answers the next wait: without a bound the ticker would never come. */
static void an_endless_chain_of_wakes_lets_others_run(void **state)
{
    (void)state;
    struct counted c;
    int left = 1;
    counted_init(&c, &left);
    c.wait.wake = go_on;
    wait_open(&c.wait);
    wait_done(&c.wait);
    count_turns(NULL);
    struct ticker *t = ticker_new(50, end_chain, &left);
    loop_run();
    assert_true(c.woken > 10000);
    assert_true(hooked.turns > 1);
    ticker_free(t);
}

static int64_t seen;

static void look_at_clock(void *owner)
{
    (void)owner;
    seen = clock_mono();
    loop_stop();
}

static void the_clock_is_fresh_in_a_ticker(void **state)
{
    (void)state;
    int64_t begun = clock_mono_now();
    struct ticker *t = ticker_new(50, look_at_clock, NULL);
    loop_run();
    assert_true(seen - begun >= 45 * 1000);
    ticker_free(t);
}

/* After some work: what that has left to be done later must not go on for ever. */
static void an_idle_loop_sleeps(void **state)
{
    (void)state;
    struct counted c;
    int left = -1;
    counted_init(&c, &left);
    wait_open(&c.wait);
    wait_done(&c.wait);
    count_turns(NULL);
    struct ticker *t = ticker_new(1000, stop_loop, NULL);
    loop_run();
    assert_int_equal(c.woken, 1);
    assert_true(hooked.turns <= 5);
    ticker_free(t);
}

/* ---- the end ---- */

static void a_stopping_loop_still_wakes_who_waits(void **state)
{
    (void)state;
    struct counted c;
    int left = -1;
    pthread_t thread;
    counted_init(&c, &left);
    wait_open(&c.wait);
    assert_int_equal(pthread_create(&thread, NULL, post_later, &c.wait), 0);
    loop_stop();
    loop_run();
    assert_int_equal(c.woken, 1);
    pthread_join(thread, NULL);
}

static void tickers_and_signals_do_not_keep_a_stopping_loop(void **state)
{
    (void)state;
    struct ticker *t = ticker_new(10, do_nothing, NULL);
    loop_stop();
    loop_run();
    ticker_free(t);
    ticker_free(NULL);
}

/* ---- tickers and signals ---- */

static struct ticker *own;
static int ticks;

static void tick_thrice(void *owner)
{
    (void)owner;
    if (++ticks == 3) {
        ticker_free(own);
        loop_stop();
    }
}

static void a_ticker_repeats_and_may_free_itself(void **state)
{
    (void)state;
    ticks = 0;
    own = ticker_new(5, tick_thrice, NULL);
    loop_run();
    assert_int_equal(ticks, 3);
}

static int signalled;

static void note_signal(int signum)
{
    signalled = signum;
    loop_stop();
}

static void raise_it(void *owner)
{
    (void)owner;
    if (!signalled)
        raise(SIGUSR1);
}

static void a_signal_runs_on_the_loop(void **state)
{
    (void)state;
    signalled = 0;
    assert_int_equal(loop_on_signal(SIGUSR1, note_signal), OK);
    struct ticker *t = ticker_new(5, raise_it, NULL);
    loop_run();
    assert_int_equal(signalled, SIGUSR1);
    ticker_free(t);
}

/* ---- log and metrics ---- */

static struct {
    int reading, ticks;
    struct ticker *ticker;
    int64_t written, seen; /* the second line: when */
} lines;

static void *read_lines(void *arg)
{
    char got[4096];
    int seen_lines = 0;
    while (seen_lines < 2) {
        ssize_t n = read(lines.reading, got, sizeof(got));
        if (n <= 0)
            break;
        for (ssize_t i = 0; i < n; i++)
            seen_lines += got[i] == '\n';
    }
    lines.seen = clock_mono_now();
    return arg;
}

static void write_line(void *owner)
{
    (void)owner;
    log_say(LOG_INFO, "line", "%d", ++lines.ticks);
    if (lines.ticks == 2) {
        lines.written = clock_mono_now();
        ticker_free(lines.ticker);
    }
}

/* The second line comes soon after a flush, and then the loop has nothing to do. */
static void a_line_waits_no_longer_than_100_ms(void **state)
{
    (void)state;
    int ends[2];
    pthread_t reader;
    assert_int_equal(pipe(ends), 0);
    memset(&lines, 0, sizeof(lines));
    lines.reading = ends[0];
    log_open(ends[1], LOG_INFO, LOG_JSON);
    assert_int_equal(pthread_create(&reader, NULL, read_lines, NULL), 0);
    lines.ticker = ticker_new(20, write_line, NULL);
    struct ticker *stop = ticker_new(1000, stop_loop, NULL);
    loop_run();
    ticker_free(stop);
    log_open(STDERR_FILENO, LOG_INFO, LOG_JSON);
    close(ends[1]);
    pthread_join(reader, NULL);
    close(ends[0]);
    assert_int_equal(lines.ticks, 2);
    assert_true(lines.seen - lines.written < 500 * 1000); /* 100 ms, and a slow machine */
}

static void work_once(void *owner)
{
    int *worked = owner;
    if (++*worked == 1)
        work_ms(30);
    else
        loop_stop();
}

static double turn_seconds(void)
{
    struct arena a = { 0 };
    struct text page = text_new(&a, 0);
    metric_page(&page);
    text_char(&page, '\0');
    const char *sum = strstr(page.p, "process_loop_turn_seconds_sum ");
    assert_non_null(sum);
    double seconds = strtod(strchr(sum, ' '), NULL);
    arena_reset(&a);
    arena_trim();
    return seconds;
}

/* The ticker runs before the poll, which then sleeps for 200 ms. */
static void a_turn_is_timed_without_its_sleep(void **state)
{
    (void)state;
    void *part = calloc(1, metric_size(1));
    int worked = 0;
    metric_init(part, 1);
    metric_use(0);
    struct ticker *t = ticker_new(200, work_once, &worked);
    loop_run();
    double seconds = turn_seconds();
    ticker_free(t);
    metric_init(NULL, 0);
    free(part);
    assert_true(seconds >= 0.030);
    assert_true(seconds < 0.150);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        test_on_loop(what_a_hook_answers_is_woken_at_once),
        test_on_loop(what_a_ticker_answers_is_woken_in_the_same_turn),
        test_on_loop(hooks_run_in_the_order_they_came),
        test_on_loop(an_endless_chain_of_wakes_lets_others_run),
        test_on_loop(the_clock_is_fresh_in_a_ticker),
        test_on_loop(an_idle_loop_sleeps),
        test_on_loop(a_stopping_loop_still_wakes_who_waits),
        test_on_loop(tickers_and_signals_do_not_keep_a_stopping_loop),
        test_on_loop(a_ticker_repeats_and_may_free_itself),
        test_on_loop(a_signal_runs_on_the_loop),
        test_on_loop(a_line_waits_no_longer_than_100_ms),
        test_on_loop(a_turn_is_timed_without_its_sleep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
