#include "each.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "gen/stmt.h"
#include "heard.h"
#include "net/loop.h"

#include <stdio.h>

#define CHANNEL "bumps"
#define TICK_MS 100
#define BEAT_TICKS 3
#define REREAD_TICKS 4
#define REREAD_MARGIN (30 * SECOND) /* more than passes between a bump's row and its commit */
#define REREAD_MOST (10 * MINUTE)   /* rows are kept for longer than that */
#define TRUSTED (60 * SECOND)       /* so long after a reread the channel alone is enough */
#define SILENCE SECOND              /* of the channel, before it is made anew */
#define TOLD_MAX 256                /* bumps of one reread that Redis is told of one by one */

/* Cells of METRIC_FRESH_BUMPS. */
enum path { PUBLISHED, REREAD };

static struct heard heard;
static struct nodes nodes;

static struct {
    const struct jobs_setup *use;
    struct ticker *ticker;
    unsigned ticks;
    bool deaf; /* as it was last said */

    /* the rows of bumps */
    struct arena arena;
    struct rows rows;
    struct wait wait;
    int64_t asked_at;
    int64_t reread_at; /* all that was committed before has been applied; 0: not reread yet */

    /* the channel */
    int64_t subscribed_at; /* no message since is lost; 0: not subscribed */
    int64_t beat_at;       /* when a beat of ours was last heard */
    int64_t steady_since;  /* since when they are heard without a pause */
    int64_t silent_since;  /* since when one of them could have been heard */

    /* what Redis holds: stale as long as more is owed than paid */
    unsigned owed, paying, paid;
    enum err err;
    struct wait forgotten;
} fresh;

/* Whether Redis holds facts of the store that nodes share. */
static bool redis_holds(void)
{
    return fresh.use->redis && store_shared(fresh.use->store);
}

/* ---- what Redis holds, after it may have missed bumps ---- */

static void owe(void)
{
    fresh.owed++;
    epoch_doubt_all(clock_mono() + EPOCH_DOUBT);
}

static void forgotten(struct wait *w)
{
    (void)w;
    if (fresh.err == OK)
        fresh.paid = fresh.paying;
}

static void pay(void)
{
    if (!redis_up(fresh.use->redis))
        fresh.owed++;
    if (fresh.owed == fresh.paid)
        return;
    epoch_doubt_all(clock_mono() + EPOCH_DOUBT);
    if (fresh.forgotten.open || !redis_up(fresh.use->redis))
        return;
    fresh.paying = fresh.owed;
    wait_init(&fresh.forgotten, forgotten);
    cache_forget_shared(fresh.use->cache, &fresh.err, &fresh.forgotten);
}

/* Each worker doubts when it is connected (again): Redis may have lost what the others told it. */
static void connected(void)
{
    owe();
    if (fresh.use->first)
        pay();
}

/* ---- the rows of bumps ---- */

static void apply_row(int *told)
{
    struct str what = rows_text(&fresh.rows, COL_BUMP_LIST_WHAT);
    int64_t number = rows_int(&fresh.rows, COL_BUMP_LIST_NUMBER);
    if (!heard_first(&heard, number, what))
        return;
    /* Who wrote it may have died before telling Redis, or be cut off. Redis is told before we read anew. */
    if (redis_holds() && redis_up(fresh.use->redis) && (*told)++ < TOLD_MAX)
        cache_moved(fresh.use->cache, what, number);
    else if (redis_holds())
        owe();
    epoch_bump_what(what, redis_holds());

    struct uuid node = rows_uuid(&fresh.rows, COL_BUMP_LIST_NODE);
    if (!uuid_eq(&node, &fresh.use->node))
        metric_add(METRIC_FRESH_BUMPS, REREAD, 1);
}

/* At first, and after a gap that the rows do not reach over, there is no telling what was missed. */
static void forget_all(void)
{
    while (rows_next(&fresh.rows))
        heard_first(&heard, rows_int(&fresh.rows, COL_BUMP_LIST_NUMBER),
                    rows_text(&fresh.rows, COL_BUMP_LIST_WHAT));
    if (redis_holds())
        owe();
    epoch_bump_all();
}

static void reread(struct wait *w)
{
    (void)w;
    int told = 0;
    if (fresh.rows.err == OK) {
        if (!fresh.reread_at || fresh.asked_at - fresh.reread_at > REREAD_MOST)
            forget_all();
        while (rows_next(&fresh.rows))
            apply_row(&told);
        modes_hear();
        fresh.reread_at = fresh.asked_at;
        epoch_heard(fresh.asked_at);
    }
    rows_fini(&fresh.rows);
}

