/* gate/limits.h: the windows by name: a dimension and an identity become a key, the configuration says how large. */
#ifndef GATE_LIMITS_H
#define GATE_LIMITS_H

#include "base/clock.h"
#include "base/config.h"
#include "base/hash.h"
#include "base/uuid.h"
#include "cache/window.h"

#include <netinet/in.h>
#include <string.h>

/* Dimensions; the classes of actions follow from LIMIT_CLASS on, one for each class and length. */
enum limit_dimension {
    LIMIT_ADDRESS = 1,
    LIMIT_USER,
    LIMIT_RESOURCE,
    LIMIT_SIGNIN_PAIR,
    LIMIT_SIGNIN_ADDRESS,
    LIMIT_SIGNIN_ACCOUNT,
    LIMIT_CLASS = 16,
};

/* The limit of every window while RATE_LIMIT_PROFILE is off: counted like any other, but out of reach. */
#define LIMIT_OFF 100000000

/* IPv6 by /64: whoever has one address there has all of them. */
static inline uint64_t limits_address(uint32_t dimension, const struct in6_addr *a)
{
    bool v4 = IN6_IS_ADDR_V4MAPPED(a);
    return hash_kind(dimension, a->s6_addr, v4 ? 16 : 8);
}

/* The last bytes of an id are random and were made here: nobody can choose them, so they need no hash. */
static inline uint64_t limits_user(uint32_t dimension, const struct uuid *user)
{
    uint64_t key;
    memcpy(&key, user->b + sizeof(user->b) - sizeof(key), sizeof(key));
    return key ^ dimension * UINT64_C(0x9e3779b97f4a7c15);
}

/* What restraints (gate/restraint.h) know an address by, from the key of its window. Odd, where users are even. */
static inline uint64_t limits_subject(uint64_t key)
{
    return key | 1;
}

/* Of an address, kept by each node for itself. */
static inline struct window limits_of_address(const struct in6_addr *a)
{
    struct window w = { limits_address(LIMIT_ADDRESS, a), MINUTE, 2000, false };
    if (config.rate_limit_profile == PROFILE_STRICT)
        w.length = HOUR;
    if (config.rate_limit_profile == PROFILE_OFF)
        w.limit = LIMIT_OFF;
    return w;
}

/* Of a user, by sessions and keys together. */
static inline struct window limits_of_user(const struct uuid *user)
{
    struct window w = { limits_user(LIMIT_USER, user), MINUTE, 1000, false };
    if (config.rate_limit_profile == PROFILE_STRICT)
        w.length = HOUR;
    if (config.rate_limit_requests > 0) {
        w.length = (config.rate_limit_window * SECOND + 59) / 60 * 60; /* whole buckets */
        w.limit = config.rate_limit_requests;
    }
    return w;
}

/* The answer to who is blocked for so long. */
static inline struct spent limits_blocked(int64_t length)
{
    return (struct spent){ .err = OK, .limit = 1, .reset = length };
}

#endif
