#include "http/flow.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "cache/cache.h"
#include "http/compress.h"
#include "http/events.h"
#include "http/reply.h"
#include "flow_own.h"

#include <stdlib.h>

#define HEAD_PATIENCE (10 * SECOND) /* for a whole head, absolute */
#define IDLE_PATIENCE (75 * SECOND) /* between two requests */
#define BODY_RATE 1024              /* bytes a second that a body must come with */
#define KEPT_MAX 65536              /* bytes read ahead of the request being answered */
#define DROP_MAX 262144             /* of an unwanted body that is read to keep the connection */
#define BACKLOG_MAX 262144          /* unsent bytes over which no further request is begun */
#define FLOWS_KEPT 1024

static struct {
    struct flow_setup use;
    struct flow *spare;
    unsigned spares, active;
    uint32_t turn;
    bool draining;
} flows;

/* ---- taking and giving ---- */

static void flow_wake(struct wait *w);

static void begin(struct flow *f)
{
    struct req *r = &f->req;
    memset(r, 0, offsetof(struct req, headers));
    wait_init(&r->wait, flow_wake);
    r->flow = f;
    r->store = flows.use.store;
    r->cache = flows.use.cache;
    r->windows = flows.use.windows;
    r->pool = flows.use.pool;
    r->passwords = flows.use.passwords;
    r->files = flows.use.files;
    r->keyring = flows.use.keyring;
    f->phase = FLOW_HEAD;
    f->body_err = OK;
    f->seen = 0;
    memset(&f->out, 0, sizeof(f->out));
    f->began = clock_mono();
    parse_begin(&f->parse, r);
}

static struct flow *flow_take(struct conn *c)
{
    struct flow *f = flows.spare;
    if (f) {
        flows.spare = f->next;
        flows.spares--;
    } else if (!(f = calloc(1, sizeof(*f)))) {
        return NULL;
    }
    f->conn = c;
    c->flow = f;
    begin(f);
    return f;
}

static void flow_give(struct flow *f)
{
    must(!f->req.wait.open);
    if (f->conn)
        f->conn->flow = NULL;
    arena_reset(&f->req.arena);
    ahead_free(&f->ahead);
    if (flows.spares == FLOWS_KEPT) {
        free(f);
        return;
    }
    f->next = flows.spare;
    flows.spare = f;
    flows.spares++;
}

static void release(struct req *r)
{
    if (r->let_go)
        r->let_go(r);
    r->let_go = NULL;
    if (r->filling.key.p) { /* it ended before it had loaded what others wait for */
        cache_drop(r->cache, r->filling.type, r->filling.key);
        r->filling.key = STR_NONE;
    }
    compress_drop(r);
    rows_fini(&r->rows);
    rows_fini(&r->found);
    rows_fini(&r->ahead);
    arena_reset(&r->arena);
    arena_reset(&r->kept);
}

/* ---- the end of a request ---- */

/* Whether the rest of the body is still to come. */
static bool unread(const struct parse *p)
{
    return parse_has_body(p) && !p->done && p->err == OK;
}

/* Whether what is left of the body is worth reading for the sake of the connection. */
static bool droppable(const struct parse *p)
{
    return !p->expects && !p->streamed && p->length <= DROP_MAX;
}

bool flow_keeps(const struct flow *f)
{
    const struct parse *p = &f->parse;
    bool more = !f->conn->ended || f->ahead.in.n > 0;
    bool keep = more && p->keep && p->err == OK && !f->req.reply.close && !flows.draining;
    return keep && (!unread(p) || droppable(p));
}

/* Writes the reply and sets what comes next. */
static void finish(struct flow *f)
{
    struct req *r = &f->req;
    struct parse *p = &f->parse;
    struct conn *c = f->conn;
    bool rest = unread(p);
    bool keep = f->out.begun ? f->out.keep : flow_keeps(f);

    if (f->out.begun ? !stream_end(f) : !reply_write(r, c, keep)) {
        release(r);
        f->phase = FLOW_OVER;
        conn_abort(c);
        return;
    }
    release(r);
    if (!keep) {
        f->phase = FLOW_OVER;
        conn_finish(c);
    } else if (rest) {
        f->phase = FLOW_DROP;
        p->drop = true;
        p->body_max = DROP_MAX;
        conn_move(c, CONN_READING, clock_mono() + BODY_PATIENCE);
    } else {
        begin(f);
    }
}

