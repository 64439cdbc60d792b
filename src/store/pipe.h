/* store/pipe.h: what was sent on one connection, in libpq's pipeline mode, and what comes back. What lies between two
 * Syncs is one transaction: a change, or the reads of one turn, of which a failing one aborts those behind it; they
 * are asked again.
 */
#ifndef STORE_PIPE_H
#define STORE_PIPE_H

#include "job.h"

#include <libpq-fe.h>

#define PIPE_MOST 128            /* asks */
#define PIPE_SLOW (SECOND / 10)  /* an answer that takes longer makes the others look for another connection */
#define PIPE_LATE SECOND         /* over its deadline the server counts as gone */

struct pipe {
    struct postgres *pg;
    PGconn *conn;
    struct list jobs;  /* oldest first; the results are the first one's */
    struct list again; /* to be sent again, oldest first */
    int depth;         /* of jobs */
    int at;            /* statement of the first job whose result is next */
    bool ending;       /* all its statements are answered, the Sync is not */
    bool open;         /* reads were sent behind the last Sync */
    bool unsent;       /* something may be in libpq's buffer */
    bool leave;        /* nothing more is to be sent on this connection */
    int64_t since;     /* when the first became the first; monotonic microseconds */
};

void pipe_init(struct pipe *p, struct postgres *pg);
/* conn is ready for the first statement. */
void pipe_open(struct pipe *p, PGconn *conn);
/* Puts it into libpq's buffer. False: the connection is of no more use. */
bool pipe_send(struct pipe *p, struct job *job);
/* Ends the turn's reads and hands all to the kernel; 1 when some is left, -1 when the connection is gone. */
int pipe_flush(struct pipe *p);
/* Reads what has come. False: the connection is gone. */
bool pipe_read(struct pipe *p);
/* Answers what is over its time. False: the first is so late that the server counts as gone. */
bool pipe_expire(struct pipe *p, int64_t now);
/* The connection is gone: answers all. Returns how many there were. */
int pipe_fail(struct pipe *p);
/* Whether the first waits for its answer for long. */
bool pipe_slow(const struct pipe *p, int64_t now);

#endif
