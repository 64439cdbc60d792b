/* gate/apikey.h: the text of an API key: gh_<8 public>_<43 secret>. The public part names the row; of the
 * secret, 256 random bits in base64url, only the SHA-256 is stored, so the text is shown once.
 */
#ifndef GATE_APIKEY_H
#define GATE_APIKEY_H

#include "base/base64.h"
#include "crypto/hash.h"

#define APIKEY_PREFIX "gh_"
#define APIKEY_PUBLIC 8
#define APIKEY_SECRET BASE64_LEN(32)
#define APIKEY_TEXT (sizeof(APIKEY_PREFIX) - 1 + APIKEY_PUBLIC + 1 + APIKEY_SECRET)

/* A new key: its whole text (no NUL) and what the secret hashes to. */
void apikey_make(char text[APIKEY_TEXT], uint8_t hash[SHA256_SIZE]);
/* The parts of a text, by place: the secret may hold '_' itself. False when it is no key. */
bool apikey_split(struct str text, struct str *public, struct str *secret);
/* Whether the secret is the one behind the hash; in constant time. */
bool apikey_matches(struct str secret, const uint8_t hash[SHA256_SIZE]);

#endif