void flow_end(struct req *r)
{
    struct flow *f = r->flow;
    flows.active--;
    if (!f->conn || f->conn->state == CONN_CLOSING) {
        release(r);
        f->phase = FLOW_OVER;
    } else if (f->conn->state == CONN_FLUSHING) {
        f->phase = FLOW_UNSENT;
    } else {
        finish(f);
    }
}

/* A request that cannot be read is answered once, and the connection ends: nothing behind it can be trusted. */
static void refuse(struct flow *f, enum err err)
{
    struct req *r = &f->req;
    metric_add(METRIC_HTTP_BAD, 0, 1);
    if (!r->id.p)
        r->id = STR("-");
    f->parse.err = err;
    reply_problem(r, err);
    r->reply.close = true;
    log_begin(LOG_INFO, "malformed");
    log_text("code", str_of(err_info(err)->code));
    log_int("status", err_info(err)->status);
    log_text("correlation_id", r->id);
    log_end();
    finish(f);
}

/* ---- the walk ---- */

static void serve(struct flow *f)
{
    struct req *r = &f->req;
    f->phase = FLOW_SERVING;
    flows.active++;
    r->started = f->began;
    r->local = f->conn->local;
    r->peer = f->conn->peer;
    r->address = address_client(r, &r->peer);
    r->timed = (flows.turn++ & 63) == 0;
    flows.use.start(r);
}

static void advance(struct flow *f);

static void flow_wake(struct wait *w)
{
    struct req *r = LIST_OF(w, struct req, wait);
    struct flow *f = r->flow;
    if (!f->conn) { /* the client left: nobody is there to do this for */
        flows.use.left(r);
        flow_end(r);
        flow_give(f);
        return;
    }
    flows.use.resume(r);
    advance(f);
}

size_t flow_body_max(const struct req *r)
{
    return flows.use.body_max(r);
}

/* Of a body: it is here, or will never be. Either way the walk goes on. */
void flow_wakes(struct flow *f, enum err err)
{
    f->phase = FLOW_SERVING;
    if (f->body_err == OK)
        f->body_err = err;
    if (err != OK)
        f->parse.err = err;
    wait_done(&f->req.wait);
}

/* The walk waits for bytes of the body. */
static bool reads_body(const struct flow *f)
{
    return f->phase == FLOW_BODY || f->phase == FLOW_PIECE;
}

/* The walk is not over, and not waiting for bytes of the body. */
static bool serves(const struct flow *f)
{
    return f->phase == FLOW_SERVING || f->phase == FLOW_ROOM || f->phase == FLOW_WATCH;
}

/* One step with the bytes here; false when nothing more can be done now. */
static bool step(struct flow *f)
{
    switch (f->phase) {
    case FLOW_HEAD:
        if (f->ahead.in.n == 0 || conn_backlog(f->conn) > BACKLOG_MAX)
            return false;
        switch (parse_head(&f->parse, &f->ahead.in)) {
        case PARSE_HEAD:
            serve(f);
            return true;
        case PARSE_BAD:
            refuse(f, f->parse.err);
            return true;
        default:
            return false;
        }
    case FLOW_BODY:
        if (f->ahead.in.n == 0)
            return false;
        if (flow_feed(f) != PARSE_MORE)
            flow_wakes(f, f->body_err);
        return false;
    case FLOW_PIECE:
        if (f->ahead.in.n > 0 && stream_feed(f))
            flow_wakes(f, f->body_err);
        return false;
    case FLOW_DROP:
        if (f->ahead.in.n == 0)
            return false;
        switch (parse_body(&f->parse, &f->ahead.in)) {
        case PARSE_END:
            arena_reset(&f->req.arena);
            begin(f);
            return true;
        case PARSE_BAD:
            f->phase = FLOW_OVER;
            conn_finish(f->conn);
            return false;
        default:
            return false;
        }
    default:
        return false;
    }
}

