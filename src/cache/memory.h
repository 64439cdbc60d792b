/* cache/memory.h: what a worker remembers, bounded by bytes: a hash table whose entries stand in the queues of
 * S3-FIFO (Yang et al., SOSP 2023). New entries pass a small queue (a tenth); those that are asked for again there
 * move to the main one, the others leave only their hash, and come straight to the main queue when they return. So a
 * scan flushes no more than the small queue. Not thread-safe.
 */
#ifndef CACHE_MEMORY_H
#define CACHE_MEMORY_H

#include "base/epoch.h"
#include "base/list.h"
#include "base/str.h"
#include "cache/cache.h"

#include <stdint.h>

struct entry {
    struct entry *next; /* of the same hash slot */
    struct list node;   /* on its queue */
    uint64_t hash;
    int64_t dies;       /* monotonic microseconds */
    int64_t rests;      /* until then it is not loaded ahead of its end (again) */
    struct epochs under;
    uint32_t value_size;
    uint8_t key_size;
    uint8_t type;
    uint8_t hits;       /* 0 to 3, since it came to its queue */
    bool main;
    char bytes[];       /* the key, then the value */
};

static inline struct str entry_key(const struct entry *e)
{
    return (struct str){ e->bytes, e->key_size };
}

static inline struct str entry_value(const struct entry *e)
{
    return (struct str){ e->bytes + e->key_size, e->value_size };
}

struct memory;
struct memory *memory_new(size_t max_bytes);
void memory_free(struct memory *m);

/* The entry, or NULL. It is valid until the next put or drop. */
struct entry *memory_find(const struct memory *m, enum cache_type type, struct str key,
                          uint64_t hash);
/* It was asked for and used. */
void memory_hit(struct entry *e);
/* A copy of the value, in place of what was there; pushes others out. Nothing when it takes more than a sixteenth of
 * all, or memory is out. */
void memory_put(struct memory *m, enum cache_type type, struct str key, uint64_t hash,
                struct str value, const struct epochs *under, int64_t dies);
/* It is outdated. If it stood in the main queue, what replaces it comes there again. */
void memory_drop(struct memory *m, struct entry *e);

size_t memory_bytes(const struct memory *m);
size_t memory_entries(const struct memory *m);

#endif
