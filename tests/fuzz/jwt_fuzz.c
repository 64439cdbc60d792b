/* Fuzzes jwt_verify: with the input as a token, and with the input's first two parts under a right MAC, which lets it
 * get past the signature to the claims.
 */
#include "crypto/jwt.h"

#include "base/base64.h"
#include "base/clock.h"
#include "crypto/hash.h"

#include <stdlib.h>

#define NOW (1800000000 * SECOND)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Its kid is 0190a5f0-1234-7000-8000-0000000000aa. */
static const struct keys keys = {
    .n = 1,
    .at = { { .id = { { 0x01, 0x90, 0xa5, 0xf0, 0x12, 0x34, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, 0xaa } } } },
};

/* The input up to its second dot, signed. */
static struct str signed_again(struct arena *a, struct str input)
{
    struct str rest = input, part;
    struct text t = text_new(a, 0);
    uint8_t mac[SHA256_SIZE];
    char coded[BASE64_LEN(SHA256_SIZE)];
    str_cut(&rest, '.', &part);
    text_add(&t, part);
    str_cut(&rest, '.', &part);
    text_char(&t, '.');
    text_add(&t, part);

    hmac_sha256((struct str){ (const char *)keys.at[0].secret, KEY_SECRET }, text_str(&t), mac);
    text_char(&t, '.');
    text_add(&t, (struct str){ coded, base64_encode(mac, sizeof(mac), coded) });
    return text_str(&t);
}

static void check(const struct claims *c)
{
    if (c->iat > NOW + JWT_SKEW || c->exp < NOW - JWT_SKEW || c->exp <= c->iat || c->ver < 0 ||
        !str_utf8(c->role))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a = { 0 };
    struct claims claims;
    struct str input = { (const char *)data, size };

    if (jwt_verify(&a, &keys, input, NOW, &claims) == OK)
        check(&claims);
    if (jwt_verify(&a, &keys, signed_again(&a, input), NOW, &claims) == OK)
        check(&claims);
    arena_reset(&a);
    return 0;
}
