/* gate/signature.h: URLs that carry their own credentials: for one method on one medium, until a time, in the name of
 * who signed. Pure: text and bytes in, text or a verdict out. What the signer may do is looked up when the URL is used.
 *   ?expires=SECONDS&signer=UUID&version=N&signature=base64url(HMAC-SHA-256)
 */
#ifndef GATE_SIGNATURE_H
#define GATE_SIGNATURE_H

#include "http/req.h"

#define SIGNATURE_LIFE_MOST 604800 /* seconds: a week */

struct signature {
    struct uuid signer;
    int64_t expires; /* Unix seconds */
    int64_t version; /* of the medium's signatures */
    struct str mac;  /* as it was sent */
};

/* Whether the query carries one at all. */
bool signature_given(struct str query);
/* Reads the query, which must hold exactly the four, once each and in their canonical form. */
bool signature_read(struct str query, struct signature *out);
/* Whether it was made under the key for this method and medium, and has not expired at `now` (wall microseconds); else
 * why not. */
bool signature_holds(const struct signature *s, const uint8_t key[32], enum method method,
                     const struct uuid *id, int64_t now, const char **reason);
/* Appends the query that signature_read takes; s->mac is made. */
void signature_write(struct text *out, const struct signature *s, const uint8_t key[32],
                     enum method method, const struct uuid *id);

#endif
