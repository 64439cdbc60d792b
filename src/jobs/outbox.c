#include "each.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "gen/stmt.h"
#include "net/loop.h"

#include <stdio.h>

#define STREAM "events"
#define KEPT "100000" /* events that the stream holds, about */
#define LISTED 100
#define SLICE 16 /* events of one script (REDIS_ARGS_MAX) and one change (CHANGE_MAX) */
#define FIELDS 6
#define TURN_MS 200
#define IDLE_TURNS 5 /* between looks at an outbox that was empty */

/* All events of a slice or none, so that none overtakes another. */
static struct redis_script script = {
    .text = "for i = 2, #ARGV, 6 do "
            "redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', 'id', ARGV[i], "
            "'event', ARGV[i + 1], 'target', ARGV[i + 2], 'principal', ARGV[i + 3], "
            "'at', ARGV[i + 4], 'payload', ARGV[i + 5]) end "
            "return #ARGV"
};

static struct {
    const struct jobs_setup *use;
    struct ticker *ticker;
    unsigned idle;
    bool failed; /* as it was last said */

    struct arena arena;
    struct rows events;
    struct redis_reply reply;
    struct change change;
    struct rows done;
    struct wait wait;
    struct uuid ids[SLICE]; /* those in hand */
    int n;

    struct arena count_arena;
    struct rows count;
    struct wait counted;
} job;

static void say(enum err err)
{
    if ((err != OK) == job.failed)
        return;
    job.failed = !job.failed;
    if (job.failed)
        log_say(LOG_WARN, "outbox", "events cannot be handed on: %s", err_info(err)->code);
    else
        log_say(LOG_INFO, "outbox", "events are handed on again");
}

/* What is left stays in the store, for the next turn. */
static void end(enum err err)
{
    say(err);
    rows_fini(&job.events);
}

static struct str id_text(struct uuid id)
{
    char *p = uuid_nil(&id) ? NULL : arena_alloc(&job.arena, UUID_TEXT);
    if (p)
        uuid_format(&id, p);
    return (struct str){ p, p ? UUID_TEXT : 0 };
}

static struct str time_text(int64_t at)
{
    char *p = arena_alloc(&job.arena, CLOCK_RFC3339);
    if (p)
        clock_format(at, p);
    return (struct str){ p, p ? CLOCK_RFC3339 : 0 };
}

static void list(void);
static void handed(struct wait *w);

/* The next slice, to Redis. */
static void hand(void)
{
    char stream[64];
    _Static_assert(SLICE <= CHANGE_MAX && 2 + SLICE * FIELDS <= REDIS_ARGS_MAX, "a slice fits");
    struct str argv[2 + SLICE * FIELDS];
    struct str prefix = redis_prefix(job.use->redis);
    bool more = job.events.count == LISTED;

    snprintf(stream, sizeof(stream), "%.*s" STREAM, STR_ARG(prefix));
    arena_reset(&job.arena);
    argv[0] = str_of(stream);
    argv[1] = STR(KEPT);
    for (job.n = 0; job.n < SLICE && rows_next(&job.events); job.n++) {
        struct str *field = &argv[2 + job.n * FIELDS];
        job.ids[job.n] = rows_uuid(&job.events, COL_OUTBOX_ID);
        field[0] = id_text(job.ids[job.n]);
        field[1] = rows_text(&job.events, COL_OUTBOX_EVENT);
        field[2] = id_text(rows_uuid(&job.events, COL_OUTBOX_TARGET));
        field[3] = id_text(rows_uuid(&job.events, COL_OUTBOX_PRINCIPAL_ID));
        field[4] = time_text(rows_int(&job.events, COL_OUTBOX_AT));
        field[5] = rows_text(&job.events, COL_OUTBOX_PAYLOAD);
    }
    if (job.arena.failed || !duty_held() || job.n == 0) {
        end(job.arena.failed ? ERR_NO_MEMORY : OK);
        if (more && duty_held() && job.n == 0)
            list();
        return;
    }
    wait_init(&job.wait, handed);
    redis_run(job.use->redis, &script, 1, 2 + job.n * FIELDS, argv, &job.reply, &job.wait);
}

static void done(struct wait *w)
{
    (void)w;
    enum err err = job.done.err;
    rows_fini(&job.done);
    if (err == OK)
        hand();
    else
        end(err); /* they will be handed on a second time */
}

static void handed(struct wait *w)
{
    (void)w;
    enum err err = job.reply.err;
    redis_reply_fini(&job.reply);
    if (err != OK) {
        end(err);
        return;
    }
    metric_add(METRIC_OUTBOX_SENT, 0, (uint64_t)job.n);
    arena_reset(&job.arena);
    change_init(&job.change, &job.arena);
    for (int i = 0; i < job.n; i++)
        add_outbox_done(&job.change, &job.ids[i]);
    wait_init(&job.wait, done);
    store_commit(job.use->store, &job.change, &job.done, &job.wait);
}

static void listed(struct wait *w)
{
    (void)w;
    if (job.events.err != OK) {
        end(job.events.err);
        return;
    }
    job.idle = job.events.count > 0 ? 0 : IDLE_TURNS;
    if (job.events.count > 0)
        hand();
    else
        rows_fini(&job.events);
}

static void list(void)
{
    arena_reset(&job.arena);
    wait_init(&job.wait, listed);
    ask_outbox_list(job.use->store, &job.arena, LISTED, &job.events, &job.wait);
}

static void turn(void *owner)
{
    (void)owner;
    if (job.idle > 0)
        job.idle--;
    if (job.idle == 0 && !job.wait.open && duty_held() && redis_up(job.use->redis))
        list();
}

void outbox_start(const struct jobs_setup *use)
{
    job.use = use;
    if (use->redis)
        job.ticker = ticker_new(TURN_MS, turn, NULL);
}

/* ---- how many there are ---- */

static void counted(struct wait *w)
{
    (void)w;
    if (job.count.err == OK && rows_next(&job.count))
        metric_set(METRIC_OUTBOX_WAITING, 0, rows_int(&job.count, COL_OUTBOX_COUNT_N));
    rows_fini(&job.count);
}

void outbox_show(void)
{
    if (!job.ticker || job.counted.open)
        return;
    if (!duty_held()) { /* who has the duty shows them: the sum over the nodes is right */
        metric_set(METRIC_OUTBOX_WAITING, 0, 0);
        return;
    }
    arena_reset(&job.count_arena);
    wait_init(&job.counted, counted);
    ask_outbox_count(job.use->store, &job.count_arena, &job.count, &job.counted);
}

/* ---- the end ---- */

void outbox_stop(void)
{
    ticker_free(job.ticker);
    job.ticker = NULL;
}

bool outbox_busy(void)
{
    return job.wait.open || job.counted.open;
}

void outbox_fini(void)
{
    redis_reply_fini(&job.reply);
    rows_fini(&job.events);
    rows_fini(&job.done);
    rows_fini(&job.count);
    arena_reset(&job.arena);
    arena_reset(&job.count_arena);
}
