/* gate/identity.c: who asks: a session by its access token, an API key, nobody, or the operator on this machine.
 * The principal is facts: from memory while none of its epochs has moved, else from the store. If it cannot be had
 * the request cannot be judged (503, never 401). Whether the session or key is still alive, gate context says.
 */
#include "gate/facts.h"

#include "cache/cache.h"
#include "gate/apikey.h"
#include "gate/keyring.h"
#include "gate/permits.h"
#include "gate/signature.h"
#include "gate/subject.h"
#include "gen/stmt.h"
#include "memberships.h"
#include "usage.h"

/* A principal as it is remembered, its memberships behind it; of a key with what its secret must hash to. */
struct known {
    struct principal who;
    uint8_t hash[SHA256_SIZE];
};

/* The stage's state, in the arena: r->who points to its first member. */
struct caller {
    struct known known;
    struct subject_look *signer; /* of a signed URL */
    stage_fn *then;       /* goes on when the wait is woken */
    struct req *r;
    struct wait asked;    /* of the cache, whose answer is then in the next two */
    enum cache_got got;
    struct str value;
    struct wait *whole;   /* what that completes */
    struct str token;
    struct claims claims; /* of an access token */
    struct str public, secret; /* of a key */
    bool owner_known;     /* known.who.user_id is the key's owner, who never changes */
    char name[1 + sizeof(struct uuid)]; /* in the cache */
    size_t name_n;
};

static struct caller *caller_of(struct req *r)
{
    return (struct caller *)(void *)r->who;
}

static struct str name_of(const struct caller *c)
{
    return (struct str){ c->name, c->name_n };
}

/* The name in the cache: a letter for the kind, and what identifies it. */
static void set_name(struct caller *c, char kind, const void *id, size_t n)
{
    must(n < sizeof(c->name));
    c->name[0] = kind;
    memcpy(c->name + 1, id, n);
    c->name_n = 1 + n;
}

/* ---- what both kinds share ---- */

/* From the cached form, which lies in the arena. */
static bool read_known(struct caller *c, struct str value)
{
    if (!value.p || value.n < sizeof(c->known))
        return false;
    memcpy(&c->known, value.p, sizeof(c->known));
    c->known.who.memberships = (const void *)(value.p + sizeof(c->known));
    return value.n == sizeof(c->known) + c->known.who.nmemberships * sizeof(struct membership);
}

/* Of what memory has, no epoch need be read: it carries its own. */
static bool recall(struct req *r)
{
    struct caller *c = caller_of(r);
    struct principal *who = &c->known.who;
    struct str lent;
    if (!cache_recall(r->cache, CACHE_SESSION, name_of(c), &r->carried[0], &lent) ||
        !read_known(c, lent))
        return false;
    who->memberships = (const void *)arena_copy(&r->arena, who->memberships,
                                                who->nmemberships * sizeof(struct membership));
    return who->memberships != NULL;
}

/* What is to be loaded by this request is dropped if it ends before. */
static void look_into_cache(struct caller *c)
{
    struct req *r = c->r;
    c->got = cache_get(r->cache, CACHE_SESSION, name_of(c), &r->carried[0], &r->arena, &c->value,
                       &c->asked);
    if (c->got != CACHE_FILL)
        return;
    r->filling.type = CACHE_SESSION;
    r->filling.key = name_of(c);
}

static void cache_answers(struct wait *w)
{
    struct caller *c = LIST_OF(w, struct caller, asked);
    look_into_cache(c);
    if (c->got != CACHE_WAIT)
        wait_done(c->whole);
}

/* The cache has answered. NEXT: c->known is filled. Else this request is the one to load it and begins to `ask`. */
static enum verdict remembered(struct req *r, stage_fn *ask)
{
    struct caller *c = caller_of(r);
    if (c->got == CACHE_FILL)
        return ask(r);
    return read_known(c, c->value) ? NEXT : req_deny(r, ERR_NO_MEMORY);
}

/* Looks into the cache; when that takes its time, `then` goes on. */
static enum verdict remember(struct req *r, stage_fn *then, stage_fn *ask)
{
    struct caller *c = caller_of(r);
    c->r = r;
    c->then = then;
    wait_init(&c->asked, cache_answers);
    look_into_cache(c);
    if (c->got != CACHE_WAIT)
        return remembered(r, ask);
    c->whole = look_beside(r);
    return WAIT;
}

