/* crypto/hash.h: SHA-256 (FIPS 180-4), HMAC (RFC 2104), HKDF (RFC 5869). Constant memory, any thread. */
#ifndef CRYPTO_HASH_H
#define CRYPTO_HASH_H

#include "base/str.h"

#define SHA256_SIZE 32

void sha256(struct str data, uint8_t out[SHA256_SIZE]);
/* The same of what comes in pieces. */
struct sha256 {
    uint64_t state[16];
};
void sha256_begin(struct sha256 *s);
void sha256_add(struct sha256 *s, struct str piece);
void sha256_end(struct sha256 *s, uint8_t out[SHA256_SIZE]);
void hmac_sha256(struct str key, struct str data, uint8_t out[SHA256_SIZE]);
/* Of n parts, one behind the other. */
void hmac_sha256_of(struct str key, const struct str *parts, int n, uint8_t out[SHA256_SIZE]);
/* A key of 32 bytes for one named purpose, derived from a secret: HKDF-SHA-256 with `purpose` as info and no salt. */
void derive_key(struct str secret, const char *purpose, uint8_t out[SHA256_SIZE]);

#endif
