/* net/listen.h: accepts on sockets that the master has bound. At most half of the descriptors become connections:
 * over it a connection is accepted and closed at once, so that the queue never holds a stale peer and accepting
 * never spins.
 */
#ifndef NET_LISTEN_H
#define NET_LISTEN_H

#include "base/err.h"

#include <stdbool.h>

/* Starts accepting on a bound descriptor, borrowed from the master. local: the control socket, exempt from the cap.
 * */
enum err listen_start(int fd, bool local) CHECKED;
/* Stops accepting on the TCP sockets (drain); local: on the control socket too. */
void listen_stop(bool local);

#endif
