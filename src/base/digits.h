/* src/base/digits.h: decimal digits without printf. */
#ifndef BASE_DIGITS_H
#define BASE_DIGITS_H

#include <stddef.h>
#include <stdint.h>

#define DIGITS_MOST 20 /* of a uint64, and of an int64 with its sign */

/* Writes exactly `width` digits of value, zeros in front. */
static inline void digits_fixed(char *out, unsigned value, int width)
{
    while (width > 0) {
        out[--width] = (char)('0' + value % 10);
        value /= 10;
    }
}

/* Writes the digits of value, no NUL; returns their number. */
static inline size_t digits_put(char *out, uint64_t value)
{
    char reversed[DIGITS_MOST];
    size_t n = 0;
    do {
        reversed[n++] = (char)('0' + value % 10);
        value /= 10;
    } while (value);

    for (size_t i = 0; i < n; i++)
        out[i] = reversed[n - 1 - i];
    return n;
}

static inline size_t digits_put_int(char *out, int64_t value)
{
    if (value >= 0)
        return digits_put(out, (uint64_t)value);
    out[0] = '-';
    return 1 + digits_put(out + 1, 0 - (uint64_t)value);
}

#endif
