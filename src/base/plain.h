/* src/base/plain.h: finds what needs an escape, eight bytes at a time. */
#ifndef BASE_PLAIN_H
#define BASE_PLAIN_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define PLAIN_BYTES(b) (0x0101010101010101u * (b))
#define PLAIN_HIGH PLAIN_BYTES(0x80)

static inline uint64_t plain_word(const char *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof(word));
    return word;
}

/* Whether one of 8 bytes is a quote, a backslash or below 0x20: a byte that is sets its high bit by borrowing. It may
 * borrow from its neighbour too, but then there is one. */
static inline bool plain_none8(uint64_t word)
{
    uint64_t quote = word ^ PLAIN_BYTES('"'), slash = word ^ PLAIN_BYTES('\\');
    uint64_t found = ((quote - PLAIN_BYTES(1)) & ~quote) | ((slash - PLAIN_BYTES(1)) & ~slash) |
                     ((word - PLAIN_BYTES(0x20)) & ~word);
    return (found & PLAIN_HIGH) != 0;
}

/* Whether one of 8 bytes is 0x7f or above. */
static inline bool plain_high8(uint64_t word)
{
    return ((word | (word + PLAIN_BYTES(1))) & PLAIN_HIGH) != 0;
}

#endif
