#include "issue.h"

#include "base/config.h"
#include "base/json.h"
#include "base/mode.h"
#include "base/random.h"
#include "crypto/hash.h"
#include "gate/keyring.h"
#include "gate/permits.h"
#include "gen/stmt.h"
#include "http/reply.h"
#include "route/resource.h"

struct str refresh_new(struct arena *a)
{
    uint8_t secret[32];
    char *text = arena_alloc(a, REFRESH_TEXT);
    if (!text)
        return STR_NONE;
    memcpy(text, REFRESH_PREFIX, sizeof(REFRESH_PREFIX) - 1);
    random_bytes(secret, sizeof(secret));
    base64_encode(secret, sizeof(secret), text + sizeof(REFRESH_PREFIX) - 1);
    explicit_bzero(secret, sizeof(secret));
    return (struct str){ text, REFRESH_TEXT };
}

bool refresh_sane(struct str token)
{
    uint8_t secret[BASE64_LEN(32)];
    struct str prefix = STR(REFRESH_PREFIX);
    if (token.n != REFRESH_TEXT || !str_starts(token, prefix))
        return false;
    bool sane = base64_decode((struct str){ token.p + prefix.n, token.n - prefix.n }, secret) == 32;
    explicit_bzero(secret, sizeof(secret));
    return sane;
}

struct str refresh_hash(struct arena *a, struct str token)
{
    uint8_t *hash = arena_alloc(a, SHA256_SIZE);
    if (!hash)
        return STR_NONE;
    sha256(token, hash);
    return (struct str){ (const char *)hash, SHA256_SIZE };
}

/* ---- lockdown ---- */

enum verdict issue_mode(struct req *r, const struct subject *s)
{
    if (mode_now() != MODE_LOCKDOWN || r->local)
        return NEXT;
    rows_fini(&r->rows);
    ask_role_pair(r->store, &r->arena, s->role, s->role, &r->rows, &r->wait);
    return WAIT;
}

enum verdict issue_mode_known(struct req *r)
{
    uint64_t permits = 0;
    if (r->rows.err != OK)
        return req_deny(r, r->rows.err);
    if (rows_next(&r->rows)) {
        struct str names = rows_text(&r->rows, COL_ROLE_PAIR_PERMISSIONS);
        enum err err = permits_read(&r->arena, names, &permits);
        if (err != OK)
            return req_deny(r, err);
    }
    rows_fini(&r->rows);
    if (!(permits & PERMIT_BIT(PERMIT_SYSTEM_CONFIG)))
        return req_deny_for(r, ERR_EMERGENCY, "lockdown");
    return NEXT;
}

/* ---- the access token ---- */

enum verdict issue_keys(struct req *r)
{
    if (!keyring_stale(r->keyring))
        return NEXT;
    keyring_load(r->keyring, &r->err, &r->wait);
    return WAIT;
}

/* They may be stale once more by now. A new key only signs once every worker had the time to read it: these do. */
enum verdict issue_keys_here(struct req *r)
{
    if (r->err != OK)
        return req_deny_for(r, ERR_UNAVAILABLE, "the signing keys cannot be read");
    return NEXT;
}

static enum err sign(struct req *r, const struct subject *s, int64_t life, struct str *token)
{
    int64_t iat = r->now - r->now % SECOND;
    const struct claims claims = {
        .sub = s->user,
        .sid = s->session,
        .jti = uuid_new(r->now),
        .role = s->role,
        .ver = s->token_version,
        .iat = iat,
        .exp = iat + life,
    };
    return jwt_sign(&r->arena, keyring_keys(r->keyring), &claims, r->now, token);
}

enum verdict issue_reply(struct req *r, const struct subject *s, struct str refresh)
{
    int64_t life = config.jwt_expire_minutes * MINUTE;
    struct str access;
    enum err err = sign(r, s, life, &access);
    if (err != OK)
        return req_deny_for(r, err, "no access token can be signed");

    struct text t = text_new(&r->arena, 192 + access.n + refresh.n);
    text_lit(&t, "{\"access_token\":");
    json_put_text(&t, access);
    text_lit(&t, ",\"token_type\":\"Bearer\",\"expires_in\":");
    text_int(&t, life / SECOND);
    text_lit(&t, ",\"refresh_token\":");
    json_put_text(&t, refresh);
    text_char(&t, '}');
    if (t.failed)
        return req_deny(r, ERR_NO_MEMORY);
    reply_json(r, 200, text_str(&t));
    return NEXT;
}
