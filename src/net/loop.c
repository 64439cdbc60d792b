/* net/loop.c: a turn is timers, prepare, poll, check; what ends a turn of ours happens in the check phase. */
#include "net/loop.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "uvloop.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define WAKES_MAX 10000           /* of one turn; then the sockets are looked at again */
#define LOG_EVERY (100 * 1000)    /* microseconds */
#define LOG_EVERY_MS (LOG_EVERY / 1000)
#define SIGNALS_MAX 8
#define CLOSING_TURNS 8           /* that the callbacks of closed handles may take */

struct signal_handle {
    uv_signal_t uv;
    void (*run)(int signum);
};

static struct {
    uv_loop_t uv;
    uv_async_t posted; /* keeps the loop running until it is to stop; the other handles here do not */
    uv_prepare_t prepare;
    uv_check_t check;
    uv_idle_t idle;    /* active while the poll may not sleep */
    uv_timer_t log;
    struct signal_handle signals[SIGNALS_MAX];
    int nsignals;
    struct turn_hook *hooks;
    bool open, stopping;
    bool awake;        /* this turn's clock has been read */
    int64_t woke;      /* when that was */
    int64_t worked;    /* microseconds of this turn's work before the poll */
    int64_t logged;    /* when the log was flushed */
} loop;

struct ticker {
    uv_timer_t uv;
    ticker_fn *run;
    void *owner;
};

uv_loop_t *loop_uv(void)
{
    return &loop.uv;
}

void loop_woke(void)
{
    if (loop.awake)
        return;
    clock_tick();
    loop.woke = clock_mono();
    loop.awake = true;
}

void loop_nudge(void)
{
    if (loop.open)
        uv_async_send(&loop.posted);
}

/* ---- the turn ---- */

/* A loop that is to stop still runs while someone waits: without its wake, what waits would never end. */
static void hold(void)
{
    if (!loop.stopping || waits_open() > 0)
        uv_ref((uv_handle_t *)&loop.posted);
    else
        uv_unref((uv_handle_t *)&loop.posted);
}

static void do_nothing(uv_idle_t *idle)
{
    (void)idle;
}

/* Timers and hooks may have answered waits since the last check phase: then the poll must not sleep. */
static void before_poll(uv_prepare_t *prepare)
{
    (void)prepare;
    if (loop.awake)
        loop.worked = clock_mono_now() - loop.woke;
    loop.awake = false; /* the poll may take long */

    if (waits_pending())
        uv_idle_start(&loop.idle, do_nothing);
    else
        uv_idle_stop(&loop.idle);
}

static void log_is_due(uv_timer_t *timer)
{
    (void)timer;
    loop_woke();
    loop.logged = 0;
}

/* Lines wait for 100 ms at most, and not at all when the loop was idle before. */
static void flush_log(void)
{
    if (clock_mono() - loop.logged < LOG_EVERY) {
        if (!uv_is_active((uv_handle_t *)&loop.log))
            uv_timer_start(&loop.log, log_is_due, LOG_EVERY_MS, 0);
        return;
    }
    log_flush();
    loop.logged = clock_mono();
    uv_timer_stop(&loop.log);
}

static void after_poll(uv_check_t *check)
{
    (void)check;
    loop_woke();
    waits_wake(WAKES_MAX);
    for (struct turn_hook *hook = loop.hooks; hook; hook = hook->next)
        hook->run(hook);
    flush_log();
    hold();

    metric_observe(METRIC_PROCESS_LOOP_LATE, 0, loop.worked + clock_mono_now() - loop.woke);
    loop.worked = 0;
    loop.awake = false;
}

static void were_posted(uv_async_t *async)
{
    (void)async;
    loop_woke();
    waits_collect();
}

void loop_each_turn(struct turn_hook *hook)
{
    struct turn_hook **end = &loop.hooks;
    while (*end)
        end = &(*end)->next;
    hook->next = NULL;
    *end = hook;
}

/* ---- life ---- */

static void quiet(void *handle)
{
    uv_unref(handle);
}

enum err loop_init(void)
{
    memset(&loop, 0, sizeof(loop));
    if (uv_loop_init(&loop.uv) < 0)
        return ERR_UNAVAILABLE;
    if (uv_async_init(&loop.uv, &loop.posted, were_posted) < 0) {
        must(uv_loop_close(&loop.uv) == 0);
        return ERR_UNAVAILABLE;
    }

    uv_prepare_init(&loop.uv, &loop.prepare);
    uv_check_init(&loop.uv, &loop.check);
    uv_idle_init(&loop.uv, &loop.idle);
    uv_timer_init(&loop.uv, &loop.log);
    quiet(&loop.prepare);
    quiet(&loop.check);
    quiet(&loop.idle);
    quiet(&loop.log);
    uv_prepare_start(&loop.prepare, before_poll);
    uv_check_start(&loop.check, after_poll);
    signal(SIGPIPE, SIG_IGN); /* a peer that is gone is an error of the write, not the end of the process */
    clock_tick();
    loop.open = true;
    return OK;
}

void loop_run(void)
{
    do {
        hold();
        uv_run(&loop.uv, UV_RUN_DEFAULT);
    } while (waits_open() > 0);
}

void loop_stop(void)
{
    loop.stopping = true;
    hold();
}

void loop_fini(void)
{
    if (!loop.open)
        return;
    loop.open = false;
    uv_close((uv_handle_t *)&loop.posted, NULL);
    uv_close((uv_handle_t *)&loop.prepare, NULL);
    uv_close((uv_handle_t *)&loop.check, NULL);
    uv_close((uv_handle_t *)&loop.idle, NULL);
    uv_close((uv_handle_t *)&loop.log, NULL);
    for (int i = 0; i < loop.nsignals; i++)
        uv_close((uv_handle_t *)&loop.signals[i].uv, NULL);

    for (int i = 0; i < CLOSING_TURNS && uv_run(&loop.uv, UV_RUN_NOWAIT); i++)
        ;
    must(uv_loop_close(&loop.uv) == 0); /* else someone left a handle open */
    waits_forget();
}

/* ---- tickers and signals ---- */

static void ticked(uv_timer_t *timer)
{
    struct ticker *t = timer->data;
    loop_woke();
    t->run(t->owner);
}

struct ticker *ticker_new(uint64_t every_ms, ticker_fn *run, void *owner)
{
    struct ticker *t = malloc(sizeof(*t));
    if (!t)
        return NULL;
    t->run = run;
    t->owner = owner;
    uv_timer_init(&loop.uv, &t->uv);
    t->uv.data = t;
    quiet(&t->uv); /* what only ticks does not keep a stopping loop */
    uv_timer_start(&t->uv, ticked, every_ms, every_ms);
    return t;
}

static void ticker_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void ticker_free(struct ticker *t)
{
    if (t)
        uv_close((uv_handle_t *)&t->uv, ticker_closed);
}

static void signalled(uv_signal_t *uv, int signum)
{
    struct signal_handle *s = uv->data;
    loop_woke();
    s->run(signum);
}

enum err loop_on_signal(int signum, void (*run)(int signum))
{
    must(loop.nsignals < SIGNALS_MAX);
    struct signal_handle *s = &loop.signals[loop.nsignals];
    if (uv_signal_init(&loop.uv, &s->uv) < 0)
        return ERR_UNAVAILABLE;
    loop.nsignals++;
    s->run = run;
    s->uv.data = s;
    quiet(&s->uv);
    return uv_signal_start(&s->uv, signalled, signum) < 0 ? ERR_UNAVAILABLE : OK;
}
