/* http/ahead.h: the bytes of a connection that are not used yet. They lie in the loop's buffer while it is read, and
 * in a buffer of their own from the end of that on. Empty when zeroed.
 */
#ifndef HTTP_AHEAD_H
#define HTTP_AHEAD_H

#include "base/str.h"

struct ahead {
    struct str in; /* what is left; use it up from the front */
    char *kept;
    size_t cap;
};

/* More bytes, behind what is left. False when memory is out. */
bool ahead_add(struct ahead *a, const char *p, size_t n);
/* Before the loop's buffer is used for another connection: copies what is left of it. */
bool ahead_keep(struct ahead *a);
void ahead_free(struct ahead *a);

#endif
