#include "http/stream.h"

#include "base/clock.h"
#include "http/cors.h"
#include "http/events.h"
#include "http/reply.h"
#include "flow_own.h"

/* Whether there is anybody to read from and write to. */
static bool client_here(const struct flow *f)
{
    return f->conn && f->conn->state != CONN_CLOSING;
}

static enum verdict client_left(struct req *r)
{
    return req_deny_for(r, ERR_BAD_REQUEST, "the client left");
}

static enum verdict await(struct flow *f, enum phase phase)
{
    f->phase = phase;
    wait_open(&f->req.wait);
    return WAIT;
}

/* ---- incoming ---- */

enum verdict stream_accept(struct req *r)
{
    struct parse *p = &r->flow->parse;
    if (p->body_seen > 0) /* the gates look again, behind the body */
        return NEXT;
    p->body_max = flow_body_max(r);
    p->streamed = true;
    return p->length > p->body_max ? req_deny(r, ERR_TOO_LARGE) : NEXT;
}

bool stream_feed(struct flow *f)
{
    struct parse *p = &f->parse;
    switch (parse_piece(p, &f->ahead.in)) {
    case PARSE_BAD:
        f->body_err = p->err;
        return true;
    case PARSE_END:
        return true;
    default:
        return p->piece.n == p->piece.room;
    }
}

enum verdict stream_read(struct req *r, char *into, size_t room)
{
    struct flow *f = r->flow;
    struct parse *p = &f->parse;
    p->piece.p = into;
    p->piece.room = room;
    p->piece.n = 0;
    if (stream_whole(r))
        return NEXT;
    if (!client_here(f))
        return client_left(r);
    enum err err = flow_go_on(f);
    if (err != OK)
        return req_deny(r, err);
    if (stream_feed(f))
        return stream_got(r);
    if (f->conn->ended)
        return client_left(r);

    f->began = clock_mono();
    f->seen = p->body_seen;
    if (f->conn->state != CONN_FLUSHING)
        conn_move(f->conn, CONN_READING, f->began + BODY_PATIENCE);
    conn_pause(f->conn, false);
    return await(f, FLOW_PIECE);
}

enum verdict stream_got(struct req *r)
{
    enum err err = r->flow->body_err;
    return err == OK ? NEXT : req_deny(r, err);
}

size_t stream_piece(const struct req *r)
{
    return r->flow->parse.piece.n;
}

bool stream_whole(const struct req *r)
{
    const struct parse *p = &r->flow->parse;
    return !parse_has_body(p) || p->done;
}

/* ---- outgoing ---- */

void stream_reply(struct req *r, int64_t length)
{
    r->reply.streamed = true;
    r->reply.length = length;
}

bool stream_begun(const struct req *r)
{
    return r->flow && r->flow->out.begun;
}

/* Nothing can be written while the socket takes what came before, and what waits for it stays one piece. */
static bool room(const struct conn *c)
{
    return c->state != CONN_FLUSHING && conn_backlog(c) == 0;
}

enum verdict stream_begin(struct req *r)
{
    struct flow *f = r->flow;
    if (!client_here(f))
        return client_left(r);
    if (!room(f->conn))
        return await(f, FLOW_ROOM);
    cors_reply(r);
    f->out.keep = r->reply.length >= 0 && flow_keeps(f);
    if (r->arena.failed || !reply_write(r, f->conn, f->out.keep))
        return req_deny(r, ERR_NO_MEMORY);
    f->out.begun = true;
    f->out.left = r->reply.length;
    r->reply.headers = (struct text){ 0 };
    return NEXT;
}

enum verdict stream_write(struct req *r, struct str piece)
{
    struct flow *f = r->flow;
    must(f->out.begun && (f->out.left < 0 || piece.n <= (uint64_t)f->out.left));
    if (!client_here(f))
        return client_left(r);
    if (!room(f->conn))
        return await(f, FLOW_ROOM);
    char *to = conn_room(f->conn, piece.n);
    if (!to)
        return req_deny(r, ERR_NO_MEMORY);
    memcpy(to, piece.p, piece.n);
    conn_wrote(f->conn, piece.n);
    if (f->out.left >= 0)
        f->out.left -= (int64_t)piece.n;
    return NEXT;
}

bool stream_end(struct flow *f)
{
    struct req *r = &f->req;
    if (!r->reply.events)
        return f->out.left <= 0;
    struct str last = events_last(r);
    char *to = conn_room(f->conn, last.n + 1);
    if (!to)
        return false;
    memcpy(to, last.p, last.n);
    conn_wrote(f->conn, last.n);
    return true;
}

/* ---- watching ---- */

enum verdict stream_watch(struct req *r)
{
    struct flow *f = r->flow;
    if (!client_here(f) || f->conn->ended)
        return client_left(r);
    return await(f, FLOW_WATCH);
}

bool stream_watching(const struct req *r)
{
    return r->flow->phase == FLOW_WATCH;
}

void stream_wake(struct req *r)
{
    if (stream_watching(r))
        flow_wakes(r->flow, OK);
}
