/* usage.h: when an API key was last used: gathered in the worker, written at most once a minute for a key.
 * Nobody waits for it, and nothing depends on it: what cannot be written is left to the next use.
 */
#ifndef GATE_USAGE_H
#define GATE_USAGE_H

#include "base/uuid.h"
#include "store/store.h"

/* The key was used at `now` (wall time). */
void usage_note(struct store *s, const struct uuid *key, int64_t now);

#endif
