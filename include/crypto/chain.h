/* crypto/chain.h: what makes the audit's rows hold: the MAC of a row, the link between two, the signature of the last,
 * and the keys that personal data is sealed under. All are HMAC-SHA-256 or AES-GCM under keys derived from JWT_SECRET.
 * Pure: it holds nothing, asks nothing, and serves the writer, the sealer and who verifies alike. Any thread.
 */
#ifndef CRYPTO_CHAIN_H
#define CRYPTO_CHAIN_H

#include "base/str.h"
#include "base/uuid.h"
#include "crypto/hash.h"

#define CHAIN_KEY 32 /* bytes of a subject's key */

struct chain_keys {
    uint8_t row[SHA256_SIZE], link[SHA256_SIZE], head[SHA256_SIZE];
    uint8_t subject[SHA256_SIZE]; /* seals the subjects' keys */
};
/* From JWT_SECRET. */
void chain_keys(struct str secret, struct chain_keys *out);

/* All that the MAC of a row is over. A nil id stands for null. */
struct chain_row {
    struct uuid id, writer;
    int64_t sequence, at;
    struct str principal_kind;
    struct uuid principal_id, session_id;
    struct str action;
    struct uuid target;
    struct str outcome;
    struct uuid decision;
    struct str risk, correlation;
    struct uuid subject; /* the key that `sealed` is sealed under */
    struct str sealed;
};
void chain_mac(const struct chain_keys *keys, const struct chain_row *row,
               uint8_t out[SHA256_SIZE]);

/* The link of a row: over the one before it (zeros in front of the first), its number, its id and its MAC (32 bytes, or
 * none where the row is gone). */
void chain_link(const struct chain_keys *keys, const uint8_t before[SHA256_SIZE], int64_t number,
                const struct uuid *id, struct str mac, uint8_t out[SHA256_SIZE]);

/* The signature of a head: the last number, its link, and when it was the last. */
void chain_sign(const struct chain_keys *keys, int64_t number, const uint8_t link[SHA256_SIZE],
                int64_t at, uint8_t out[SHA256_SIZE]);

/* A head as a line of text without its end, in a file or a log: number, link, time in microseconds, signature. */
#define CHAIN_HEAD_LINE 192 /* bytes that it takes at most, NUL included */
struct chain_head {
    int64_t number, at;
    uint8_t link[SHA256_SIZE], signature[SHA256_SIZE];
};
size_t chain_head_write(const struct chain_head *head, char out[CHAIN_HEAD_LINE]);
/* False when the line is none. */
bool chain_head_read(struct str line, struct chain_head *out);

/* A subject's key, sealed for the store / opened again. Bound to the subject's id. */
enum err chain_subject_seal(struct arena *a, const struct chain_keys *keys,
                            const struct uuid *subject, const uint8_t key[CHAIN_KEY],
                            struct str *sealed) CHECKED;
enum err chain_subject_open(struct arena *a, const struct chain_keys *keys,
                            const struct uuid *subject, struct str sealed,
                            uint8_t key[CHAIN_KEY]) CHECKED;
/* What is personal in a row, sealed under its subject's key and bound to the row's id / opened again. */
enum err chain_payload_seal(struct arena *a, const uint8_t key[CHAIN_KEY], const struct uuid *id,
                            struct str plain, struct str *sealed) CHECKED;
enum err chain_payload_open(struct arena *a, const uint8_t key[CHAIN_KEY], const struct uuid *id,
                            struct str sealed, struct str *plain) CHECKED;

#endif
