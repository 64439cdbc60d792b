/* crypto/jwt.h: access tokens: JSON Web Tokens (RFC 7519, 7515, 8725), HS256, made and checked under a ring of keys.
 * Each key is bound to one algorithm; the header may only name alg, typ and kid. Nothing is fetched, ever.
 */
#ifndef CRYPTO_JWT_H
#define CRYPTO_JWT_H

#include "base/str.h"
#include "base/uuid.h"

#define KEYS_MAX 8
#define KEY_SECRET 32
#define JWT_MAX 1024                     /* longer tokens are refused unread */
#define JWT_SKEW (60 * (int64_t)1000000) /* microseconds of clock difference that are tolerated */

/* One signing key. Signs from `from` (wall time), verifies until `until` (0: no end known yet). */
struct key {
    struct uuid id; /* the kid */
    uint8_t secret[KEY_SECRET];
    int64_t from, until;
};

/* The keys in force, newest last. Loaded from rows; replaced whole at a rotation. */
struct keys {
    struct key at[KEYS_MAX];
    int n;
};

struct claims {
    struct uuid sub; /* user */
    struct uuid sid; /* session */
    struct uuid jti;
    struct str role;  /* points into the arena given */
    int64_t ver;      /* the user's token version at issue */
    int64_t iat, exp; /* wall time in microseconds, whole seconds */
};

/* A random secret, sealed under the derived key for the store / opened again. Sealed text is in the arena. */
enum err key_make(struct arena *a, const uint8_t seal_key[32], struct uuid id, struct key *key,
                  struct str *sealed) CHECKED;
enum err key_open(struct arena *a, const uint8_t seal_key[32], struct uuid id, struct str sealed,
                  struct key *key) CHECKED;

/* The token text, in the arena, under the newest key whose `from` has come. ERR_UNAVAILABLE without such a key. */
enum err jwt_sign(struct arena *a, const struct keys *keys, const struct claims *claims,
                  int64_t now, struct str *token) CHECKED;
/* ERR_BAD_TOKEN or ERR_TOKEN_EXPIRED. Signature first; claims are read only from what was signed. Strict:
 * canonical base64url, no duplicate names, iss "gatehouse", aud "gatehouse", integer times, iat not ahead of now by
 * over JWT_SKEW. */
enum err jwt_verify(struct arena *a, const struct keys *keys, struct str token, int64_t now,
                    struct claims *out) CHECKED;

#endif
