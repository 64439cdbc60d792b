#include "crypto/seal.h"

#include "base/random.h"

#include <mbedtls/gcm.h>

#define NONCE 12
#define TAG 16
#define KEY_BITS 256

static const unsigned char *bytes(struct str s)
{
    return (const unsigned char *)s.p;
}

static enum err set_key(mbedtls_gcm_context *gcm, const uint8_t key[32])
{
    mbedtls_gcm_init(gcm);
    return mbedtls_gcm_setkey(gcm, MBEDTLS_CIPHER_ID_AES, key, KEY_BITS) == 0 ? OK : ERR_NO_MEMORY;
}

enum err seal(struct arena *a, const uint8_t key[32], struct str context, struct str plain,
              struct str *sealed)
{
    *sealed = STR_NONE;
    if (plain.n > SIZE_MAX - SEAL_MORE)
        return ERR_NO_MEMORY;
    unsigned char *out = arena_alloc(a, plain.n + SEAL_MORE);
    if (!out)
        return ERR_NO_MEMORY;
    random_bytes(out, NONCE);

    mbedtls_gcm_context gcm;
    enum err err = set_key(&gcm, key);
    if (err == OK && mbedtls_gcm_crypt_and_tag(&gcm, MBEDTLS_GCM_ENCRYPT, plain.n, out, NONCE,
                                               bytes(context), context.n, bytes(plain), out + NONCE,
                                               TAG, out + NONCE + plain.n) != 0)
        err = ERR_INTERNAL;
    mbedtls_gcm_free(&gcm);

    if (err == OK)
        *sealed = (struct str){ (char *)out, plain.n + SEAL_MORE };
    return err;
}

enum err seal_open(struct arena *a, const uint8_t key[32], struct str context, struct str sealed,
                   struct str *plain)
{
    *plain = STR_NONE;
    if (sealed.n < SEAL_MORE)
        return ERR_BAD_TOKEN;
    size_t n = sealed.n - SEAL_MORE;
    unsigned char *out = arena_alloc(a, n);
    if (!out)
        return ERR_NO_MEMORY;

    mbedtls_gcm_context gcm;
    const unsigned char *nonce = bytes(sealed), *body = nonce + NONCE;
    enum err err = set_key(&gcm, key);
    if (err == OK && mbedtls_gcm_auth_decrypt(&gcm, n, nonce, NONCE, bytes(context), context.n,
                                              body + n, TAG, body, out) != 0)
        err = ERR_BAD_TOKEN;
    mbedtls_gcm_free(&gcm);

    if (err == OK)
        *plain = (struct str){ (char *)out, n };
    return err;
}
