#include "pool.h"

#include "base/clock.h"
#include "base/config.h"
#include "base/log.h"
#include "base/metric.h"
#include "postgres.h"

#include <stdio.h>
#include <stdlib.h>

#define TIMEOUT_MS 5000         /* where no configuration was loaded */
#define AUTH_LIMIT (2 * SECOND) /* nobody waits longer for a sign-in */
#define LONG_LIMIT (30 * SECOND)
#define LOCK_LIMIT (2 * SECOND)
#define FULL 8                  /* asks under way on each connection: time for another */
#define FIRST_HOPE (3 * SECOND) /* for the first connections, from the start */
#define GROW_AGAIN SECOND       /* after a further connection failed */

/* Cells of METRIC_LANE_OPEN. */
enum { IN_USE, IDLE };

/* ---- life ---- */

static int64_t limit_of(enum lane id)
{
    int64_t ms = config.database_timeout_ms ? config.database_timeout_ms : TIMEOUT_MS;
    int64_t limit = ms * 1000;
    if (id == LANE_AUTH)
        return limit < AUTH_LIMIT ? limit : AUTH_LIMIT;
    if (id == LANE_ANALYTICS || id == LANE_BATCH)
        return limit > LONG_LIMIT ? limit : LONG_LIMIT;
    return limit;
}

/* The server gives a statement up before we do: then it is known what became of it. What we ask is short: to compile
 * it would take longer than to run it.
 */
static void options_make(struct pool *p)
{
    int64_t statement = p->limit - p->limit / 10;
    int64_t lock = statement < LOCK_LIMIT ? statement : LOCK_LIMIT;
    snprintf(p->options_text, sizeof(p->options_text),
             "-c statement_timeout=%lld -c lock_timeout=%lld"
             " -c idle_in_transaction_session_timeout=10000 -c jit=off",
             (long long)(statement / 1000), (long long)(lock / 1000));
    p->options = p->options_text;
}

enum err pool_init(struct pool *p, enum lane id, struct postgres *pg)
{
    *p = (struct pool){ .pg = pg, .id = id, .size = pg->setup.lanes[id], .limit = limit_of(id) };
    list_init(&p->queue);
    if (!pg->setup.pooler)
        options_make(p);
    if (p->size.most < 1)
        p->size.most = 1;
    if (p->size.least > p->size.most)
        p->size.least = p->size.most;
    p->links = calloc((size_t)p->size.most, sizeof(*p->links));
    if (!p->links)
        return ERR_NO_MEMORY;
    for (int i = 0; i < p->size.most; i++)
        link_init(&p->links[i], p);
    p->in[LINK_CLOSED] = p->size.most;
    return OK;
}

void pool_open(struct pool *p, int first, int n)
{
    p->hope = clock_mono_now() + FIRST_HOPE;
    for (int i = first; i < p->size.least && i < first + n; i++)
        link_open(&p->links[i]);
}

void pool_fini(struct pool *p)
{
    free(p->links);
}

/* ---- counting ---- */

static int in_use(const struct pool *p, int *depth)
{
    int used = 0;
    *depth = 0;
    for (int i = 0; i < p->size.most; i++) {
        used += p->links[i].pipe.depth > 0;
        *depth += p->links[i].pipe.depth;
    }
    return used;
}

static int open_links(const struct pool *p)
{
    return p->in[LINK_READY] + p->in[LINK_LEAVING];
}

static int coming(const struct pool *p)
{
    return p->in[LINK_RESOLVING] + p->in[LINK_CONNECTING] + p->in[LINK_PREPARING];
}

bool pool_asleep(const struct pool *p)
{
    return p->in[LINK_CLOSED] == p->size.most;
}

static void pool_gauge(const struct pool *p)
{
    int depth, used = in_use(p, &depth);
    metric_set(METRIC_LANE_OPEN, p->id * 2 + IN_USE, used);
    metric_set(METRIC_LANE_OPEN, p->id * 2 + IDLE, open_links(p) - used);
    metric_set(METRIC_LANE_QUEUED, p->id, p->queued);
    metric_set(METRIC_LANE_DEPTH, p->id, depth);
}