static void ask(void)
{
    if (fresh.wait.open)
        return;
    fresh.asked_at = clock_mono();
    int64_t gap = fresh.reread_at ? fresh.asked_at - fresh.reread_at : REREAD_MARGIN;
    int64_t since = REREAD_MARGIN + (gap < REREAD_MOST ? gap : REREAD_MOST);
    arena_reset(&fresh.arena);
    wait_init(&fresh.wait, reread);
    ask_bump_list(fresh.use->store, &fresh.arena, since, &fresh.rows, &fresh.wait);
}

/* ---- the channel ---- */

static void send_beat(void)
{
    char channel[64], beat[BEAT_BYTES];
    struct str prefix = redis_prefix(fresh.use->redis);
    snprintf(channel, sizeof(channel), "%.*s" CHANNEL, STR_ARG(prefix));
    beat_write(beat, &fresh.use->node, clock_mono());
    const struct str argv[] = { STR("PUBLISH"), str_of(channel), { beat, sizeof(beat) } };
    redis_ask(fresh.use->redis, sizeof(argv) / sizeof(argv[0]), argv, NULL, NULL);
}

/* What was published before a beat of ours has been heard by now, if none was lost since a reread that found the rest.
 */
static void own_beat(int64_t sent, int64_t now)
{
    if (now - fresh.beat_at > SILENCE)
        fresh.steady_since = now;
    fresh.beat_at = fresh.silent_since = now;
    bool whole = fresh.subscribed_at && fresh.reread_at >= fresh.subscribed_at;
    if (whole && now - fresh.reread_at <= TRUSTED && sent <= now)
        epoch_heard(sent);
}

static void count_nodes(int64_t now)
{
    int n = nodes_count(&nodes, now - fresh.steady_since > NODE_KEPT, now);
    windows_nodes(fresh.use->windows, n);
    metric_set(METRIC_FRESH_NODES, 0, n);
}

/* An empty message: the subscription is there (again), and what came before may be lost. */
static void news_came(struct str message)
{
    struct news news;
    int64_t now = clock_mono();
    if (message.n == 0) {
        fresh.subscribed_at = now;
    } else if (!news_read(message, &news)) {
        log_say(LOG_WARN, "freshness", "a message on the channel of bumps is not one of ours");
    } else if (news.beat) {
        nodes_heard(&nodes, &news.node, now);
        if (!uuid_eq(&news.node, &fresh.use->node))
            return;
        own_beat(news.sent, now);
        count_nodes(now);
    } else if (heard_first(&heard, news.number, news.what)) {
        epoch_bump_what(news.what, false);
        modes_hear();
        metric_add(METRIC_FRESH_BUMPS, PUBLISHED, 1);
    }
}

static void look_at_channel(int64_t now)
{
    if (!redis_up(fresh.use->redis))
        fresh.silent_since = now;
    if (now - fresh.silent_since <= SILENCE)
        return;
    fresh.silent_since = now;
    fresh.subscribed_at = 0;
    redis_resubscribe(fresh.use->redis);
}

/* ---- the first worker ---- */

static void show(int64_t now)
{
    int64_t age = now - epoch_last_heard();
    if (epoch_last_heard() == 0)
        return;
    metric_set(METRIC_FRESH_AGE, 0, age > 0 ? age : 0);
    if ((age > EPOCH_DEAF) == fresh.deaf)
        return;
    fresh.deaf = !fresh.deaf;
    if (fresh.deaf)
        log_say(LOG_WARN, "freshness", "other nodes are not heard: cached facts are not used");
    else
        log_say(LOG_INFO, "freshness", "other nodes are heard again");
}

static void tick(void *owner)
{
    (void)owner;
    int64_t now = clock_mono();
    unsigned ticks = fresh.ticks++;
    if (redis_holds())
        pay();
    if (fresh.use->redis && ticks % BEAT_TICKS == 0)
        send_beat();
    if (fresh.use->redis)
        look_at_channel(now);
    if (!store_shared(fresh.use->store))
        return;
    if (ticks % REREAD_TICKS == 0)
        ask();
    show(now);
}

void freshness_start(const struct jobs_setup *use)
{
    fresh.use = use;
    if (redis_holds()) {
        owe();
        redis_on_connect(use->redis, connected);
    }
    if (!use->first || (!use->redis && !store_shared(use->store)))
        return;
    fresh.silent_since = clock_mono();
    if (use->redis)
        redis_subscribe(use->redis, CHANNEL, news_came);
    fresh.ticker = ticker_new(TICK_MS, tick, NULL);
    tick(NULL);
}

void freshness_stop(void)
{
    ticker_free(fresh.ticker);
    fresh.ticker = NULL;
}

bool freshness_busy(void)
{
    return fresh.wait.open || fresh.forgotten.open;
}

void freshness_fini(void)
{
    rows_fini(&fresh.rows);
    arena_reset(&fresh.arena);
}
