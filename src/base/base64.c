#include "base/base64.h"

#define FOREIGN 0x80

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

size_t base64_encode(const void *bytes, size_t n, char *out)
{
    const uint8_t *p = bytes;
    char *at = out;

    for (; n >= 3; p += 3, n -= 3) {
        uint32_t bits = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
        *at++ = alphabet[bits >> 18];
        *at++ = alphabet[bits >> 12 & 63];
        *at++ = alphabet[bits >> 6 & 63];
        *at++ = alphabet[bits & 63];
    }
    if (n) {
        uint32_t bits = (uint32_t)p[0] << 16 | (n == 2 ? (uint32_t)p[1] << 8 : 0);
        *at++ = alphabet[bits >> 18];
        *at++ = alphabet[bits >> 12 & 63];
        if (n == 2)
            *at++ = alphabet[bits >> 6 & 63];
    }
    return (size_t)(at - out);
}

static uint32_t value_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (uint32_t)(c - 'A');
    if (c >= 'a' && c <= 'z')
        return (uint32_t)(c - 'a' + 26);
    if (c >= '0' && c <= '9')
        return (uint32_t)(c - '0' + 52);
    return c == '-' ? 62 : c == '_' ? 63 : FOREIGN;
}

/* The last 2 or 3 characters: 1 or 2 bytes. Spare bits other than zero would be a second spelling of the same bytes.
 * */
static long decode_tail(const char *p, size_t n, uint8_t *out)
{
    uint32_t a = value_of(p[0]), b = value_of(p[1]), c = n == 3 ? value_of(p[2]) : 0;
    if ((a | b | c) & FOREIGN || (n == 2 ? b & 15 : c & 3))
        return -1;

    out[0] = (uint8_t)(a << 2 | b >> 4);
    if (n == 3)
        out[1] = (uint8_t)(b << 4 | c >> 2);
    return (long)n - 1;
}

long base64_decode(struct str text, void *out)
{
    const char *p = text.p;
    uint8_t *at = out;
    size_t n = text.n;
    if (n % 4 == 1)
        return -1;

    for (; n >= 4; p += 4, n -= 4, at += 3) {
        uint32_t a = value_of(p[0]), b = value_of(p[1]), c = value_of(p[2]), d = value_of(p[3]);
        if ((a | b | c | d) & FOREIGN)
            return -1;
        at[0] = (uint8_t)(a << 2 | b >> 4);
        at[1] = (uint8_t)(b << 4 | c >> 2);
        at[2] = (uint8_t)(c << 6 | d);
    }
    long tail = n ? decode_tail(p, n, at) : 0;
    return tail < 0 ? -1 : (long)(at - (uint8_t *)out) + tail;
}
