/* base/epoch.h: counters that make cached facts stale.
 * Every principal and resource hashes to a slot of the shared segment; a collision costs a reload, never a stale
 * answer. What is cached carries the epochs read BEFORE its data was asked for and is used only while none has moved.
 * A change commits, bumps, then replies. Where the store is shared by nodes, the others' bumps are heard: a node that
 * has heard nothing for EPOCH_DEAF uses no cached facts. Lock-free, any process or thread.
 */
#ifndef BASE_EPOCH_H
#define BASE_EPOCH_H

#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EPOCH_SLOTS 65536u
#define EPOCHS_MAX 4
#define EPOCH_DEAF 1000000  /* microseconds; what is heard is true as of the time it was asked at */
#define EPOCH_DOUBT 3000000 /* microseconds after a bump of ours, for which the shared cache may not know of it */
#define EPOCH_WHAT_MAX 64   /* bytes that name one bump: its kind, the id's length, the id */

enum epoch_kind {
    EPOCH_USER = 1, /* id: the user's uuid, 16 bytes */
    EPOCH_SESSION, /* id: the session's uuid */
    EPOCH_APIKEY, /* id: the 8 public characters */
    EPOCH_ROLES, /* any change of any role; no id */
    EPOCH_RESOURCE, /* id: the row's uuid */
    EPOCH_KEYS, /* the signing keys; no id */
    EPOCH_MODE, /* the mode that was set by hand; no id */
    EPOCH_RESTRAINTS, /* who is held back; no id */
    EPOCH_UPSTREAMS, /* the rules for requests to other services; no id */
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
/* Adds the present value of one epoch. Call before the data is asked for. */
void epochs_add(struct epochs *e, enum epoch_kind kind, const void *id, size_t n);
/* One of them has moved since it was added. */
bool epochs_moved(const struct epochs *e);
/* None of them has moved, and this node hears the others. */
bool epochs_fresh(const struct epochs *e);

/* ---- between nodes ---- */

/* Bumps as bytes, one behind the other: u8 kind, u8 length of the id, the id. Writes one, returns its length (at most
 * EPOCH_WHAT_MAX). */
size_t epoch_what(char *out, enum epoch_kind kind, const void *id, size_t n);
/* Takes the next one off; false at the end, or when what is left is none. Slots are the same on every node that has
 * the same secret. */
bool epoch_what_next(struct str *what, uint32_t *slot);
/* Moves all that `what` names. doubt: the shared cache may not know of them yet. */
void epoch_bump_what(struct str what, bool doubt);

/* The shared cache knows of no bump of ours until then (monotonic microseconds). */
void epoch_doubt_all(int64_t until);
/* Whether what the shared cache holds under these epochs may be older than they are. */
bool epochs_doubtful(const struct epochs *e);

/* From now on this node uses cached facts only while it hears the others. */
void epoch_listen(void);
/* Everything that others had committed before `at` (monotonic microseconds) has been applied. */
void epoch_heard(int64_t at);
/* The time of the last one; INT64_MAX when nobody has to be heard. */
int64_t epoch_last_heard(void);

#endif
