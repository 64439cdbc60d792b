/* base/base64.h: base64url without padding (RFC 4648 section 5), canonical only. */
#ifndef BASE_BASE64_H
#define BASE_BASE64_H

#include "base/str.h"

/* Characters that n bytes become. */
#define BASE64_LEN(n) (((n)*4 + 2) / 3)

/* Writes BASE64_LEN(n) characters, no NUL; returns their number. */
size_t base64_encode(const void *bytes, size_t n, char *out);
/* Bytes written to out (at most text.n * 3 / 4), or -1 for a foreign character, padding, an impossible length or
 * non-zero spare bits. */
long base64_decode(struct str text, void *out);

#endif