struct lane_health pool_look(const struct pool *p)
{
    int depth;
    return (struct lane_health){
        .up = p->in[LINK_READY] > 0 || (!p->size.least && !p->said),
        .open = open_links(p),
        .in_use = in_use(p, &depth),
        .queued = p->queued,
    };
}

static bool is_coming(enum link_state state)
{
    return state == LINK_RESOLVING || state == LINK_CONNECTING || state == LINK_PREPARING;
}

void pool_count(struct pool *p, enum link_state from, enum link_state to)
{
    p->in[from]--;
    p->in[to]++;
    if (from == LINK_READY && !p->in[LINK_READY])
        p->hope = clock_mono_now() + SECOND;
    p->pg->ready += (to == LINK_READY) - (from == LINK_READY);
    p->pg->coming += is_coming(to) - is_coming(from);
}

/* ---- what the links tell ---- */

bool pool_wants(const struct pool *p, const struct link *k)
{
    int others = p->size.most - p->in[LINK_CLOSED] - (k->state != LINK_CLOSED);
    return others < p->size.least;
}

bool pool_spares(const struct pool *p)
{
    return p->in[LINK_READY] > p->size.least;
}

void pool_ready(struct pool *p)
{
    metric_add(METRIC_LANE_CONNECTS, p->id, 1);
    p->met = true;
    if (p->said)
        log_say(LOG_INFO, "store", "lane %s is up again", lane_name(p->id));
    p->said = 0;
    postgres_turn(p->pg);
}

void pool_expect(struct pool *p)
{
    int64_t now = clock_mono_now();
    p->hope = now + SECOND;
    for (int i = 0; i < p->size.most; i++)
        if (p->links[i].state == LINK_WAITING)
            p->links[i].until = now;
}

/* Once per change of the lane's state, and each minute while nothing changes. */
static void pool_says(struct pool *p, int64_t now, int asks, const char *why)
{
    bool down = !p->in[LINK_READY];
    int64_t *said = down ? &p->said : &p->complained;
    if (*said && now - *said < MINUTE)
        return;
    *said = now;
    log_begin(down ? LOG_ERROR : LOG_WARN, "store");
    log_text("lane", str_of(lane_name(p->id)));
    log_text("says", str_of(why));
    log_text("state", down ? STR("down: no connection") : STR("a connection fails, others are up"));
    if (asks)
        log_int("asks_failed", asks);
    log_end();
}

void pool_failed(struct pool *p, bool was_ready, int asks, const char *why)
{
    int64_t now = clock_mono_now();
    metric_add(METRIC_LANE_ERRORS, p->id * 2 + LANE_OF_CONNECTION, 1);
    p->grow_at = now + GROW_AGAIN;
    bool tried = p->met && (coming(p) || p->in[LINK_WAITING]); /* one was lost just now */
    if (!was_ready && !p->in[LINK_READY] && !tried)
        p->hope = now;
    pool_says(p, now, asks, why);
    postgres_turn(p->pg);
}

void pool_again(struct pool *p, struct list *jobs)
{
    struct list *node, *head = p->queue.next;
    while ((node = list_take(jobs))) {
        list_push(head, node);
        p->queued++;
    }
}

/* ---- asks ---- */

/* Nothing was sent of it. */
static void fail_unsent(struct job *job, enum err err)
{
    job_answer(job, err);
    job_drop(job);
}

static bool room(const struct pool *p)
{
    int free_places = 0;
    for (int i = 0; i < p->size.most; i++)
        if (p->links[i].state == LINK_READY)
            free_places += PIPE_MOST - p->links[i].pipe.depth;
    return p->queued < POOL_QUEUE + free_places;
}

/* How long an ask waits for a connection: the first one takes longer, while all of them begin. */
static int64_t patience(const struct pool *p)
{
    return p->met ? SECOND : FIRST_HOPE;
}

/* A further connection, when there may be one. */
static void pool_grow(struct pool *p)
{
    if (coming(p) || !p->in[LINK_CLOSED] || clock_mono_now() < p->grow_at)
        return;
    for (int i = 0; i < p->size.most; i++)
        if (p->links[i].state == LINK_CLOSED && !p->links[i].resolved.open) {
            link_open(&p->links[i]);
            return;
        }
}

