/* gate/facts.h: the two records that gates look at: the principal's and the resource's. Facts are cached, verdicts
 * never. Both live in the request's arena; the cached forms are plain bytes.
 */
#ifndef GATE_FACTS_H
#define GATE_FACTS_H

#include "base/epoch.h"
#include "base/uuid.h"
#include "gate/risk.h"
#include "http/req.h"
#include "route/resource.h"

enum principal_kind {
    PRINCIPAL_ANONYMOUS = 0,
    PRINCIPAL_USER, /* a signed-in session */
    PRINCIPAL_APIKEY,
    PRINCIPAL_OPERATOR, /* the command line over the control socket */
    PRINCIPAL_SYSTEM,   /* the server itself, in the audit: it asks for nothing */
};

/* A team that the principal is in, or, under the owner's id, the most that it may in any team of that owner. */
struct membership {
    struct uuid of;
    enum access reach;
};

/* Who asks. Cached as it is, the memberships behind it. */
struct principal {
    enum principal_kind kind;
    struct uuid user_id;
    struct uuid session_id; /* of the session or the API key; nil otherwise */
    uint64_t permits;       /* bits by enum permit; an API key's scopes are intersected already */
    int64_t token_version;  /* of the user now; older tokens are void */
    int64_t expires;        /* wall: end of the session or key; INT64_MAX for never */
    bool live;              /* session or key not revoked, and the user is active */
    char role[32];
    struct risk_place place;   /* of a session's sign-in or last refresh; zero: not known */
    struct uuid break_glass;   /* what the session has opened; nil: nothing */
    int64_t break_glass_until; /* wall; 0: never opened */
    uint32_t nmemberships;
    const struct membership *memberships; /* ascending by `of` */
};

/* Each includes those before it. */
enum visibility {
    VISIBLE_PRIVATE = 0, /* the owner and collaborators */
    VISIBLE_TEAMS,       /* and the teams that the project is shared with */
    VISIBLE_OWNERS_TEAMS, /* and all teams of its owner */
    VISIBLE_SIGNED_IN,   /* and whoever is signed in, to read */
    VISIBLE_ANYONE,      /* and everybody, to read */
};

/* A project shared with a user, or with a team, whose roles then say how far. */
struct grant {
    struct uuid to;
    enum access reach; /* ACCESS_NONE: a team */
};

struct ancestor {
    struct uuid id, owner;
    bool same_project;
};

/* Until then these accesses to all below an ancestor are not for this user. */
struct restraint {
    struct uuid on, owner; /* the ancestor and whose it is: he is not bound */
    struct uuid user;      /* nil: everybody */
    int64_t until;
    uint64_t accesses;     /* bits by enum access */
};

#define DEPTH_MAX 10 /* ancestors that a generation may have */

/* A row that is judged. Cached as bytes (gate/sharing.c). */
struct facts {
    struct uuid id;
    struct uuid owner; /* nil when the resource is not owned */
    int64_t version;
    struct rows row; /* attached to the cached or loaded bytes, current */
    struct str json; /* the row as resource_json writes it */

    struct uuid project, project_owner; /* nil: it lies in none */
    enum visibility visibility;         /* of the project */
    bool shared;                        /* the row is a project, or lies in one */
    int64_t depth;                      /* as the row says */
    int ngrants, nancestors, nrestraints;
    const struct grant *grants;
    const struct ancestor *ancestors; /* the nearest first; of a medium the generation it hangs on */
    const struct restraint *restraints;
};

/* The row's columns as values, in the arena. */
struct value *facts_row(struct req *r);

/* A look-up of one row's facts, by whatever stage needs them: memory, then the store. */
struct look {
    const struct resource *res;
    struct uuid id;
    struct value param; /* of the statement */
    bool parents_known; /* what else the facts stand on: the project and the root of the tree, which never change */
    struct uuid parents[2];
    char key[sizeof(struct uuid) + 24]; /* in the cache: a task and the generation that it makes have one id */
    size_t key_n;
    enum err err;        /* when it is done: OK, or why the facts cannot be had */
    struct facts *facts; /* NULL: there is no such row */
    struct epochs under; /* what they were read under */
    bool asked;          /* the store is being asked */
    bool ahead;          /* it has been asked before the look began: r->ahead, read under ahead_under */
    struct epochs ahead_under;
    struct both both;
    struct req *asker;   /* of a look for it in the second level, while the principal is looked for there */
    struct wait beside;
    struct str known;    /* what that found, under ahead_under */
    bool afresh; /* whatever is remembered, and nothing is remembered of it */
};
/* Begins it: NEXT when look->err and look->facts are set, WAIT when r->wait will be woken; then call look_again. */
enum verdict look_begin(struct req *r, struct look *look, const struct resource *res,
                        const struct uuid *id);
