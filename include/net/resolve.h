/* net/resolve.h: host names without blocking (getaddrinfo on a thread of libuv). A numeric address is its own answer.
 */
#ifndef NET_RESOLVE_H
#define NET_RESOLVE_H

#include "base/err.h"
#include "net/wait.h"

#define ADDRESS_TEXT 48 /* of a numeric address, NUL included */
#define ADDRESSES_MAX 4 /* of one name; more are left out */

struct resolved {
    enum err err; /* ERR_UNAVAILABLE: the name has no address now */
    int n;
    char address[ADDRESSES_MAX][ADDRESS_TEXT];
    char says[128]; /* why not, for the log */
};

/* host is copied. `out` is filled when w is woken. */
void resolve_ask(const char *host, struct resolved *out, struct wait *w);

#endif
