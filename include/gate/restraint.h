/* gate/restraint.h: who is held back now, and how hard: the gates flood (addresses) and limit (principals) look here.
 * A table in the shared segment, so every worker of the node sees a change at once. It is a copy: the rows of
 * `restraints` are the truth, jobs/restraints.c loads those in force when their epoch moves. Lock-free; it never
 * grows: a set that is full gives up the one that ends soonest. Without the segment nobody is held back.
 */
#ifndef GATE_RESTRAINT_H
#define GATE_RESTRAINT_H

#include "base/clock.h"
#include "base/uuid.h"
#include "cache/window.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum restraint_kind { RESTRAINT_PRINCIPAL, RESTRAINT_ADDRESS };
/* "principal", "address". */
const char *restraint_kind_name(enum restraint_kind kind);

/* What is done, each harder than the one before. */
enum restraint_level {
    RESTRAINT_RECORDED, /* nothing: it is only written down */
    RESTRAINT_HALF,     /* half of every limit, for an hour */
    RESTRAINT_TENTH,    /* a tenth of every limit, for 30 minutes */
    RESTRAINT_BLOCK,    /* nothing is let through, for an hour */
    RESTRAINT_LEVELS,
};
/* "recorded", "half", "tenth", "block". */
const char *restraint_level_name(enum restraint_level level);
/* False when it is none. */
bool restraint_level_find(struct str name, enum restraint_level *out);
/* How long a response to an anomaly lasts, microseconds. */
int64_t restraint_length(enum restraint_level level);

/* ---- subjects ---- */

/* What the table knows somebody by: never 0. Users by their id, addresses as the windows do: IPv6 by /64. */
uint64_t restraint_user(const struct uuid *user);
uint64_t restraint_address(const struct in6_addr *address);
/* An address as rows name it: "192.0.2.1", "2001:db8::/64"; with its NUL. */
#define RESTRAINT_SUBJECT (INET6_ADDRSTRLEN + 4)
void restraint_address_text(const struct in6_addr *address, char out[RESTRAINT_SUBJECT]);
/* Reads a row's subject: of a user into `user`, of an address (a prefix of 64 bits may follow IPv6) into `address`.
 * False when it is none. */
bool restraint_subject_read(enum restraint_kind kind, struct str text, struct uuid *user,
                            struct in6_addr *address);

/* Who is lifted begins anew: what the own window has counted is forgotten. Borrows one of user and address. */
void restraint_forgive(struct windows *ws, enum restraint_kind kind, const struct uuid *user,
                       const struct in6_addr *address);

/* ---- the table ---- */

#define RESTRAINT_PLACES 4096

/* The harshest in force for somebody. */
struct held {
    enum restraint_level level; /* RECORDED: none */
    int64_t until;              /* wall microseconds */
};
struct held restraint_look(uint64_t subject, int64_t now);
/* What is left of a window's limit; at least 1. */
int64_t restraint_limit(enum restraint_level level, int64_t limit);

/* In force from now on. kept: what a load does not know of yet stays so long (wall). */
void restraint_put(uint64_t subject, enum restraint_level level, int64_t until, int64_t now,
                   int64_t kept);
/* Lifted. */
void restraint_drop(uint64_t subject, enum restraint_level level);

/* One row in force. */
struct restraint_row {
    uint64_t subject;
    enum restraint_level level;
    int64_t until;
};
/* The table becomes these rows, and what is kept. Sorts them. By one process of the node. */
void restraint_load(struct restraint_row *rows, int n, int64_t now);

/* Bytes to carve from the shared segment, then where they are. */
size_t restraint_size(void);
void restraint_init(void *part);

#endif
