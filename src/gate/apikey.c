#include "gate/apikey.h"

#include "base/random.h"

static const char alphabet[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

void apikey_make(char text[APIKEY_TEXT], uint8_t hash[SHA256_SIZE])
{
    uint8_t secret[32];
    size_t at = sizeof(APIKEY_PREFIX) - 1;
    memcpy(text, APIKEY_PREFIX, at);
    for (int i = 0; i < APIKEY_PUBLIC; i++)
        text[at++] = alphabet[random_below(sizeof(alphabet) - 1)];
    text[at++] = '_';
    random_bytes(secret, sizeof(secret));
    base64_encode(secret, sizeof(secret), text + at);
    explicit_bzero(secret, sizeof(secret));
    sha256((struct str){ text + at, APIKEY_SECRET }, hash);
}

static bool alphanumeric(char c)
{
    return c && strchr(alphabet, c);
}

bool apikey_split(struct str text, struct str *public, struct str *secret)
{
    if (text.n != APIKEY_TEXT || !str_starts(text, STR(APIKEY_PREFIX)))
        return false;
    *public = (struct str){ text.p + sizeof(APIKEY_PREFIX) - 1, APIKEY_PUBLIC };
    *secret = (struct str){ public->p + APIKEY_PUBLIC + 1, APIKEY_SECRET };
    for (size_t i = 0; i < public->n; i++)
        if (!alphanumeric(public->p[i]))
            return false;
    for (size_t i = 0; i < secret->n; i++)
        if (!alphanumeric(secret->p[i]) && secret->p[i] != '-' && secret->p[i] != '_')
            return false;
    return public->p[APIKEY_PUBLIC] == '_';
}

bool apikey_matches(struct str secret, const uint8_t hash[SHA256_SIZE])
{
    uint8_t own[SHA256_SIZE];
    sha256(secret, own);
    return str_same_secret((struct str){ (const char *)own, sizeof(own) },
                           (struct str){ (const char *)hash, SHA256_SIZE });
}
