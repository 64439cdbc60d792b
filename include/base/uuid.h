/* base/uuid.h: UUIDs (RFC 9562), made here as version 7 and accepted as version 4 or 7. */
#ifndef BASE_UUID_H
#define BASE_UUID_H

#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define UUID_TEXT 36 /* characters of the canonical form */

struct uuid {
    uint8_t b[16];
};

/* A new version 7 UUID: milliseconds of wall, then 74 random bits; rising within a process even inside one
 * millisecond. */
struct uuid uuid_new(int64_t wall);
/* Writes UUID_TEXT bytes, lower case, no NUL. */
void uuid_format(const struct uuid *id, char out[UUID_TEXT]);
/* Canonical 8-4-4-4-12 hexadecimal, either case, and nothing else; any version. */
bool uuid_parse(struct str text, struct uuid *out);
/* Gate 1's rule: version 4 or 7, RFC variant, not nil or max, and no digit that makes up half (16) of the 32. */
bool uuid_acceptable(const struct uuid *id);

static inline bool uuid_eq(const struct uuid *a, const struct uuid *b)
{
    return memcmp(a->b, b->b, 16) == 0;
}

static inline bool uuid_nil(const struct uuid *id)
{
    static const struct uuid nil;
    return uuid_eq(id, &nil);
}

#endif
