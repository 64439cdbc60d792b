/* store/link.h: one connection of a lane, from looking up its host to its end, and again. Only link_move changes its
 * state.
 */
#ifndef STORE_LINK_H
#define STORE_LINK_H

#include "net/poll.h"
#include "pipe.h"
#include "prepare.h"

struct pool;

enum link_state {
    LINK_CLOSED,     /* not needed now */
    LINK_WAITING,    /* tried again at `until` */
    LINK_RESOLVING,
    LINK_CONNECTING, /* until `until` */
    LINK_PREPARING,  /* until `until` */
    LINK_READY,      /* may be asked */
    LINK_LEAVING,    /* is not asked any more; ends with its last answer */
    LINK_STATES,
};

struct link {
    enum link_state state;
    struct pool *pool;
    PGconn *conn;
    struct poll *poll;
    int fd;               /* that poll watches */
    int first;            /* of the hosts, which it tries first */
    struct wait resolved;
    struct prepare prepare;
    struct pipe pipe;
    int64_t until;        /* monotonic microseconds; ready: when it will have been idle for long */
    int64_t met;          /* when it became ready */
    int failures;         /* since it was ready for a while */
};

void link_init(struct link *k, struct pool *pool);
/* Begins to connect; it is closed or waits. */
void link_open(struct link *k);
/* It is ready: puts the job into its pipe, to go out with link_flush. */
void link_send(struct link *k, struct job *job);
void link_flush(struct link *k);
/* Each 100 ms or so. */
void link_tick(struct link *k, int64_t now);
/* For good: answers what is under way. */
void link_close(struct link *k);

#endif
