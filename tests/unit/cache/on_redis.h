/* on_redis.h: a loop and clients of the Redis at TEST_REDIS_URL, for tests that ask it; each program has a prefix of
 * its own there. loop_run() returns when every wait has been woken.
 */
#ifndef TESTS_CACHE_ON_REDIS_H
#define TESTS_CACHE_ON_REDIS_H

#include "../base/unit.h"

#include "base/clock.h"
#include "base/config.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/random.h"
#include "cache/redis.h"
#include "net/loop.h"
#include "net/wheel.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define HANGS_AFTER 100 /* seconds; then SIGALRM ends the program */

static char test_prefix[32];
static void *test_metrics;

static inline void woken(struct wait *w)
{
    (void)w;
}

static inline const char *redis_address(void)
{
    const char *url = getenv("TEST_REDIS_URL");
    if (!url)
        fail_msg("TEST_REDIS_URL names no Redis, such as redis://127.0.0.1:6379/0");
    return url;
}

static inline int begin_on_redis(void **state)
{
    uint64_t any;
    (void)state;
    alarm(HANGS_AFTER);
    random_bytes(&any, sizeof(any));
    snprintf(test_prefix, sizeof(test_prefix), "t%016llx:", (unsigned long long)any);
    test_metrics = calloc(1, metric_size(1));
    metric_init(test_metrics, 1);
    metric_use(0);
    log_open(STDERR_FILENO, LOG_ERROR, LOG_TEXT);
    config.redis_timeout_ms = 250;
    if (loop_init() != OK)
        return -1;
    wheel_init();
    loop_stop(); /* so that it runs only while someone waits */
    return 0;
}

static inline int end_on_redis(void **state)
{
    (void)state;
    wheel_fini();
    loop_fini();
    metric_init(NULL, 0);
    free(test_metrics);
    alarm(0);
    return 0;
}

/* ---- time on the loop ---- */

static struct {
    struct wait wait;
    bool (*done)(void *of);
    void *of;
    int64_t until;
    bool in_time;
} waiting;

static inline void look_at_clock(void *owner)
{
    (void)owner;
    waiting.in_time = waiting.done && waiting.done(waiting.of);
    if (waiting.wait.open && (waiting.in_time || clock_mono_now() >= waiting.until))
        wait_done(&waiting.wait);
}

/* Runs the loop until done(of), or for that long; says whether it was done. */
static inline bool run_until(bool (*done)(void *of), void *of, int64_t microseconds)
{
    waiting.done = done;
    waiting.of = of;
    waiting.until = clock_mono_now() + microseconds;
    wait_init(&waiting.wait, woken);
    wait_open(&waiting.wait);
    struct ticker *ticker = ticker_new(1, look_at_clock, NULL);
    loop_run();
    ticker_free(ticker);
    return waiting.in_time;
}

static inline void run_for(int64_t microseconds)
{
    run_until(NULL, NULL, microseconds);
}

static inline bool is_up(void *r)
{
    return redis_up(r);
}

static inline struct redis *connected_to(const char *url)
{
    struct redis *r;
    assert_int_equal(redis_open(&r, url, test_prefix), OK);
    if (!run_until(is_up, r, 3 * SECOND))
        fail_msg("no Redis answers at TEST_REDIS_URL");
    return r;
}

/* Asks one command and says what it answered first. */
static inline int64_t ask_int(struct redis *r, int argc, const struct str *argv)
{
    struct redis_reply reply = { 0 };
    struct wait w;
    wait_init(&w, woken);
    redis_ask(r, argc, argv, &reply, &w);
    loop_run();
    assert_int_equal(reply.err, OK);
    int64_t answer = reply.n > 0 && reply.at[0].type == REDIS_INT ? reply.at[0].i : -1;
    redis_reply_fini(&reply);
    return answer;
}

#endif
