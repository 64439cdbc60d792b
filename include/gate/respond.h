/* gate/respond.h: what follows an anomaly. It is in force at once, on every worker of the node; the row and its audit
 * row are one transaction, written behind the request through a queue of this worker. The queue is bounded: when it is
 * full nothing is done, as what cannot be written down may not be done either, and the next anomaly tries again. While
 * the store is away it waits up to a minute, then the response ends.
 */
#ifndef GATE_RESPOND_H
#define GATE_RESPOND_H

#include "gate/anomaly.h"
#include "gate/restraint.h"
#include "http/req.h"

/* The level that answers an anomaly of somebody who is held back at level `now`: a probe blocks; of the others the
 * first one halves, one more while that lasts leaves a tenth, one more while that lasts blocks. */
enum restraint_level respond_level(enum restraint_level now, enum anomaly anomaly);

/* Answers an anomaly of the request's principal or address. With RATE_LIMIT_PROFILE off it is only recorded. Nothing
 * happens to who is blocked already. */
void respond(struct req *r, enum restraint_kind kind, enum anomaly anomaly);

/* Tries again what could not be written; each second, in every worker. */
void respond_retry(void);
/* Whether a write is under way. */
bool respond_busy(void);
/* When none is. */
void respond_fini(void);

#endif
