/* base/mode.h: the mode of the whole node, in the shared segment: every worker sees a change at once.
 * It is the stricter of two: the one that was set by hand, which is a row of the store, and the one that open breakers
 * of this node's workers ask for. A zeroed part knows nothing of the row: that counts as lockdown until it has been
 * read. What has been read stays known however long the store is away. Lock-free, any process or thread.
 */
#ifndef BASE_MODE_H
#define BASE_MODE_H

#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Each is stricter than those before it. */
enum mode {
    MODE_NORMAL,
    MODE_DEGRADED,  /* something is missing, nothing is refused */
    MODE_READ_ONLY, /* changes are refused */
    MODE_LOCKDOWN, /* all is refused but break-glass, health, the mode itself and the operator of the machine */
    MODE_COUNT,
};

/* What the breakers belong to. */
enum dependency { DEPENDENCY_STORE, DEPENDENCY_REDIS, DEPENDENCY_COUNT };

#define MODE_WORKERS 64

/* Bytes to carve from the shared segment, then where they are. Before mode_init the mode is normal. */
size_t mode_size(void);
void mode_init(void *part);
/* Which worker this process is, less than MODE_WORKERS. The breakers of who had the number before are forgotten. */
void mode_worker(unsigned number);

/* The mode that is in force. */
enum mode mode_now(void);
enum mode mode_by_hand(void);
enum mode mode_by_breakers(void);
/* Whether the row has been read since the node started. */
bool mode_known(void);

/* The row says so, in this version (from 1). One that is older than what is known is ignored: it was read before the
 * change that we know of. */
void mode_learn(enum mode mode, int64_t version);
/* This worker's breaker of a dependency has opened or closed. The store's makes the mode read_only, that of Redis
 * degraded, while one worker's is open. */
void mode_breaker(enum dependency on, bool open);

/* "normal", "degraded", "read_only", "lockdown". */
const char *mode_name(enum mode mode);
/* False: no mode is called that. */
bool mode_find(struct str name, enum mode *out);

#endif
