/* cache/shared.h: the second level of the cache, in Redis, for all nodes. Nothing here fails: what Redis cannot answer
 * is a miss.
 *     shared.c        looking up, and storing
 *     shared_bumps.c  moving the counters
 *     shared_entry.c  an entry as bytes
 *     shared_room.h   what these share
 *
 * In Redis, behind the prefix: "f:<layout>:<type>:<key>" is an entry, which only nodes read that have its layout;
 * "e:<slot>" the counter of an epoch slot, "e:all" that of everything; "run" the run_id of the Redis whose data this
 * is. A counter is a time in microseconds. It never returns to a value that it had: it moves to the time of Redis, or
 * by one, and where it is absent it is made with the time.
 * An entry carries the counters that it stands on, all of which were read before its value was asked for.
 * A Redis that was restarted, or another one that took its place, may have lost the last bumps. So after each
 * connection "run" is compared before anything else, and if it is not its own, e:all is moved.
 */
#ifndef CACHE_SHARED_H
#define CACHE_SHARED_H

#include "cache/cache.h"
#include "cache/redis.h"

#define COUNTERS_MAX (EPOCHS_MAX + 1)
#define SLOT_ALL UINT32_MAX

/* Counters and their values; 0: absent. */
struct counters {
    int n;
    struct {
        uint32_t slot;
        uint64_t value;
    } at[COUNTERS_MAX];
};

/* One look into Redis, embedded in who looks; zeroed, it is idle. */
struct shared_look {
    void (*looked)(struct shared_look *look);
    enum cache_type type;
    struct str key;        /* borrowed until looked() */
    struct counters under; /* all present: what is loaded from now on may be stored under them */
    bool known;            /* they are */

    /* Valid within looked(). */
    bool hit;
    struct str value;
    int64_t left;       /* microseconds that the entry still lives */
    bool asked_for_all; /* it stands on nothing but the epochs that were asked for */

    struct shared *shared;
    struct wait wait;
    struct redis_reply entry, reply;
    struct counters more; /* those of the entry that were not asked for */
};

struct shared;
/* NULL: no memory. */
struct shared *shared_new(struct redis *redis, const char *layout);
void shared_free(struct shared *s);

/* Whether it is worth asking, for what stands on these epochs. */
bool shared_usable(struct shared *s, const struct epochs *under);
/* Looks for the entry; looked() is called later. */
void shared_look(struct shared *s, struct shared_look *look, enum cache_type type, struct str key,
                 const struct epochs *under, void (*looked)(struct shared_look *look));
/* Stores what was loaded since the look, if all that it stands on was looked at. lives: microseconds. */
void shared_store(struct shared *s, const struct shared_look *look, const struct epochs *under,
                  struct str value, int64_t lives);

/* As cache.h says. */
void shared_moved(struct shared *s, struct str what, int64_t number);
int shared_untold(const struct shared *s);
void shared_forget(struct shared *s, enum err *err, struct wait *w);

#endif
