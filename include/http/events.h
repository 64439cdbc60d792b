/* http/events.h: streams of server-sent events (HTML Living Standard, section 9.2).
 * A stream is one request that goes on until its client leaves, its access ends or the server drains. It is embedded
 * in the state of the handler and on the worker's list from events_open to events_close. One ticker looks at all of
 * them: what they stand on are the epochs that the request carries, so whatever makes the gates' facts stale wakes
 * its stream. A slow reader is told the newest state when it can take it, never every one in between.
 */
#ifndef HTTP_EVENTS_H
#define HTTP_EVENTS_H

#include "http/req.h"

#define EVENTS_EACH 20 /* streams of one principal in a worker */

struct events {
    struct list node;
    struct req *r;
    struct uuid principal;
    int64_t comment; /* monotonic: when the connection must show that it lives */
    int64_t until;   /* wall: when the credentials end */
};

/* Takes a place; ERR_OVERLOADED when the worker has EVENTS_MAX, ERR_TOO_MANY when the principal has EVENTS_EACH,
 * ERR_ENDING when the server drains. */
enum err events_open(struct events *e, struct req *r, const struct uuid *principal) CHECKED;
/* Harmless when it was not opened. */
void events_close(struct events *e);

/* Composes the head of the reply; stream_begin writes it. */
void events_reply(struct req *r);
/* An event in the request's arena: its kind, its id, and data that is one line. */
struct str events_text(struct req *r, const char *kind, int64_t id, struct str data);
/* The last event of a stream that was denied: `event: end` with the code of r->err. */
struct str events_last(struct req *r);

/* WAITs until something is due. */
enum verdict events_watch(struct events *e);
enum events_due {
    EVENTS_NOTHING,
    EVENTS_COMMENT, /* a comment line */
    EVENTS_AGAIN,   /* facts may have moved, or the credentials have ended: the gates look again */
    EVENTS_ENDING,  /* the server drains */
};
enum events_due events_due(const struct events *e);
/* Something was written: the next comment is that much later. */
void events_wrote(struct events *e);

/* Streams of this worker. */
unsigned events_count(void);
/* All end; none is opened any more. */
void events_drain(void);
void events_fini(void);

#endif