/* The load is over: others go on with what it found, or look for themselves. */
static void fill(struct req *r)
{
    struct caller *c = caller_of(r);
    const struct principal *who = &c->known.who;
    struct text kept =
        text_new(&r->arena, sizeof(c->known) + who->nmemberships * sizeof(struct membership));
    text_add(&kept, (struct str){ (const char *)&c->known, sizeof(c->known) });
    text_add(&kept, (struct str){ (const char *)who->memberships,
                                  who->nmemberships * sizeof(struct membership) });
    r->filling.key = STR_NONE;
    if (kept.failed)
        cache_drop(r->cache, CACHE_SESSION, name_of(c));
    else
        cache_fill(r->cache, CACHE_SESSION, name_of(c), &r->carried[0], text_str(&kept));
}

static void drop(struct req *r)
{
    r->filling.key = STR_NONE;
    cache_drop(r->cache, CACHE_SESSION, name_of(caller_of(r)));
    rows_fini(&r->found);
}

static enum verdict cannot_tell(struct req *r)
{
    return req_deny_for(r, ERR_UNAVAILABLE, "the principal cannot be read");
}

/* Of a principal that was made just now: the rest of it is zero. */
static void set_role(struct principal *who, struct str role)
{
    size_t n = role.n < sizeof(who->role) ? role.n : sizeof(who->role) - 1;
    memcpy(who->role, role.p, n);
}

/* ---- a session, by its access token ---- */

static stage_fn token_load_keys, token_verify, token_keys_here;
static stage_fn session_look, session_remembered, session_ask, session_here;

static enum verdict token_read(struct req *r)
{
    return keyring_stale(r->keyring) ? token_load_keys(r) : token_verify(r);
}

static enum verdict token_load_keys(struct req *r)
{
    caller_of(r)->then = token_keys_here;
    keyring_load(r->keyring, &r->err, &r->wait);
    return WAIT;
}

static enum verdict token_verify(struct req *r)
{
    struct caller *c = caller_of(r);
    enum err err = keyring_verify(r->keyring, &r->arena, c->token, r->now, &c->claims);
    if (err != OK)
        return req_deny(r, err);
    r->until = c->claims.exp + JWT_SKEW;
    set_name(c, 's', c->claims.sid.b, sizeof(c->claims.sid.b));
    return session_look(r);
}

static enum verdict token_keys_here(struct req *r)
{
    if (r->err != OK)
        return req_deny_for(r, ERR_UNAVAILABLE, "the signing keys cannot be read");
    return keyring_moved(r->keyring) ? token_load_keys(r) : token_verify(r);
}

/* A token is void when its user's version has moved on, and nothing but the session's own user may use it. */
static enum verdict session_judge(struct req *r)
{
    const struct caller *c = caller_of(r);
    const struct principal *who = &c->known.who;
    if (!uuid_eq(&who->user_id, &c->claims.sub))
        return req_deny_for(r, ERR_SESSION_ENDED, "the session is another user's");
    if (who->token_version != c->claims.ver)
        return req_deny_for(r, ERR_SESSION_ENDED, "older than the user's role, status or password");
    return NEXT;
}

/* The epochs are read before the entry is, and before the store is asked: what moves in between makes it stale for
 * later, never fresh. */
static void add_session_epochs(struct req *r)
{
    const struct claims *claims = &caller_of(r)->claims;
    struct epochs *under = &r->carried[0];
    *under = (struct epochs){ 0 };
    epochs_add(under, EPOCH_USER, claims->sub.b, sizeof(claims->sub.b));
    epochs_add(under, EPOCH_SESSION, claims->sid.b, sizeof(claims->sid.b));
    epochs_add(under, EPOCH_ROLES, NULL, 0);
}

static enum verdict session_look(struct req *r)
{
    if (recall(r))
        return session_judge(r);
    add_session_epochs(r);
    enum verdict v = remember(r, session_remembered, session_ask);
    return v == NEXT ? session_judge(r) : v;
}

static enum verdict session_remembered(struct req *r)
{
    enum verdict v = remembered(r, session_ask);
    return v == NEXT ? session_judge(r) : v;
}

static enum verdict session_ask(struct req *r)
{
    struct caller *c = caller_of(r);
    c->then = session_here;
    add_session_epochs(r); /* the cache may have taken its time */
    ask_principal_by_session(r->store, &r->arena, &c->claims.sid, &r->found, look_ahead(r));
    return WAIT;
}

