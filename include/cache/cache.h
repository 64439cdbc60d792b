/* cache/cache.h: facts and rows remembered under epochs. Memory first; a shared second level plugs in behind the
 * same call. An entry is used only while the epochs that it was filled under are unchanged and its time has not run
 * out. A miss in flight is shared by all who ask (single flight). Bounded by bytes, scan-resistant (S3-FIFO: Yang et
 * al., SOSP 2023).
 */
#ifndef CACHE_CACHE_H
#define CACHE_CACHE_H

#include "base/epoch.h"
#include "base/str.h"
#include "net/wait.h"

#include <stdint.h>

/* One row per type: CACHE(ID, name, seconds to live). */
#define CACHE_TYPES(CACHE)                                                                         \
    CACHE(NONE, "none", 0)                                                                         \
    CACHE(API, "api", 300)                                                                         \
    CACHE(SESSION, "session", 86400)                                                               \
    CACHE(RESULT, "result", 1800)                                                                  \
    CACHE(STARTUP, "startup", 3600)

enum cache_type {
#define CACHE(id, name, ttl) CACHE_##id,
    CACHE_TYPES(CACHE)
#undef CACHE
        CACHE_TYPE_COUNT
};
const char *cache_type_name(enum cache_type type);

struct cache;
struct cache *cache_new(size_t max_bytes);
void cache_free(struct cache *c);

enum cache_got {
    CACHE_HIT, /* value is here: a copy in the arena; p NULL when memory is out */
    CACHE_FILL, /* not known: the caller loads it and must then call cache_fill or cache_drop with the same key */
    CACHE_WAIT, /* someone else is loading it: the wait will wake; then call cache_get again */
};

/* key: at most 64 bytes, unique within its type. */
enum cache_got cache_get(struct cache *c, enum cache_type type, struct str key, struct arena *a,
                         struct str *value, struct wait *w);
/* Stores a copy, unless one of the epochs has moved meanwhile, and wakes who waits for the key. */
void cache_fill(struct cache *c, enum cache_type type, struct str key, const struct epochs *under,
                struct str value);
/* The load failed, or is not to be remembered: wakes who waits (the first of them becomes the next to load). */
void cache_drop(struct cache *c, enum cache_type type, struct str key);

/* Bytes and entries held. */
size_t cache_bytes(const struct cache *c);
size_t cache_entries(const struct cache *c);

#endif
