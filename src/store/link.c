#include "link.h"

#include "base/clock.h"
#include "base/random.h"
#include "postgres.h"

#include <stdio.h>

#define CONNECT_PATIENCE (2 * SECOND)
#define BACKOFF_FIRST (SECOND / 20)
#define BACKOFF_MOST (SECOND / 4)
#define GOOD_AFTER (5 * SECOND) /* a connection that lasted so long was no failure */
#define IDLE_MOST MINUTE
#define COMING_MOST 6 /* connections of all lanes at once: a password and a hundred statements take their time */

static void link_move(struct link *k, enum link_state to);

/* ---- ends ---- */

/* 50 ms doubling to 250 ms, less up to a half, so that not all come at once. */
static int64_t backoff(const struct link *k)
{
    int64_t wait = BACKOFF_FIRST << (k->failures < 4 ? k->failures : 4);
    if (wait > BACKOFF_MOST)
        wait = BACKOFF_MOST;
    return wait - random_below((uint32_t)wait / 2);
}

static void let_go(struct link *k)
{
    poll_free(k->poll);
    k->poll = NULL;
    PQfinish(k->conn);
    k->conn = NULL;
}

/* The connection failed or is lost: what was sent is answered, and it is tried again later. */
static void link_fail(struct link *k, const char *why)
{
    int64_t now = clock_mono_now();
    bool was_ready = k->state == LINK_READY || k->state == LINK_LEAVING;
    struct pgurl *url = &k->pool->pg->url;
    if (!was_ready && k->first == url->first) /* libpq tries no other host once this one has accepted */
        pgurl_rotate(url);
    if (was_ready && now - k->met > GOOD_AFTER)
        k->failures = 0;
    int asks = pipe_fail(&k->pipe);
    let_go(k);
    k->until = now + backoff(k);
    k->failures++;
    link_move(k, pool_wants(k->pool, k) ? LINK_WAITING : LINK_CLOSED);
    pool_failed(k->pool, was_ready, asks, why);
}

static void link_fail_conn(struct link *k)
{
    char why[300];
    pgerror_line(why, sizeof(why), k->conn ? PQerrorMessage(k->conn) : "");
    link_fail(k, *why ? why : "the server closed the connection");
}

/* It is empty and not to be asked any more: another takes its place at once, unless it had just come. */
static void link_leave(struct link *k)
{
    int64_t now = clock_mono_now();
    bool soon = now - k->met < SECOND;
    let_go(k);
    k->pipe.conn = NULL;
    k->until = now + backoff(k);
    k->failures += soon;
    link_move(k, soon ? LINK_WAITING : LINK_RESOLVING);
}

/* ---- connecting ---- */

static void link_polled(void *owner, bool readable, bool writable);

/* Watches the socket that libpq uses now: while it connects that may be another each time. */
static bool link_watch(struct link *k, bool read, bool write)
{
    int fd = PQsocket(k->conn);
    if (k->poll && k->fd != fd) {
        poll_free(k->poll);
        k->poll = NULL;
    }
    if (!k->poll) {
        k->fd = fd;
        k->poll = fd < 0 ? NULL : poll_new(fd, link_polled, k);
    }
    if (k->poll)
        poll_want(k->poll, read, write);
    return k->poll;
}

static void on_notice(void *arg, const PGresult *result)
{
    (void)arg;
    (void)result;
}

/* libpq is through: what follows is ours. */
static bool link_settle(struct link *k)
{
    const struct postgres *pg = k->pool->pg;
    PQsetNoticeReceiver(k->conn, on_notice, NULL);
    if (PQsetnonblocking(k->conn, 1) != 0 || !PQenterPipelineMode(k->conn))
        return false;
    if (!link_watch(k, true, false))
        return false;
    if (pg->setup.pooler) {
        link_move(k, LINK_READY);
        return true;
    }
    k->until = clock_mono_now() + CONNECT_PATIENCE;
    link_move(k, LINK_PREPARING);
    return prepare_send(&k->prepare, k->conn, pg->names) &&
           link_watch(k, true, PQflush(k->conn) > 0);
}

static void link_connect_on(struct link *k)
{
    if (k->poll)
        poll_want(k->poll, false, false); /* libpq may close the socket inside */
    PostgresPollingStatusType next = PQconnectPoll(k->conn);
    bool good = next != PGRES_POLLING_FAILED;
    if (next == PGRES_POLLING_OK)
        good = link_settle(k);
    else if (good)
        good = link_watch(k, next == PGRES_POLLING_READING, next == PGRES_POLLING_WRITING);
    if (!good)
        link_fail_conn(k);
}

static void link_connect(struct link *k)
{
    const char *why;
    k->first = k->pool->pg->url.first;
    k->conn = pgurl_connect(&k->pool->pg->url, k->pool->options, &why);
    k->until = clock_mono_now() + CONNECT_PATIENCE;
    link_move(k, LINK_CONNECTING);
    if (!k->conn)
        link_fail(k, why);
    else if (PQstatus(k->conn) == CONNECTION_BAD || !link_watch(k, false, true))
        link_fail_conn(k);
}

