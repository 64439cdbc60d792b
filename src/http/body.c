/* body.c: the stage `body`: a body that is gathered whole, before anything looks into it. */
#include "flow_own.h"

#include "base/clock.h"

enum parse_got flow_feed(struct flow *f)
{
    enum parse_got got = f->ahead.in.n ? parse_body(&f->parse, &f->ahead.in) : PARSE_MORE;
    if (got == PARSE_BAD)
        f->body_err = f->parse.err;
    return got;
}

enum err flow_go_on(struct flow *f)
{
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    if (f->parse.expects && f->ahead.in.n == 0 && f->conn->state != CONN_FLUSHING) {
        char *room = conn_room(f->conn, sizeof(go_on) - 1);
        if (!room)
            return ERR_NO_MEMORY;
        memcpy(room, go_on, sizeof(go_on) - 1);
        conn_wrote(f->conn, sizeof(go_on) - 1);
    }
    f->parse.expects = false;
    return OK;
}

enum verdict flow_body(struct req *r)
{
    struct flow *f = r->flow;
    struct parse *p = &f->parse;
    if (!parse_has_body(p) || p->done) /* done: the walk comes here again */
        return NEXT;
    if (flow_body_max(r) == 0)
        return NEXT; /* left where it is */

    p->body_max = flow_body_max(r);
    if (p->length > p->body_max)
        return req_deny(r, ERR_TOO_LARGE);
    if (!f->conn)
        return DENY;
    enum err err = flow_go_on(f);
    if (err != OK)
        return req_deny(r, err);

    enum parse_got got = flow_feed(f);
    if (got != PARSE_MORE)
        return flow_body_here(r);
    f->phase = FLOW_BODY;
    f->began = clock_mono();
    if (f->conn->ended)
        return req_deny(r, ERR_BAD_REQUEST);
    if (f->conn->state != CONN_FLUSHING)
        conn_move(f->conn, CONN_READING, f->began + BODY_PATIENCE);
    conn_pause(f->conn, false);
    wait_open(&r->wait);
    return WAIT;
}

enum verdict flow_body_here(struct req *r)
{
    struct flow *f = r->flow;
    f->phase = FLOW_SERVING;
    if (f->body_err != OK)
        return req_deny(r, f->body_err);
    return NEXT;
}
