/* restrictions.h: what the owner of a generation keeps others from doing with what is derived from it:
 * {"until": time, "access": ["read", ...], "users": [id, ...]}. access left out: all; users left out: everybody.
 */
#ifndef API_RESTRICTIONS_H
#define API_RESTRICTIONS_H

#include "http/req.h"
#include "store/store.h"

#define RESTRICTED_MAX 8 /* users of one restriction */

struct restriction {
    bool any;          /* there is one */
    int64_t until;
    uint64_t accesses; /* bits by enum access */
    struct uuid users[RESTRICTED_MAX];
    int nusers;        /* 0: everybody */
};

/* The value of the field `restrictions`; ERR_INVALID with a fault when it is none. */
enum err restriction_read(struct req *r, struct value v, struct restriction *out) CHECKED;
/* Adds its rows to the change: of the generation `row`, which gate inheritance then judges by. */
enum verdict restriction_add(struct req *r, const struct value *row);

#endif