static enum err session_take(struct req *r)
{
    struct caller *c = caller_of(r);
    const struct rows *found = &r->found;
    struct principal *who = &c->known.who;
    *who = (struct principal){
        .kind = PRINCIPAL_USER,
        .user_id = rows_uuid(found, COL_PRINCIPAL_BY_SESSION_USER_ID),
        .session_id = c->claims.sid,
        .token_version = rows_int(found, COL_PRINCIPAL_BY_SESSION_TOKEN_VERSION),
        .expires = rows_int(found, COL_PRINCIPAL_BY_SESSION_EXPIRES_AT),
        .live = !rows_int(found, COL_PRINCIPAL_BY_SESSION_REVOKED) &&
                str_eq(rows_text(found, COL_PRINCIPAL_BY_SESSION_STATUS), STR("active")),
        .break_glass = rows_uuid(found, COL_PRINCIPAL_BY_SESSION_BREAK_GLASS),
        .break_glass_until = rows_int(found, COL_PRINCIPAL_BY_SESSION_BREAK_GLASS_UNTIL),
    };
    set_role(who, rows_text(found, COL_PRINCIPAL_BY_SESSION_ROLE));
    who->place = risk_place_kept(rows_text(found, COL_PRINCIPAL_BY_SESSION_ADDRESS),
                                 rows_text(found, COL_PRINCIPAL_BY_SESSION_USER_AGENT));
    TRY(memberships_read(&r->arena, rows_text(found, COL_PRINCIPAL_BY_SESSION_TEAMS), who));
    struct str permits = rows_text(found, COL_PRINCIPAL_BY_SESSION_PERMISSIONS);
    return permits_read(&r->arena, permits, &who->permits);
}

static enum verdict session_here(struct req *r)
{
    if (r->found.err != OK) {
        drop(r);
        return cannot_tell(r);
    }
    if (!rows_next(&r->found)) {
        drop(r);
        return req_deny_for(r, ERR_SESSION_ENDED, "there is no such session");
    }
    if (session_take(r) != OK) {
        drop(r);
        return cannot_tell(r);
    }
    rows_fini(&r->found);
    fill(r);
    return session_judge(r);
}

/* ---- an API key ---- */

static stage_fn key_look, key_remembered, key_ask, key_here;

static enum verdict key_judge(struct req *r)
{
    const struct caller *c = caller_of(r);
    if (!apikey_matches(c->secret, c->known.hash))
        return req_deny_for(r, ERR_BAD_TOKEN, "the key's secret does not match");
    if (c->known.who.live && c->known.who.expires > r->now)
        usage_note(r->store, &c->known.who.session_id, r->now);
    return NEXT;
}

#define KEY_EPOCHS 3 /* the owner's included */

/* The owner's epoch can only be added once the owner is known: what was read until then serves to know that, and
 * is read again. */
static void add_key_epochs(struct req *r)
{
    const struct caller *c = caller_of(r);
    const struct uuid *owner = &c->known.who.user_id;
    struct epochs *under = &r->carried[0];
    *under = (struct epochs){ 0 };
    epochs_add(under, EPOCH_APIKEY, c->public.p, c->public.n);
    epochs_add(under, EPOCH_ROLES, NULL, 0);
    if (c->owner_known)
        epochs_add(under, EPOCH_USER, owner->b, sizeof(owner->b));
}

static bool owner_was_known(struct req *r)
{
    struct caller *c = caller_of(r);
    bool was = c->owner_known || r->carried[0].n == KEY_EPOCHS; /* as of what memory has */
    c->owner_known = true;
    return was;
}

/* From what the cache has said. */
static enum verdict key_goes_on(struct req *r, enum verdict v)
{
    if (v != NEXT)
        return v;
    return owner_was_known(r) ? key_judge(r) : key_look(r);
}

static enum verdict key_look(struct req *r)
{
    add_key_epochs(r);
    return key_goes_on(r, remember(r, key_remembered, key_ask));
}

static enum verdict key_remembered(struct req *r)
{
    return key_goes_on(r, remembered(r, key_ask));
}

static enum verdict key_ask(struct req *r)
{
    struct caller *c = caller_of(r);
    c->then = key_here;
    ask_principal_by_apikey(r->store, &r->arena, c->public, &r->found, look_ahead(r));
    return WAIT;
}

static enum err key_take(struct req *r)
{
    struct caller *c = caller_of(r);
    const struct rows *found = &r->found;
    struct principal *who = &c->known.who;
    struct str hash = rows_text(found, COL_PRINCIPAL_BY_APIKEY_HASH);
    uint64_t scopes, role;

