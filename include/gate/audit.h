/* gate/audit.h: what this worker writes into the audit: the rows that belong to a change, and those of denials and
 * failed sign-ins, which wait in a bounded queue for jobs/audit_flush.c.
 *
 * A worker process is one writer, from its start to its end: it has an id, numbers its rows, and holds the keys that it
 * seals people's data under. It never reads a key from the store: whom it has no key for gets a new one, stored with
 * the row, so a row costs no round trip. migrations/0006_audit.sql says how the rows hold together.
 */
#ifndef GATE_AUDIT_H
#define GATE_AUDIT_H

#include "crypto/chain.h"
#include "gate/facts.h"

/* ---- rows ---- */

/* A row to be. Ids are nil for none; texts are borrowed until the change is committed. */
struct audit_row {
    struct uuid id;
    int64_t at;
    enum principal_kind kind;
    struct uuid principal_id, session_id, target, decision;
    struct uuid person; /* whose data the payload holds; nil: nobody known */
    struct str action, correlation;
    const char *outcome, *risk;
    struct str payload; /* JSON */
};

/* Adds the row to the change, with its subject's key where that may not be stored yet. `written` is to be settled when
 * the change is made or fails. ERR_NO_MEMORY. */
enum err audit_add(struct change *c, struct arena *a, const struct chain_keys *keys,
                   const struct audit_row *row, struct audited *written) CHECKED;
/* What became of the change: its number is used, free again, or noted as unsure. Once for each row. */
void audit_settle(struct audited *written, enum err err);
/* The same for the rows that a request composed. */
void audit_settle_all(struct req *r, enum err err);

/* Numbers whose rows may be there or not: first to last of each run. */
struct audit_run {
    int64_t first, last;
};
#define AUDIT_RUNS 64
/* Takes those that have not been noted yet; gives their number of runs. */
int audit_unsure(struct audit_run out[AUDIT_RUNS]);
/* They could not be noted: they stay. */
void audit_unsure_again(const struct audit_run *runs, int n);
/* The id of this process as a writer. */
const struct uuid *audit_writer(void);

/* ---- denials and failed sign-ins ---- */

#define AUDIT_AGENT_MAX 160
#define AUDIT_EMAIL_MAX 254

/* Behind every denial: decides whether it is to be recorded, and queues it. Recorded is what a route denies to somebody
 * known (401, 403, 404, 429, and a restricted mode), credentials that are not valid, and failed sign-ins; not what
 * nobody in particular asked for: paths that are none, missing credentials, an address' window, malformed requests. */
void audit_denied(struct req *r);

#endif
