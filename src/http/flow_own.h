/* http/flow_own.h: what flow.c and stream.c know of each other: the flow itself. */
#ifndef HTTP_FLOW_OWN_H
#define HTTP_FLOW_OWN_H

#include "http/flow.h"
#include "net/conn.h"
#include "ahead.h"
#include "parse.h"

#define BODY_PATIENCE (10 * SECOND) /* before the rate of a body matters */

enum phase {
    FLOW_HEAD,    /* a request head is being gathered */
    FLOW_BODY,    /* the walk waits in stage `body` */
    FLOW_PIECE,   /* the walk waits for the next piece of a streamed body */
    FLOW_ROOM,    /* the walk waits until the socket has taken what it streamed */
    FLOW_WATCH,   /* the walk waits until there is something to stream (stream_wake) */
    FLOW_SERVING, /* the walk waits for something else, or runs */
    FLOW_UNSENT,  /* the walk is over, the socket still takes what came before */
    FLOW_DROP,    /* answered; the rest of the body is read and dropped */
    FLOW_OVER,    /* nothing more is read */
};

struct flow {
    struct flow *next;
    struct conn *conn; /* NULL once it has closed */
    enum phase phase;
    enum err body_err;
    int64_t began;       /* when the first byte of the request, or the wait for its body, came */
    size_t seen;         /* of the body, when that wait began */
    struct {
        bool begun;      /* the head of a streamed reply is written */
        bool keep;       /* and says that the connection stays open */
        int64_t left;    /* bytes of the body still to be written; -1: until it ends */
    } out;
    struct ahead ahead;
    struct parse parse;
    struct req req;
};

/* ---- flow.c ---- */

size_t flow_body_max(const struct req *r);
/* Whether the connection can go on behind the reply that is being written. */
bool flow_keeps(const struct flow *f);
/* Says 100 Continue to who waits for it. */
enum err flow_go_on(struct flow *f) CHECKED;
/* The walk, which waits in this phase, goes on. err: what became of the body. */
void flow_wakes(struct flow *f, enum err err);

/* ---- stream.c ---- */

/* Takes bytes that are here into the piece that is waited for; true when it is full, or the body has ended or is
 * bad. */
bool stream_feed(struct flow *f);
/* Writes what ends a streamed reply; false when it cannot be ended in good order. */
bool stream_end(struct flow *f);

/* What the stages of a body need of the bytes that are here. */
enum parse_got flow_feed(struct flow *f);

#endif
