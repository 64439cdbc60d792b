/* gate/keyring.h: the signing keys of this worker and the access tokens it has verified lately.
 * Keys are rows, sealed under a key derived from JWT_SECRET; they are reread when their epoch moves. A verified
 * token is found again by a keyed hash and compared whole, in constant time: no signature on the warm path. Void at
 * exp or when the keys move.
 */
#ifndef GATE_KEYRING_H
#define GATE_KEYRING_H

#include "crypto/chain.h"
#include "crypto/jwt.h"
#include "store/store.h"

struct keyring;

/* secret: JWT_SECRET. */
struct keyring *keyring_new(struct store *store, struct str secret);
void keyring_free(struct keyring *k);

/* Reads the keys; makes the first one when there is none. Needed before anything else, and again when keyring_stale.
 * ERR_INVALID in *err: a row cannot be opened (JWT_SECRET is not the one it was sealed under). Many may ask at once.
 * */
void keyring_load(struct keyring *k, enum err *err, struct wait *w);
bool keyring_stale(const struct keyring *k);
/* Whether the keys have moved since they were read, which may have been just now. */
bool keyring_moved(const struct keyring *k);
const struct keys *keyring_keys(const struct keyring *k);
/* The 32-byte key that signing keys are sealed under. */
const uint8_t *keyring_seal(const struct keyring *k);
/* The one that URLs are signed under. */
const uint8_t *keyring_urls(const struct keyring *k);
/* The keys of the audit chain. */
const struct chain_keys *keyring_chain(const struct keyring *k);

/* Verifies, or remembers having done so. claims->role points into the arena or the memory of the ring (good for this
 * turn). */
enum err keyring_verify(struct keyring *k, struct arena *a, struct str token, int64_t now,
                        struct claims *out) CHECKED;

#endif
