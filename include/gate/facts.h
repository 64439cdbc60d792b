/* gate/facts.h: the two records that gates look at: the principal's and the resource's. Facts are cached, verdicts
 * never. Both live in the request's arena; the cached forms are plain bytes.
 */
#ifndef GATE_FACTS_H
#define GATE_FACTS_H

#include "base/epoch.h"
#include "base/uuid.h"
#include "http/req.h"
#include "route/resource.h"

enum principal_kind {
    PRINCIPAL_ANONYMOUS = 0,
    PRINCIPAL_USER, /* a signed-in session */
    PRINCIPAL_APIKEY,
    PRINCIPAL_OPERATOR, /* the command line over the control socket */
};

/* Who asks. No pointers: cached as it is. */
struct principal {
    enum principal_kind kind;
    struct uuid user_id;
    struct uuid session_id; /* of the session or the API key; nil otherwise */
    uint64_t permits;       /* bits by enum permit; an API key's scopes are intersected already */
    int64_t token_version;  /* of the user now; older tokens are void */
    int64_t expires;        /* wall: end of the session or key; INT64_MAX for never */
    bool live;              /* session or key not revoked, and the user is active */
    char role[32];
};

/* The row that the path names. */
struct facts {
    struct uuid id;
    struct uuid owner; /* nil when the resource is not owned */
    int64_t version;
    struct rows row; /* attached to the cached or loaded bytes, current */
    struct str json; /* the row as resource_json writes it */
};

/* The row's columns as values, in the arena. */
struct value *facts_row(struct req *r);

/* A look-up of one row's facts, by whatever stage needs them: memory, then the store. */
struct look {
    const struct resource *res;
    struct uuid id;
    enum err err;        /* when it is done: OK, or why the facts cannot be had */
    struct facts *facts; /* NULL: there is no such row */
    struct epochs under; /* what they were read under */
    bool asked;          /* the store is being asked */
};
/* Begins it: NEXT when look->err and look->facts are set, WAIT when r->wait will be woken; then call look_again. */
enum verdict look_begin(struct req *r, struct look *look, const struct resource *res,
                        const struct uuid *id);
enum verdict look_again(struct req *r, struct look *look);

/* ---- stages, in the order of the pipeline; each in the file of its name ---- */

stage_fn gate_flood;                         /* 10, the address window, before anything is known */
stage_fn gate_identity, gate_identity_known; /* the principal's facts */
stage_fn gate_emergency;                     /* 9 */
stage_fn gate_uuid;                          /* 1 */
stage_fn gate_context;                       /* 4 */
stage_fn gate_rbac;                          /* 2 */
stage_fn gate_limit, gate_limit_spent;       /* 10 */
stage_fn gate_facts, gate_facts_known;       /* 7, the resource's facts */
stage_fn gate_ownership;                     /* 3 */
stage_fn gate_inheritance;                   /* 5 */
stage_fn gate_media;                         /* 6 */
stage_fn gate_references, gate_references_known;
stage_fn gate_idempotency, gate_idempotency_known;
/* Adds what a repeated request will be answered with; by `commit`, in the change's transaction. */
void idempotency_keep(struct req *r);
stage_fn gate_audit; /* 8 */

/* The pure part of ownership: whether who reaches `need` on a row of res owned by owner. Names the grant path, NULL:
 * none. */
const char *grant_path(const struct principal *who, const struct resource *res,
                       const struct uuid *owner, enum access need);

/* ---- sign-in windows (identity of who fails), spent ahead and given back on success ---- */
struct signin {
    struct window windows[3];
    int n;
};
/* known: this account signed in from this address before. */
void signin_windows(struct signin *s, struct str account, const struct in6_addr *address,
                    bool known);

#endif
