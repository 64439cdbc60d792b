/* gate/decide.h: one decision that is asked for instead of met: may this subject do this to that row? The gates of the
 * pipeline judge it, the same functions in the same order, on a request that is made up for it; nothing is spent and
 * nothing is changed. A dependency that fails leaves no decision.
 */
#ifndef GATE_DECIDE_H
#define GATE_DECIDE_H

#include "gate/facts.h"
#include "gate/subject.h"

enum { GATES = 10 };

/* What one gate said; by its number of the product: gates[0] is gate 1, uuid. */
struct gate_verdict {
    enum { GATE_SKIPPED, GATE_PASSED, GATE_DENIED } verdict;
    const char *reason; /* NULL: none */
    int64_t microseconds;
};
/* "uuid", "rbac", ... of gate 1 to 10. */
const char *gate_name(int number);

/* What is asked. The texts are borrowed. */
struct question {
    struct str subject;           /* a user's id */
    const struct resource *res;   /* of the row; NULL: no row is asked about */
    struct str row;               /* its id */
    enum permit permit;
    enum access access;
    enum rate rate;               /* the class that doing it counts in */
    bool changes;                 /* it would change something */
    bool explain;                 /* all gates speak, past what is remembered */
};

struct decision {
    struct uuid id;
    struct question question;
    enum err failed; /* not OK: no decision, and why */
    bool allowed;
    int denied_by;      /* the number of the first gate that denies; 0: none */
    const char *reason; /* its reason */
    const char *path;   /* the grant path */
    struct gate_verdict gates[GATES];

    /* the walk */
    int step;
    int64_t begun;
    struct subject_look subject;
    struct look look;
    struct action action; /* made up: what the gates look at */
    struct req *inner;    /* likewise */
};

/* Whether the resource can be asked about by this action: its own rows' `read create update delete share admin`, or a
 * permission. Fills permit, access, rate and changes of the question, as the resource's own action has them. */
bool question_of(const struct resource *res, struct str action, struct question *out);

/* Begins it: NEXT when it is decided (or has failed), WAIT when r->wait will be woken; then call decide_again. */
enum verdict decide_begin(struct req *r, struct decision *d, const struct question *q);
enum verdict decide_again(struct req *r, struct decision *d);
/* The members path (of what is allowed, or explained) and gates (of what is explained) of its JSON. */
void decision_explain(struct text *out, const struct decision *d);

#endif