enum verdict look_begin_afresh(struct req *r, struct look *look, const struct resource *res,
                               const struct uuid *id);
enum verdict look_again(struct req *r, struct look *look);
/* By who is about to ask the store for the principal: asks it for the row in the path as well, if the gates will look
 * at that and memory does not have it, so that both leave in one flush. Returns what to ask for the principal with;
 * r->wait wakes when all is answered. A second level of the cache may have the row: where there is one, nothing is
 * asked ahead. */
struct wait *look_ahead(struct req *r);
/* The same by who looks for the principal in the second level of the cache: looks there for the row as well. Opens
 * r->wait and returns, opened, what is to be completed when the principal is answered. */
struct wait *look_beside(struct req *r);

/* ---- stages, in the order of the pipeline; each in the file of its name ---- */

stage_fn gate_flood;                         /* 10, the address window, before anything is known */
stage_fn gate_signature;                     /* 6, the URL itself */
stage_fn gate_identity, gate_identity_known; /* the principal's facts */
stage_fn gate_emergency;                     /* 9 */
stage_fn gate_uuid;                          /* 1 */
stage_fn gate_context;                       /* 4 */
stage_fn gate_rbac;                          /* 2 */
stage_fn gate_limit, gate_limit_spent;       /* 10 */
stage_fn gate_limit_look, gate_limit_looked; /* 10, looked at instead of spent: the same windows and verdict */
stage_fn gate_facts, gate_facts_known;       /* 7, the resource's facts */
stage_fn gate_ownership;                     /* 3 */
stage_fn gate_inheritance;                   /* 5 */
stage_fn gate_media;                         /* 6 */
stage_fn gate_references, gate_references_known;
stage_fn gate_idempotency, gate_idempotency_known;
/* Adds what a repeated request will be answered with; by `commit`, in the change's transaction. */
void idempotency_keep(struct req *r);
stage_fn gate_audit; /* 8 */

/* ---- the pure gates on one row: what stages, references and decisions for others all ask ---- */

/* How far who reaches on a row of res, and by which path. `need` is what is asked for: the first path that reaches it
 * is named; if none does, the one that leads furthest (NULL: none at all). */
struct reach {
    enum access access;
    const char *path;
};
struct reach facts_reach(const struct principal *who, const struct resource *res,
                         const struct facts *facts, enum access need, int64_t now);
/* Gates 3 and 5 on one row: OK, ERR_NOT_FOUND (hidden), ERR_FORBIDDEN (the caller may read it but not do this),
 * ERR_NO_TOKEN (nobody is signed in); reason tells the operator. */
enum err judge_ownership(const struct principal *who, const struct resource *res,
                         const struct facts *facts, enum access need, int64_t now,
                         struct reach *out, const char **reason) CHECKED;
enum err judge_inheritance(const struct principal *who, const struct facts *facts, enum access need,
                           int64_t now, const char **reason) CHECKED;

/* Gate 6 on one row: OK where res has no media. */
enum err judge_media(const struct principal *who, const struct resource *res,
                     const struct facts *facts, int64_t now, const char **reason) CHECKED;

/* What one of them refuses is answered with this: ERR_FORBIDDEN to who may read the row; who may not, whichever gate
 * keeps it from him, meets the answer for what is not there. */
enum err judge_refusal(const struct principal *who, const struct resource *res,
                       const struct facts *facts, int64_t now) CHECKED;

/* How far who goes as a member of that team; ACCESS_NONE: it is not in it. */
enum access principal_team_access(const struct principal *who, const struct uuid *team);

/* The facts of the row that a field of the body names; NULL when it names none. Behind gate references. */
const struct facts *referred(const struct req *r, const char *field);

/* Whether the request is made under break-glass: modes do not bind it, and it reads and writes any row by the grant
 * path `emergency_access`. */
bool break_glass_open(const struct req *r);
bool principal_broke_glass(const struct principal *who, int64_t now);
/* Whether that has to be written down a second time: not for what answers anybody in any mode. */
bool break_glass_used(const struct req *r);

/* ---- sign-in windows (identity of who fails), spent ahead and given back on success ---- */
struct signin {
    struct window windows[3];
    int n;
};
/* known: this account signed in from this address before. */
void signin_windows(struct signin *s, struct str account, const struct in6_addr *address,
                    bool known);

#endif
