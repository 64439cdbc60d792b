/* Trading a refresh token for its successor. The trade is one compare-and-set. Who comes at the same time, or lost
 * the reply and asks again within the grace, gets the same successor, which lies sealed under a key that only the
 * presented token gives. Later a used token is a stolen one, the thief's or the victim's: the session ends, and
 * with it the whole family.
 */
#include "auth.h"
#include "base/config.h"
#include "base/metric.h"
#include "crypto/hash.h"
#include "crypto/seal.h"
#include "gate/risk.h"
#include "gen/stmt.h"
#include "http/reply.h"
#include "issue.h"
#include "route/input.h"

#define GRACE (10 * SECOND)

enum { REFRESH_ROTATED, REFRESH_GRACE, REFRESH_REFUSED, REFRESH_REUSED }; /* cells of METRIC_AUTH_REFRESHES */

struct refresh {
    struct str token, hash; /* as presented */
    struct str next;        /* the successor that a retry gets again; p NULL: one is to be made */
    struct str sealed;      /* the one that was made */
    bool reused;
    struct risk_facts facts; /* where the session was last */
    struct subject subject;
};

static enum verdict refuse(struct req *r, enum err err, const char *reason)
{
    metric_add(METRIC_AUTH_REFRESHES, REFRESH_REFUSED, 1);
    return req_deny_for(r, err, reason);
}

/* ---- find: the token and its session ---- */

static enum verdict refresh_find(struct req *r)
{
    struct refresh *f = ARENA_NEW(&r->arena, struct refresh);
    if (!f)
        return req_deny(r, ERR_NO_MEMORY);
    r->work = f;
    f->token = input_text(r, "refresh_token");
    if (!refresh_sane(f->token))
        return refuse(r, ERR_BAD_TOKEN, "not a refresh token");
    f->hash = refresh_hash(&r->arena, f->token);
    if (!f->hash.p)
        return req_deny(r, ERR_NO_MEMORY);
    ask_refresh_find(r->store, &r->arena, f->hash, &r->rows, &r->wait);
    return WAIT;
}

/* The key that opens the successor of a token to whoever holds the token. */
static void successor_key(const struct refresh *f, uint8_t key[SHA256_SIZE])
{
    derive_key(f->token, "refresh successor", key);
}

static enum err open_successor(struct req *r, struct refresh *f, struct str sealed)
{
    uint8_t key[SHA256_SIZE];
    successor_key(f, key);
    enum err err = seal_open(&r->arena, key, f->hash, sealed, &f->next);
    explicit_bzero(key, sizeof(key));
    return err;
}

/* A token that was used: a retry, or a stolen one. */
static enum verdict used(struct req *r, struct refresh *f)
{
    bool retry = r->now - rows_int(&r->rows, COL_REFRESH_FIND_USED_AT) <= GRACE &&
                 !rows_null(&r->rows, COL_REFRESH_FIND_SUCCESSOR);
    f->reused = !retry;
    if (retry && open_successor(r, f, rows_text(&r->rows, COL_REFRESH_FIND_SUCCESSOR)) != OK)
        return req_deny_for(r, ERR_INTERNAL, "the successor cannot be opened");
    return NEXT;
}

static enum verdict refresh_found(struct req *r)
{
    struct refresh *f = r->work;
    struct rows *rows = &r->rows;
    if (rows->err != OK)
        return req_deny(r, rows->err);
    if (!rows_next(rows))
        return refuse(r, ERR_BAD_TOKEN, "there is no such refresh token");
    if (rows_int(rows, COL_REFRESH_FIND_REVOKED) ||
        rows_int(rows, COL_REFRESH_FIND_SESSION_EXPIRES) <= r->now ||
        !str_eq(rows_text(rows, COL_REFRESH_FIND_STATUS), STR("active")))
        return refuse(r, ERR_SESSION_ENDED, "session or user is not live");

