/* net/poll.h: watches a descriptor that another library owns (libpq, hiredis). Level-triggered; a change of interest
 * that changes nothing costs nothing.
 */
#ifndef NET_POLL_H
#define NET_POLL_H

#include <stdbool.h>

struct poll;
/* What can be done now; an error of the descriptor shows as both, so that the next read tells it. */
typedef void poll_fn(void *owner, bool readable, bool writable);

/* Watches nothing yet. NULL: no memory, or not a descriptor that can be watched. */
struct poll *poll_new(int fd, poll_fn *ready, void *owner);
void poll_want(struct poll *p, bool read, bool write);
/* Before the descriptor is closed; ready() is not called any more. Takes NULL. */
void poll_free(struct poll *p);

#endif