static void link_resolved(struct wait *w)
{
    struct link *k = LIST_OF(w, struct link, resolved);
    if (k->state == LINK_RESOLVING)
        link_connect(k);
    store_release(&k->pool->pg->store); /* the last: the store may be gone */
}

static void link_prepare_on(struct link *k)
{
    switch (prepare_read(&k->prepare, k->conn)) {
    case PREPARE_DONE:
        link_move(k, LINK_READY);
        break;
    case PREPARE_FAILED:
        if (*k->prepare.says)
            link_fail(k, k->prepare.says);
        else
            link_fail_conn(k);
        break;
    case PREPARE_GOES_ON:
        if (!link_watch(k, true, PQflush(k->conn) > 0))
            link_fail_conn(k);
        break;
    }
}

/* ---- states ---- */

static void link_ready(struct link *k)
{
    pipe_open(&k->pipe, k->conn);
    k->met = clock_mono_now();
    k->until = k->met + IDLE_MOST;
    poll_want(k->poll, true, false);
    postgres_met(k->pool->pg, k->conn);
    pool_ready(k->pool);
}

static void link_move(struct link *k, enum link_state to)
{
    enum link_state from = k->state;
    pool_count(k->pool, from, to);
    k->state = to;
    switch (to) {
    case LINK_RESOLVING:
        store_hold(&k->pool->pg->store);
        pgurl_resolve(&k->pool->pg->url, &k->resolved);
        break;
    case LINK_READY:
        link_ready(k);
        break;
    case LINK_CLOSED:
        k->failures = 0;
        break;
    case LINK_WAITING:
    case LINK_CONNECTING:
    case LINK_PREPARING:
    case LINK_LEAVING:
    case LINK_STATES:
        break;
    }
}

void link_init(struct link *k, struct pool *pool)
{
    *k = (struct link){ .state = LINK_CLOSED, .pool = pool, .fd = -1 };
    wait_init(&k->resolved, link_resolved);
    pipe_init(&k->pipe, pool->pg);
}

void link_open(struct link *k)
{
    must(k->state == LINK_CLOSED || k->state == LINK_WAITING);
    if (k->resolved.open) /* closed while its host was looked up */
        return;
    k->until = clock_mono_now();
    link_move(k, k->pool->pg->coming < COMING_MOST ? LINK_RESOLVING : LINK_WAITING);
}

void link_close(struct link *k)
{
    pipe_fail(&k->pipe);
    let_go(k);
    link_move(k, LINK_CLOSED);
}

/* ---- asked and answered ---- */

/* What has come, then what still has to go out: the other way round both sides could wait for each other. */
static void link_serve(struct link *k)
{
    bool good = pipe_read(&k->pipe);
    pool_again(k->pool, &k->pipe.again);
    if (!good) {
        link_fail_conn(k);
        return;
    }
    if (k->pipe.leave && k->state == LINK_READY)
        link_move(k, LINK_LEAVING);
    if (k->state == LINK_LEAVING && !k->pipe.depth)
        link_leave(k);
    else if (k->pipe.unsent)
        link_flush(k);
    if (k->pool->queued)
        postgres_turn(k->pool->pg);
}

static void link_polled(void *owner, bool readable, bool writable)
{
    struct link *k = owner;
    (void)readable;
    (void)writable;
    switch (k->state) {
    case LINK_CONNECTING:
        link_connect_on(k);
        break;
    case LINK_PREPARING:
        link_prepare_on(k);
        break;
    case LINK_READY:
    case LINK_LEAVING:
        link_serve(k);
        break;
    default:
        break;
    }
}

void link_send(struct link *k, struct job *job)
{
    k->until = clock_mono() + IDLE_MOST;
    if (!pipe_send(&k->pipe, job))
        link_fail_conn(k);
}

void link_flush(struct link *k)
{
    if (!k->pipe.unsent)
        return;
    int left = pipe_flush(&k->pipe);
    if (left < 0)
        link_fail_conn(k);
    else
        poll_want(k->poll, true, left > 0);
}

void link_tick(struct link *k, int64_t now)
{
    switch (k->state) {
    case LINK_WAITING:
        if (now >= k->until && k->pool->pg->coming < COMING_MOST)
            link_move(k, LINK_RESOLVING);
        break;
    case LINK_CONNECTING:
    case LINK_PREPARING:
        if (now < k->until)
            break;
        link_fail(k, "no answer in time");
        break;
    case LINK_READY:
    case LINK_LEAVING:
        if (!pipe_expire(&k->pipe, now)) {
            link_fail(k, "the server does not answer any more");
        } else if (!k->pipe.depth && now >= k->until && pool_spares(k->pool)) {
            let_go(k);
            link_move(k, LINK_CLOSED);
        }
        break;
    default:
        break;
    }
}