    *who = (struct principal){
        .kind = PRINCIPAL_APIKEY,
        .user_id = rows_uuid(found, COL_PRINCIPAL_BY_APIKEY_USER_ID),
        .session_id = rows_uuid(found, COL_PRINCIPAL_BY_APIKEY_ID),
        .token_version = rows_int(found, COL_PRINCIPAL_BY_APIKEY_TOKEN_VERSION),
        .expires = rows_null(found, COL_PRINCIPAL_BY_APIKEY_EXPIRES_AT)
                       ? INT64_MAX
                       : rows_int(found, COL_PRINCIPAL_BY_APIKEY_EXPIRES_AT),
        .live = str_eq(rows_text(found, COL_PRINCIPAL_BY_APIKEY_STATUS), STR("active")),
    };
    if (hash.n != sizeof(c->known.hash))
        return ERR_INTERNAL;
    memcpy(c->known.hash, hash.p, hash.n);
    set_role(who, rows_text(found, COL_PRINCIPAL_BY_APIKEY_ROLE));
    TRY(memberships_read(&r->arena, rows_text(found, COL_PRINCIPAL_BY_APIKEY_TEAMS), who));
    TRY(permits_read(&r->arena, rows_text(found, COL_PRINCIPAL_BY_APIKEY_SCOPES), &scopes));
    TRY(permits_read(&r->arena, rows_text(found, COL_PRINCIPAL_BY_APIKEY_PERMISSIONS), &role));
    who->permits = scopes & role;
    return OK;
}

static enum verdict key_here(struct req *r)
{
    if (r->found.err != OK) {
        drop(r);
        return cannot_tell(r);
    }
    if (!rows_next(&r->found)) {
        drop(r);
        return req_deny_for(r, ERR_BAD_TOKEN, "there is no such key");
    }
    if (key_take(r) != OK) {
        drop(r);
        return cannot_tell(r);
    }
    if (!owner_was_known(r)) {
        drop(r);
        return key_look(r);
    }
    rows_fini(&r->found);
    fill(r);
    return key_judge(r);
}

/* ---- the stage ---- */

/* What stands behind "Bearer" (RFC 6750 section 2.1); p is NULL when it is another scheme or nothing. */
static struct str bearer(struct str authorization)
{
    const struct str scheme = STR("Bearer ");
    if (authorization.n < scheme.n || !str_ieq((struct str){ authorization.p, scheme.n }, scheme))
        return STR_NONE;
    return str_trim((struct str){ authorization.p + scheme.n, authorization.n - scheme.n });
}

/* ---- who signed the URL ---- */

static enum verdict signer_known(struct req *r)
{
    const struct subject_look *look = caller_of(r)->signer;
    if (look->err != OK)
        return cannot_tell(r);
    if (!look->found || !look->who.live)
        return req_deny_for(r, ERR_NOT_FOUND, "who signed the URL is not active");
    *r->who = look->who;
    r->carried[0] = look->under;
    return NEXT;
}

static enum verdict signer_here(struct req *r)
{
    return subject_again(r, caller_of(r)->signer) == WAIT ? WAIT : signer_known(r);
}

static enum verdict signer_look(struct req *r)
{
    struct caller *c = caller_of(r);
    c->signer = ARENA_NEW(&r->arena, struct subject_look);
    c->then = signer_here;
    if (!c->signer)
        return req_deny(r, ERR_NO_MEMORY);
    return subject_begin(r, c->signer, &r->signature->signer, false) == WAIT ? WAIT
                                                                             : signer_known(r);
}

static enum verdict operator(struct req *r)
{
    static const struct principal who = {
        .kind = PRINCIPAL_OPERATOR,
        .permits = PERMIT_ALL,
        .expires = INT64_MAX,
        .live = true,
        .role = "operator",
    };
    *r->who = who;
    return NEXT;
}

enum verdict gate_identity(struct req *r)
{
    struct caller *c = ARENA_NEW(&r->arena, struct caller);
    if (!c)
        return req_deny(r, ERR_NO_MEMORY);
    r->who = &c->known.who;
    r->who->expires = INT64_MAX;

    if (r->local)
        return operator(r);
    if (r->signature)
        return signer_look(r);
    if (r->authorization.p && r->api_key.p)
        return req_deny_for(r, ERR_BAD_HEADER, "both Authorization and X-API-Key");
    if (!r->authorization.p && !r->api_key.p)
        return NEXT;

    c->token = r->api_key.p ? r->api_key : bearer(r->authorization);
    if (!c->token.p)
        return req_deny_for(r, ERR_BAD_TOKEN, "not a bearer token");
    if (!r->api_key.p && !str_starts(c->token, STR(APIKEY_PREFIX)))
        return token_read(r);
    if (!apikey_split(c->token, &c->public, &c->secret))
        return req_deny_for(r, ERR_BAD_TOKEN, "not a key");
    set_name(c, 'k', c->public.p, c->public.n);
    return key_look(r);
}

enum verdict gate_identity_known(struct req *r)
{
    return caller_of(r)->then(r);
}
