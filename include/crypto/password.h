/* crypto/password.h: bcrypt "$2b$" hashes (Provos and Mazieres, 1999) through libcrypt. Slow by purpose: never on
 * the loop. Any thread. */
#ifndef CRYPTO_PASSWORD_H
#define CRYPTO_PASSWORD_H

#include "base/str.h"

#define PASSWORD_MIN 8
#define PASSWORD_MAX 72 /* bytes; bcrypt sees no more, so longer ones are refused, never cut */
#define PASSWORD_HASH 60 /* characters of a hash */

/* Whether the password may be hashed: PASSWORD_MIN to PASSWORD_MAX bytes, UTF-8, no NUL. */
bool password_allowed(struct str password);
/* Writes the hash with a NUL. cost 10 to 14. ERR_INTERNAL when libcrypt fails. */
enum err password_hash(struct str password, int cost, char out[PASSWORD_HASH + 1]) CHECKED;
/* Whether they match; compared in constant time. A malformed hash never matches, but costs the same time. */
bool password_matches(struct str password, struct str hash);
/* A hash that no password matches, of that cost: checked for unknown users so that they take the same time. Static.
 * */
const char *password_dummy(int cost);

#endif
