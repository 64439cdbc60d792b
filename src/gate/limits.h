/* gate/limits.h: names of the windows: a dimension and an identity become a key. */
#ifndef GATE_LIMITS_H
#define GATE_LIMITS_H

#include "base/clock.h"
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

#endif
