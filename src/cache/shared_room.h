#ifndef CACHE_SHARED_ROOM_H
#define CACHE_SHARED_ROOM_H

#include "net/wheel.h"
#include "shared.h"

#define NAME_SIZE 192 /* of a key in Redis: the prefix, the layout, the type, 64 bytes */
#define COUNTER_LIVES "90000000" /* milliseconds: 25 hours, longer than any entry; e:all stays */

/* One store that is under way. */
struct storing {
    struct storing *next; /* of the unused ones */
    struct shared *shared;
    enum cache_type type;
    struct wait wait;
    struct redis_reply reply;
};

struct shared {
    struct redis *redis;
    struct str layout;
    struct storing *unused;

    /* What Redis holds is believed on this connection only: what it held before has been compared, or moved. */
    int64_t believed;
    int64_t compared; /* the connection that it is being compared on */
    bool comparing;
    struct wait wait;
    struct redis_reply reply;

    /* Bumps that Redis has not confirmed, the oldest first. */
    struct list untold;
    int nuntold;
    bool all_untold; /* too many: e:all is to be moved in place of those that were dropped */
    bool telling_all;
    struct wait all_wait;
    struct redis_reply all_reply;
    struct deadline retry; /* set while there are any */
    bool retrying;
};

/* The name of a counter in Redis, written to `out` of NAME_SIZE. */
struct str shared_counter(const struct shared *s, uint32_t slot, char *out);

/* shared_bumps.c */
void bumps_init(struct shared *s);
void bumps_fini(struct shared *s);
/* Moves e:all. */
void bumps_all(struct shared *s, struct redis_reply *out, struct wait *w);

/* shared_entry.c */
#define ENTRY_VALUE_MAX (16 * 1024) /* bytes; larger values are not shared: compressing them takes too long */

struct shared_entry {
    struct counters under;
    int64_t dies; /* wall clock, microseconds */
    struct str value;
};
/* As bytes, in a buffer that the next call overwrites. p is NULL when it cannot be. */
struct str entry_write(const struct shared_entry *e);
/* False: it is none. The value stands in `bytes`, or in a buffer that the next call overwrites. */
bool entry_read(struct str bytes, struct shared_entry *out);

#endif
