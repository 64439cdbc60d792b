/* cache/cache.h: facts and rows remembered under epochs. Memory first, then Redis, which the nodes share, behind the
 * same call; Redis lost means misses, never errors. What Redis holds carries counters kept there, one for each epoch
 * slot: an entry counts while they are unchanged, and is stored only if they are as they were before the ask. An entry
 * is used only while the epochs that it was filled under are unchanged and its time has not run out. A miss in flight
 * is shared by all who ask (single flight). Bounded by bytes, scan-resistant (S3-FIFO: Yang et al., SOSP 2023).
 */
#ifndef CACHE_CACHE_H
#define CACHE_CACHE_H

#include "base/epoch.h"
#include "base/str.h"
#include "net/wait.h"

#include <stdint.h>

/* One row per type: CACHE(ID, name, seconds to live, strategy). Whatever the strategy, no change leaves an old entry
 * usable. ASIDE: loaded by who misses it. AHEAD: in the last tenth of its life one of those who ask loads it anew,
 * the others still have it. */
#define CACHE_TYPES(CACHE)                                                                         \
    CACHE(NONE, "none", 0, ASIDE)                                                                  \
    CACHE(API, "api", 300, ASIDE)                                                                  \
    CACHE(SESSION, "session", 86400, AHEAD)                                                        \
    CACHE(RESULT, "result", 1800, ASIDE)                                                           \
    CACHE(STARTUP, "startup", 3600, AHEAD)                                                         \
    CACHE(TEMPLATE, "template", 43200, ASIDE)

enum cache_type {
#define CACHE(id, name, ttl, strategy) CACHE_##id,
    CACHE_TYPES(CACHE)
#undef CACHE
        CACHE_TYPE_COUNT
};
const char *cache_type_name(enum cache_type type);

#define CACHE_LAYOUT_MAX 16

struct cache;
struct redis;
struct cache_setup {
    size_t max_bytes;    /* of memory; 0: none, so that every look goes to Redis */
    bool off;            /* nothing is remembered at all; each who asks loads */
    struct redis *redis; /* the second level; NULL: none. Borrowed */
    /* Names the form of the values, at most CACHE_LAYOUT_MAX bytes: in Redis, those of another form, such as of another
     * build, are other entries. NULL: there is one form. Borrowed. */
    const char *layout;
};
/* NULL: no memory. It is freed when nothing is under way any more, before the Redis that it borrows. */
struct cache *cache_new(const struct cache_setup *setup);
void cache_free(struct cache *c);

enum cache_got {
    CACHE_HIT, /* value is here: a copy in the arena; p NULL when memory is out */
    CACHE_FILL, /* not known: the caller loads it and must then call cache_fill or cache_drop with the same key */
    CACHE_WAIT, /* Redis is asked, or someone else is loading it: the wait will wake; then call cache_get again */
};

/* The short way: true when memory has it and nothing else is to be done; under is as on a hit, value is lent until the
 * cache is called again. False: nothing has happened; then cache_get. */
bool cache_recall(struct cache *c, enum cache_type type, struct str key, struct epochs *under,
                  struct str *value);
/* key: at most 64 bytes, unique within its type. under: the epochs that the value would stand on, as far as they are
 * known, read just now; on a hit, those that it was filled under. */
enum cache_got cache_get(struct cache *c, enum cache_type type, struct str key,
                         struct epochs *under, struct arena *a, struct str *value, struct wait *w);
/* Whether memory has it now; nothing is begun. */
bool cache_holds(const struct cache *c, enum cache_type type, struct str key);
/* Whether there is a second level, which other nodes fill too. */
bool cache_shared(const struct cache *c);
/* Stores a copy, unless one of the epochs has moved meanwhile, and wakes who waits for the key. Redis gets it too when
 * `under` has no epochs but those that cache_get was given. */
void cache_fill(struct cache *c, enum cache_type type, struct str key, const struct epochs *under,
                struct str value);
/* The load failed, or is not to be remembered: wakes who waits (the first of them becomes the next to load). */
void cache_drop(struct cache *c, enum cache_type type, struct str key);

/* Redis is told what has moved: one script moves the counters and publishes it to the other nodes, on the channel
 * "bumps" behind the prefix. The message is the number (0: not known) in 8 bytes, big-endian, then `what`; UINT64_MAX
 * is a beat (jobs/heard.h). Kept and tried again until Redis has it, and doubted meanwhile (epoch_doubt_all); so it
 * may be published twice. When too many are kept, everything that Redis holds is made stale instead, and those are
 * not published. */
void cache_moved(struct cache *c, struct str what, int64_t number);
/* Bumps that Redis has not confirmed yet. */
int cache_untold(const struct cache *c);
/* Makes all that Redis holds stale: it may have missed bumps. err and w as net/wait.h says. */
void cache_forget_shared(struct cache *c, enum err *err, struct wait *w);

/* Bytes and entries held in memory. */
size_t cache_bytes(const struct cache *c);
size_t cache_entries(const struct cache *c);

#endif
