/* token.h: the access tokens that this worker has verified lately, so that the warm path needs no signature.
 * A table of fixed size, allocated once: a token is found by its keyed hash, then compared whole in constant time.
 * What is remembered is void from its exp on (in the tolerated skew behind it each use is verified), and when the
 * keys were reread.
 */
#ifndef GATE_TOKEN_H
#define GATE_TOKEN_H

#include "crypto/jwt.h"

struct tokens;

/* NULL when memory is out. */
struct tokens *tokens_new(void);
void tokens_free(struct tokens *t);

/* Fills out from memory; its role points there, good until the next tokens_keep. */
bool tokens_find(const struct tokens *t, struct str token, int64_t now, struct claims *out);
/* Remembers a token that was verified now. Long ones are not kept; an old one may have to go. */
void tokens_keep(struct tokens *t, struct str token, const struct claims *claims);
/* Everything remembered is void. */
void tokens_forget(struct tokens *t);

#endif
