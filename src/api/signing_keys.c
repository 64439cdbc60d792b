/* The keys that sign access tokens; their secrets never leave the store but to sign. A new key signs a little later
 * than it is there, so that every worker can verify its tokens by then; the old ones verify until the last token
 * they signed has ended.
 */
#include "api/all.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/json.h"
#include "gate/keyring.h"
#include "gen/stmt.h"
#include "http/reply.h"

#define STAGED (5 * SECOND)

static enum verdict keys_ask(struct req *r)
{
    ask_key_list(r->store, &r->arena, &r->rows, &r->wait);
    return WAIT;
}

/* until 0: no end known. */
static void put_key(struct text *t, const struct uuid *id, int64_t from, int64_t until)
{
    text_char(t, '{');
    json_key(t, "id");
    json_put_uuid(t, id);
    json_key(t, "from_at");
    json_put_time(t, from);
    json_key(t, "until_at");
    if (until)
        json_put_time(t, until);
    else
        text_lit(t, "null");
    text_char(t, '}');
}

static enum verdict reply_text(struct req *r, int status, const struct text *t)
{
    if (t->failed)
        return req_deny(r, ERR_NO_MEMORY);
    reply_json(r, status, text_str(t));
    return NEXT;
}

static enum verdict keys_listed(struct req *r)
{
    struct text t = text_new(&r->arena, 512);
    if (r->rows.err != OK)
        return req_deny(r, r->rows.err);
    text_lit(&t, "{\"items\":[");
    for (int n = 0; rows_next(&r->rows); n++) {
        struct uuid id = rows_uuid(&r->rows, COL_KEY_LIST_ID);
        if (n > 0)
            text_char(&t, ',');
        put_key(&t, &id, rows_int(&r->rows, COL_KEY_LIST_FROM_AT),
                rows_int(&r->rows, COL_KEY_LIST_UNTIL_AT));
    }
    text_lit(&t, "],\"next\":null}");
    return reply_text(r, 200, &t);
}

/* A ring that is full would have to drop a key whose tokens are still good. */
static bool ring_full(struct rows *rows, int64_t now)
{
    int n = 0;
    while (rows_next(rows)) {
        int64_t until = rows_int(rows, COL_KEY_LIST_UNTIL_AT);
        n += until == 0 || until > now;
    }
    return n >= KEYS_MAX;
}

static enum verdict keys_rotate(struct req *r)
{
    int64_t from = r->now + STAGED, until = from + config.jwt_expire_minutes * MINUTE + JWT_SKEW;
    struct uuid id = uuid_new(r->now);
    struct text t = text_new(&r->arena, 256);
    struct str sealed;
    struct key key;

    if (r->rows.err != OK)
        return req_deny(r, r->rows.err);
    if (ring_full(&r->rows, r->now))
        return req_deny_for(r, ERR_CONFLICT, "too many keys are still needed");
    enum err err = key_make(&r->arena, keyring_seal(r->keyring), id, &key, &sealed);
    explicit_bzero(&key, sizeof(key));
    if (err != OK)
        return req_deny(r, err);

    add_key_lock(&r->change);
    add_key_add(&r->change, &id, sealed, from, r->now);
    add_key_retire(&r->change, &id, until);
    r->audit_target = id;
    put_key(&t, &id, from, 0);
    return reply_text(r, 201, &t);
}

static const struct field signing_key_fields[] = {
    { "from_at",  TIME, .shown = true, .says = "Signs from then on." },
    { "until_at", TIME, .shown = true, .null = true, .says = "Verifies until then." },
};

static const struct action signing_key_actions[] = {
    { GET, "/api/v1/signing-keys",
      .permit = PERMIT_SYSTEM_CONFIG, .rate = RATE_DEFAULT, .plain = true,
      .run    = keys_ask,             .then = keys_listed,
      .says   = "List the signing keys, without their secrets." },
    { POST, "/api/v1/signing-keys/rotate",
      .permit = PERMIT_SYSTEM_CONFIG, .rate = RATE_ADMIN,
      .run    = keys_ask,             .then = keys_rotate,
      .audit  = "signing_key.rotate", .status = 201,
      .says   = "Make a new key; it signs in five seconds, the old ones verify until their tokens have ended." },
};

const struct resource signing_keys = {
    .noun = "signing_key", .plural = "signing-keys",
    RESOURCE_FIELDS(signing_key_fields), RESOURCE_ACTIONS(signing_key_actions),
    .no_metadata = true,
};
