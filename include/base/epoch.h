/* base/epoch.h: counters that make cached facts stale.
 * Every principal and resource hashes to a slot of the shared segment; a collision costs a reload, never a stale
 * answer. What is cached carries the epochs read BEFORE its data was asked for and is used only while none has moved.
 * A change commits, bumps, then replies. Lock-free, any process or thread.
 */
#ifndef BASE_EPOCH_H
#define BASE_EPOCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EPOCH_SLOTS 65536u
#define EPOCHS_MAX 4

enum epoch_kind {
    EPOCH_USER = 1, /* id: the user's uuid, 16 bytes */
    EPOCH_SESSION, /* id: the session's uuid */
    EPOCH_APIKEY, /* id: the 8 public characters */
    EPOCH_ROLES, /* any change of any role; no id */
    EPOCH_RESOURCE, /* id: the row's uuid */
    EPOCH_KEYS, /* the signing keys; no id */
};

/* The epochs that one cached record or one request stands on. Zeroed is empty and always fresh
 * until the first add. */
struct epochs {
    uint64_t all; /* the epoch of everything, read with the first add */
    uint32_t n;
    struct {
        uint32_t slot;
        uint32_t value;
    } at[EPOCHS_MAX];
};

/* Bytes to carve from the shared segment, then where they are. */
size_t epoch_size(void);
void epoch_init(void *part);

/* Moves one epoch. */
void epoch_bump(enum epoch_kind kind, const void *id, size_t n);
/* Makes everything stale: after a worker died, it may have committed without bumping. */
void epoch_bump_all(void);
/* Counts all bumps: unchanged between two reads means that no epoch moved in between. */
uint64_t epoch_total(void);

/* Adds the present value of one epoch. Call before the data is asked for. */
void epochs_add(struct epochs *e, enum epoch_kind kind, const void *id, size_t n);
bool epochs_fresh(const struct epochs *e);

#endif