    f->subject = (struct subject){
        .user = rows_uuid(rows, COL_REFRESH_FIND_USER_ID),
        .session = rows_uuid(rows, COL_REFRESH_FIND_SESSION_ID),
        .role = str_copy(&r->arena, rows_text(rows, COL_REFRESH_FIND_ROLE)),
        .token_version = rows_int(rows, COL_REFRESH_FIND_TOKEN_VERSION),
    };
    if (!f->subject.role.p)
        return req_deny(r, ERR_NO_MEMORY);
    f->facts.place = risk_place_kept(rows_text(rows, COL_REFRESH_FIND_ADDRESS),
                                     rows_text(rows, COL_REFRESH_FIND_USER_AGENT));
    if (!rows_null(rows, COL_REFRESH_FIND_USED_AT))
        return used(r, f);
    if (rows_int(rows, COL_REFRESH_FIND_EXPIRES_AT) <= r->now)
        return refuse(r, ERR_TOKEN_EXPIRED, "the refresh token has expired");
    return NEXT;
}

/* ---- mode ---- */

/* A stolen token is found out in any mode, and whatever the risk. */
static enum verdict refresh_mode(struct req *r)
{
    const struct refresh *f = r->work;
    return f->reused ? NEXT : issue_mode(r, &f->subject);
}

/* ---- risk: as of any request of the session ---- */

static enum verdict refresh_risk(struct req *r)
{
    const struct refresh *f = r->work;
    if (risk_of(r, &f->facts, &f->subject.user) == RISK_RED && !f->reused)
        return refuse(r, ERR_SESSION_ENDED, "risk is red");
    return NEXT;
}

/* ---- rotate ---- */

static enum verdict rotate(struct req *r, struct refresh *f)
{
    uint8_t key[SHA256_SIZE];
    int64_t expires = r->now + SESSION_LIFE;
    char *address = arena_alloc(&r->arena, INET6_ADDRSTRLEN);
    f->next = refresh_new(&r->arena);
    struct str hash = refresh_hash(&r->arena, f->next);
    if (r->arena.failed)
        return req_deny(r, ERR_NO_MEMORY);
    network_format(&r->address, address);

    successor_key(f, key);
    enum err err = seal(&r->arena, key, f->hash, f->next, &f->sealed);
    explicit_bzero(key, sizeof(key));
    if (err != OK)
        return req_deny(r, err);
    add_refresh_use(&r->change, f->hash, f->sealed, r->now);
    add_refresh_add_next(&r->change, hash, f->hash, f->sealed, &f->subject.session, expires,
                         r->now);
    add_session_extend(&r->change, &f->subject.session, str_of(address),
                       risk_agent_kept(r->user_agent), expires, r->now);
    return NEXT;
}

/* Both a change and a refusal: the family is gone when the reply says so. */
static enum verdict revoke(struct req *r, struct refresh *f)
{
    add_session_end(&r->change, &f->subject.session, r->now);
    r->audit_noun = "session.reuse";
    r->err = ERR_BAD_TOKEN; /* for the log */
    r->reason = "a used refresh token was presented: its session is ended";
    metric_add(METRIC_AUTH_REFRESHES, REFRESH_REUSED, 1);
    reply_problem(r, ERR_BAD_TOKEN);
    return NEXT;
}

static enum verdict refresh_rotate(struct req *r)
{
    struct refresh *f = r->work;
    r->audit_target = f->subject.session;
    if (f->reused)
        return revoke(r, f);
    if (!f->next.p)
        return rotate(r, f);
    metric_add(METRIC_AUTH_REFRESHES, REFRESH_GRACE, 1);
    return issue_reply(r, &f->subject, f->next);
}

/* After the commit: the successor is ours, or that of who came first. */
enum verdict refresh_rotated(struct req *r)
{
    struct refresh *f = r->work;
    if (f->reused)
        return NEXT;
    struct str sealed = STR_NONE;
    if (rows_next(&r->rows))
        sealed = rows_text(&r->rows, COL_REFRESH_USE_SUCCESSOR);
    bool first = str_eq(sealed, f->sealed);
    if (!first && open_successor(r, f, sealed) != OK)
        return req_deny_for(r, ERR_CONFLICT, "used meanwhile, its successor cannot be opened");
    metric_add(METRIC_AUTH_REFRESHES, first ? REFRESH_ROTATED : REFRESH_GRACE, 1);
    return issue_reply(r, &f->subject, f->next);
}

const struct stage refresh_steps[] = {
    { "find", refresh_find, refresh_found },
    { "mode", refresh_mode, issue_mode_known },
    { "risk", refresh_risk, NULL },
    { "keys", issue_keys, issue_keys_here },
    { "rotate", refresh_rotate, NULL },
    { 0 },
};