bool pool_take(struct pool *p, struct job *job)
{
    int64_t now = clock_mono_now();
    job->ask.deadline = job->ask.asked + p->pg->pools[job_lane(job)].limit; /* a ping may be far from home */
    if (pool_asleep(p) && now >= p->grow_at) {
        p->hope = now + patience(p);
        pool_grow(p);
    }
    if (!p->in[LINK_READY] && now >= p->hope) {
        if (!p->pg->ready)
            postgres_note(p->pg, job, false);
        fail_unsent(job, ERR_UNAVAILABLE);
        return true;
    }
    if (p->queued >= POOL_QUEUE && !room(p))
        return false;
    list_push(&p->queue, &job->ask.node);
    p->queued++;
    postgres_turn(p->pg);
    return true;
}

/* Smaller is better. Reads of one turn stay together, so that they share a write and a Sync; changes go apart,
 * so that their commits share a flush of the server's log. */
static int cost(const struct link *k, const struct job *job, int64_t now)
{
    int depth = k->pipe.depth;
    bool slow = pipe_slow(&k->pipe, now);
    if (depth >= (slow ? FULL : PIPE_MOST))
        return -1;
    bool together = !job->ask.write && !job->alone && k->pipe.open && depth < FULL;
    return (slow ? 1000 : 0) + (together ? 0 : depth + 1);
}

static struct link *pool_pick(struct pool *p, const struct job *job, int64_t now)
{
    struct link *best = NULL;
    int least = 0;
    for (int i = 0; i < p->size.most; i++) {
        struct link *k = &p->links[i];
        int c = k->state == LINK_READY ? cost(k, job, now) : -1;
        if (c >= 0 && (!best || c < least)) {
            best = k;
            least = c;
        }
    }
    if (least > FULL || !best)
        pool_grow(p);
    return best;
}

void pool_send(struct pool *p)
{
    int64_t now = clock_mono_now();
    if (!p->queued)
        return;
    while (p->queued && p->in[LINK_READY]) {
        struct job *job = job_of_node(p->queue.next);
        struct link *k = pool_pick(p, job, now);
        if (!k)
            break;
        list_remove(&job->ask.node);
        p->queued--;
        if (!job_start(job)) {
            fail_unsent(job, ERR_NO_MEMORY);
            continue;
        }
        metric_observe(METRIC_LANE_WAIT, p->id, now - job->ask.asked);
        link_send(k, job);
    }
    for (int i = 0; i < p->size.most; i++)
        if (p->links[i].state == LINK_READY || p->links[i].state == LINK_LEAVING)
            link_flush(&p->links[i]);
    pool_gauge(p);
}

/* Those whose time is over, or who waited long enough for a connection. */
static void pool_expire(struct pool *p, int64_t now)
{
    bool none = !p->in[LINK_READY];
    for (struct list *node = p->queue.next, *next; node != &p->queue; node = next) {
        next = node->next;
        struct job *job = job_of_node(node);
        bool waited = none && (now >= p->hope || now - job->ask.asked >= patience(p));
        if (now < job->ask.deadline && !waited)
            continue;
        list_remove(node);
        p->queued--;
        if (!none || !p->pg->ready)
            postgres_note(p->pg, job, false);
        fail_unsent(job, ERR_UNAVAILABLE);
    }
}

void pool_tick(struct pool *p, int64_t now)
{
    for (int i = 0; i < p->size.most; i++)
        link_tick(&p->links[i], now);
    pool_expire(p, now);
    if (p->queued && p->in[LINK_READY])
        postgres_turn(p->pg);
    pool_gauge(p);
}

void pool_close(struct pool *p)
{
    for (int i = 0; i < p->size.most; i++)
        link_close(&p->links[i]);
    struct list *node;
    while ((node = list_take(&p->queue))) {
        p->queued--;
        fail_unsent(job_of_node(node), ERR_UNAVAILABLE);
    }
    pool_gauge(p);
}
