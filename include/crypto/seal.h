/* crypto/seal.h: AES-256-GCM (NIST SP 800-38D) with a random 96-bit nonce in front and the tag behind. */
#ifndef CRYPTO_SEAL_H
#define CRYPTO_SEAL_H

#include "base/str.h"

#define SEAL_MORE 28 /* bytes that a sealed text is longer than its plain text */

/* Seals `plain` under a 32-byte key, bound to `context` (authenticated, not stored). Result in the arena. */
enum err seal(struct arena *a, const uint8_t key[32], struct str context, struct str plain,
              struct str *sealed) CHECKED;
/* ERR_BAD_TOKEN when altered, of another key or of another context. */
enum err seal_open(struct arena *a, const uint8_t key[32], struct str context, struct str sealed,
                   struct str *plain) CHECKED;

#endif