/* Uses what is here, then leaves the connection in the state that fits. */
static void advance(struct flow *f)
{
    struct conn *c = f->conn;
    while (c->state != CONN_CLOSING && c->state != CONN_FLUSHING && !c->last && step(f))
        ;
    if (!f->conn || c->state == CONN_CLOSING || c->last) {
        if (f->phase == FLOW_OVER || f->phase == FLOW_HEAD)
            flow_give(f);
        return;
    }

    bool empty = f->phase == FLOW_HEAD && f->ahead.in.n == 0 && f->parse.head_n == 0;
    bool gathering = f->phase == FLOW_HEAD || f->phase == FLOW_DROP;
    if (gathering && c->ended && conn_backlog(c) <= BACKLOG_MAX && c->state != CONN_FLUSHING) {
        flow_give(f); /* what has been asked is answered, and nothing more will come */
        conn_finish(c);
        return;
    }
    if (empty) {
        flow_give(f);
        if (c->state != CONN_FLUSHING)
            conn_move(c, CONN_IDLE, clock_mono() + IDLE_PATIENCE);
        conn_pause(c, false);
        return;
    }
    if (!ahead_keep(&f->ahead))
        conn_abort(c);
    conn_pause(c, f->ahead.in.n > KEPT_MAX);
    if (c->state == CONN_FLUSHING || c->state == CONN_CLOSING)
        return;
    if (f->phase == FLOW_HEAD)
        conn_move(c, CONN_READING, f->began + HEAD_PATIENCE);
    else if (!reads_body(f) && f->phase != FLOW_DROP)
        conn_move(c, CONN_SERVING, 0);
}

/* ---- what the connection tells ---- */

static void was_bytes(struct conn *c, const char *p, size_t n)
{
    struct flow *f = c->flow;
    if (!f && !(f = flow_take(c))) {
        conn_abort(c);
        return;
    }
    if (!ahead_add(&f->ahead, p, n)) {
        conn_abort(c);
        return;
    }
    advance(f);
}

static void was_ended(struct conn *c)
{
    struct flow *f = c->flow;
    if (!f) {
        conn_finish(c);
        return;
    }
    if (reads_body(f)) {
        flow_wakes(f, ERR_BAD_REQUEST);
    } else if (f->phase == FLOW_WATCH) {
        conn_abort(c); /* who listens to a stream says nothing more, but stays */
    } else if (!serves(f) && f->phase != FLOW_UNSENT) {
        advance(f);
    }
}

static void was_expired(struct conn *c)
{
    struct flow *f = c->flow;
    if (f && serves(f))
        return;
    if (f && reads_body(f)) {
        int64_t over = clock_mono() - f->began - BODY_PATIENCE;
        size_t came = f->parse.body_seen - f->seen;
        if ((int64_t)came * SECOND >= (over + SECOND) * BODY_RATE) {
            conn_move(c, c->state, clock_mono() + SECOND);
            return;
        }
        metric_add(METRIC_HTTP_TIMEOUTS, 0, 1);
        flow_wakes(f, ERR_TIMEOUT);
        return;
    }
    if (f && f->phase == FLOW_HEAD) {
        metric_add(METRIC_HTTP_TIMEOUTS, 0, 1);
        refuse(f, ERR_TIMEOUT);
        return;
    }
    conn_abort(c); /* idle, or never said anything */
}

static void was_flushed(struct conn *c)
{
    struct flow *f = c->flow;
    if (c->state == CONN_FLUSHING && f && serves(f))
        conn_move(c, CONN_SERVING, 0);
    else if (c->state == CONN_FLUSHING && f && reads_body(f))
        conn_move(c, CONN_READING, clock_mono() + BODY_PATIENCE);
    else if (c->state == CONN_FLUSHING)
        conn_move(c, CONN_IDLE, clock_mono() + IDLE_PATIENCE);
    if (!f)
        return;
    if (f->phase == FLOW_ROOM)
        flow_wakes(f, OK);
    if (f->phase == FLOW_UNSENT)
        finish(f);
    if (!serves(f) && !reads_body(f))
        advance(f);
}

static void was_closed(struct conn *c)
{
    struct flow *f = c->flow;
    if (!f)
        return;
    c->flow = NULL;
    f->conn = NULL;
    if (reads_body(f) || f->phase == FLOW_ROOM || f->phase == FLOW_WATCH) {
        flow_wakes(f, ERR_BAD_REQUEST);
    } else if (f->phase == FLOW_UNSENT) {
        release(&f->req);
        flow_give(f);
    } else if (!f->req.wait.open) {
        flow_give(f);
    }
}

void flow_init(const struct flow_setup *setup)
{
    static const struct conn_calls calls = { was_bytes, was_ended, was_expired, was_flushed,
                                             was_closed };
    flows.use = *setup;
    address_init();
    conn_init(&calls);
}

void flow_fini(void)
{
    conn_fini();
    events_fini();
    while (flows.spare) {
        struct flow *f = flows.spare;
        flows.spare = f->next;
        free(f);
    }
}

void flow_reload(void)
{
    address_init();
}

void flow_drain(void)
{
    flows.draining = true;
    events_drain();
}

unsigned flow_active(void)
{
    return flows.active;
}
