/* gate/audit_queue.h: denials and failed sign-ins that wait to be written, in this worker's memory: two rings, so that
 * a flood of denials never costs a sign-in. Bounded: what comes while the like of it waits (same caller, action,
 * target, code and address) is counted on that one; what finds its ring full is dropped and counted, and the counts
 * become a row `audit.dropped`. It never waits and never allocates. What waits is lost when the process is killed.
 */
#ifndef GATE_AUDIT_QUEUE_H
#define GATE_AUDIT_QUEUE_H

#include "gate/audit.h"
#include "http/trace.h"

#define AUDIT_DENIALS_MAX 768
#define AUDIT_SIGN_INS_MAX 256

enum audit_ring { AUDIT_DENIALS, AUDIT_SIGN_INS, AUDIT_RINGS };

/* A copy of what is to be said; the texts without a length are static. */
struct audit_note {
    struct uuid id, principal_id, session_id, person, target, decision;
    int64_t at;
    int64_t times; /* how often, this one included */
    enum principal_kind kind;
    enum err err;
    bool local; /* over the control socket: there is no address */
    struct in6_addr address;
    const char *outcome, *risk, *gate, *reason;
    uint8_t action_n, correlation_n, trace_n, agent_n, email_n;
    char action[64], trace[TRACE_ID], correlation[64], agent[AUDIT_AGENT_MAX],
        email[AUDIT_EMAIL_MAX];
};

/* Copies the note into its ring. */
void audit_queue_put(enum audit_ring ring, const struct audit_note *note);
/* How many wait. */
int audit_queue_waiting(void);

/* The oldest, at most `most`, sign-ins first; they are held, the same ones each time, until audit_queue_done. */
int audit_queue_hold(const struct audit_note **out, int most);
void audit_queue_done(void);

/* What has been dropped since it was last taken, by ring. */
void audit_queue_dropped(int64_t out[AUDIT_RINGS]);
/* The row that should have said it could not be written: counts them again. */
void audit_queue_dropped_again(const int64_t counts[AUDIT_RINGS]);

#endif
