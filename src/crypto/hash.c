#include "crypto/hash.h"

#include <mbedtls/sha256.h>

#define BLOCK 64 /* bytes that SHA-256 takes at a time */

/* mbedtls fails here only without a working hash; nothing that is hashed can cause it. */
static void feed(mbedtls_sha256_context *c, const void *p, size_t n)
{
    must(mbedtls_sha256_update(c, p, n) == 0);
}

static void begin(mbedtls_sha256_context *c)
{
    mbedtls_sha256_init(c);
    must(mbedtls_sha256_starts(c, 0) == 0);
}

static void end(mbedtls_sha256_context *c, uint8_t out[SHA256_SIZE])
{
    must(mbedtls_sha256_finish(c, out) == 0);
    mbedtls_sha256_free(c);
}

void sha256(struct str data, uint8_t out[SHA256_SIZE])
{
    mbedtls_sha256_context c;
    begin(&c);
    feed(&c, data.p, data.n);
    end(&c, out);
}

_Static_assert(sizeof(mbedtls_sha256_context) <= sizeof(struct sha256), "the state is larger");

static mbedtls_sha256_context *context_of(struct sha256 *s)
{
    return (mbedtls_sha256_context *)(void *)s->state;
}

void sha256_begin(struct sha256 *s)
{
    begin(context_of(s));
}

void sha256_add(struct sha256 *s, struct str piece)
{
    feed(context_of(s), piece.p, piece.n);
}

void sha256_end(struct sha256 *s, uint8_t out[SHA256_SIZE])
{
    end(context_of(s), out);
}

/* Begins a hash with the key's block, each byte of it turned by `pad`. */
static void begin_keyed(mbedtls_sha256_context *c, const uint8_t key[BLOCK], uint8_t pad)
{
    uint8_t padded[BLOCK];
    for (int i = 0; i < BLOCK; i++)
        padded[i] = key[i] ^ pad;
    begin(c);
    feed(c, padded, BLOCK);
    explicit_bzero(padded, sizeof(padded));
}

/* On the stack: mbedtls_md_hmac allocates. */
void hmac_sha256_of(struct str key, const struct str *parts, int n, uint8_t out[SHA256_SIZE])
{
    mbedtls_sha256_context c;
    uint8_t block[BLOCK] = { 0 };
    if (key.n > BLOCK)
        sha256(key, block);
    else if (key.n)
        memcpy(block, key.p, key.n);

    begin_keyed(&c, block, 0x36);
    for (int i = 0; i < n; i++)
        feed(&c, parts[i].p, parts[i].n);
    end(&c, out);

    begin_keyed(&c, block, 0x5c);
    feed(&c, out, SHA256_SIZE);
    end(&c, out);
    explicit_bzero(block, sizeof(block));
}

void hmac_sha256(struct str key, struct str data, uint8_t out[SHA256_SIZE])
{
    hmac_sha256_of(key, &data, 1, out);
}

/* RFC 5869: extract with the empty salt, then the first block of expand. */
void derive_key(struct str secret, const char *purpose, uint8_t out[SHA256_SIZE])
{
    uint8_t extracted[SHA256_SIZE];
    hmac_sha256(STR_NONE, secret, extracted);
    const struct str info[] = { str_of(purpose), STR("\x01") };
    hmac_sha256_of((struct str){ (char *)extracted, SHA256_SIZE }, info, 2, out);
    explicit_bzero(extracted, sizeof(extracted));
}
