/* net/conn.h: one TCP or Unix-socket connection: a state, and one function that moves it.
 * A connection owns its descriptor, its deadline and the bytes still to be sent; the protocol above owns what it
 * means. Reads go into one buffer that all connections of the loop share; sends are gathered and written once, at
 * the end of the turn.
 */
#ifndef NET_CONN_H
#define NET_CONN_H

#include "base/list.h"
#include "net/wheel.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*   opening -> reading -> serving -> idle -> reading ...
 *   any -> flushing (the peer reads slowly) -> idle | closing;  any -> closing */
enum conn_state {
    CONN_OPENING,  /* accepted, nothing read */
    CONN_READING,  /* part of a request is here */
    CONN_SERVING,  /* a request is being answered */
    CONN_FLUSHING, /* an answer waits for the socket to take it */
    CONN_IDLE,     /* between two requests */
    CONN_CLOSING,  /* nothing more is read or answered */
};

struct flow;
struct output; /* bytes to be sent */

struct conn {
    struct list node;         /* on the list of its state */
    struct list dirty;        /* on the list of those with something to send */
    struct deadline deadline; /* what it means follows from the state */
    struct flow *flow;        /* the protocol's side; NULL while there is no request */
    struct output *output;
    struct in6_addr peer;
    enum conn_state state;
    bool local;  /* accepted on the control socket */
    bool ended;  /* the peer will send no more */
    bool paused; /* reading is stopped */
    bool last;   /* closes once everything is sent */
};

/* The protocol above; set once. Each is called on the loop. */
struct conn_calls {
    /* to be used or copied before it returns */
    void (*bytes)(struct conn *c, const char *p, size_t n);
    /* the peer closed its side in good order */
    void (*ended)(struct conn *c);
    /* the deadline of a state other than flushing and closing passed */
    void (*expired)(struct conn *c);
    /* everything is sent, after flushing or while a flow is held */
    void (*flushed)(struct conn *c);
    /* the last call: c is gone when it returns */
    void (*closed)(struct conn *c);
};
void conn_init(const struct conn_calls *calls);
void conn_fini(void);

/* Moves to another state and sets the deadline (monotonic microseconds; 0: none). */
void conn_move(struct conn *c, enum conn_state to, int64_t deadline);
/* Room for n bytes at the end of what is to be sent; then conn_wrote with what was used. NULL when memory is out. */
char *conn_room(struct conn *c, size_t n);
void conn_wrote(struct conn *c, size_t n);
/* Bytes not yet taken by the socket. */
size_t conn_backlog(const struct conn *c);
/* Stops or goes on reading, for back-pressure. */
void conn_pause(struct conn *c, bool stop);
/* Sends what is gathered, says that nothing follows, reads and drops what still comes for a second, and closes. */
void conn_finish(struct conn *c);
/* Closes now; what is unsent is lost. */
void conn_abort(struct conn *c);

/* Open connections; those on the control socket do not count. */
unsigned conn_count(void);
/* Closes all that are idle or opening (drain). */
void conn_close_idle(void);
/* Closes all (the end). */
void conn_close_all(void);

#endif
