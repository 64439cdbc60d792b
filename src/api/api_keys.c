/* The caller's own API keys. A key never does more than its owner's role allows at that moment, and cannot make
 * or change keys. Its text is shown once, when it is made.
 */
#include "api/all.h"
#include "api/crud.h"
#include "base/clock.h"
#include "base/json.h"
#include "gate/apikey.h"
#include "gate/permits.h"
#include "gen/stmt.h"
#include "http/reply.h"

/* ---- what a key may be ---- */

static enum err scopes_within(struct req *r, struct str scopes)
{
    uint64_t permits;
    TRY(permits_read(&r->arena, scopes, &permits));
    if (!(permits & ~r->who->permits))
        return OK;
    req_fault(r, "scopes", "oneof", "Must be among one's own permissions.");
    return ERR_INVALID;
}

static enum err expiry_ahead(struct req *r, const struct value *expires)
{
    if (expires->null || expires->i > r->now)
        return OK;
    req_fault(r, "expires_at", "range", "Must lie ahead.");
    return ERR_INVALID;
}

/* Of a change only what it names is looked at: a role may have lost what an older scope still has. */
static enum verdict key_adjust(struct req *r, struct value *row)
{
    enum err err = OK;
    if (input_given(r, "scopes"))
        err = scopes_within(r, row[COL_API_KEY_SCOPES].text);
    if (err == OK && input_given(r, "expires_at"))
        err = expiry_ahead(r, &row[COL_API_KEY_EXPIRES_AT]);
    return err == OK ? NEXT : req_deny(r, err);
}

/* ---- making one ---- */

/* The row with one member more: the key's text. */
static enum verdict reply_key(struct req *r, const struct value *row, struct str text)
{
    struct text body = text_new(&r->arena, 512);
    resource_json(&body, &api_keys, row);
    if (!body.failed)
        body.n--; /* its brace */
    json_key(&body, "key");
    json_put_text(&body, text);
    text_char(&body, '}');
    if (body.failed)
        return req_deny(r, ERR_NO_MEMORY);
    reply_json(r, 201, text_str(&body));
    r->reply.version = row[COL_API_KEY_VERSION].i;
    crud_location(r, &row[COL_API_KEY_ID].uuid);
    return NEXT;
}

/* A row for a new key, with the name, scopes, expiry and metadata that `row` has already. */
static enum verdict key_make_row(struct req *r, struct value *row)
{
    char *text = arena_alloc(&r->arena, APIKEY_TEXT);
    uint8_t *hash = arena_alloc(&r->arena, SHA256_SIZE);
    struct str public, secret;
    if (!text || !hash)
        return req_deny(r, ERR_NO_MEMORY);
    apikey_make(text, hash);
    must(apikey_split((struct str){ text, APIKEY_TEXT }, &public, &secret));

    row[COL_API_KEY_ID] = (struct value){ .type = VALUE_UUID, .uuid = uuid_new(r->now) };
    row[COL_API_KEY_OWNER_ID] = (struct value){ .type = VALUE_UUID, .uuid = r->who->user_id };
    row[COL_API_KEY_PUBLIC] = (struct value){ .type = VALUE_TEXT, .text = public };
    row[COL_API_KEY_LAST_USED_AT] = (struct value){ .type = VALUE_TIME, .null = true };
    row[COL_API_KEY_VERSION] = (struct value){ .type = VALUE_INT, .i = 1 };
    row[COL_API_KEY_CREATED_AT] = (struct value){ .type = VALUE_TIME, .i = r->now };
    row[COL_API_KEY_UPDATED_AT] = row[COL_API_KEY_CREATED_AT];

    const struct value *expires = &row[COL_API_KEY_EXPIRES_AT];
    add_api_key_add(&r->change, &row[COL_API_KEY_ID].uuid, &r->who->user_id,
                    row[COL_API_KEY_NAME].text, public,
                    (struct str){ (const char *)hash, SHA256_SIZE }, row[COL_API_KEY_SCOPES].text,
                    expires->null ? NULL : &expires->i, row[COL_API_KEY_METADATA].text, r->now);
    r->row = row;
    return reply_key(r, row, (struct str){ text, APIKEY_TEXT });
}

static enum verdict key_create(struct req *r)
{
    struct value *row = ARENA_ARRAY(&r->arena, struct value, COL_API_KEY_UPDATED_AT + 1);
    if (!row)
        return req_deny(r, ERR_NO_MEMORY);
    row[COL_API_KEY_NAME] = *input_value(r, "name");
    row[COL_API_KEY_SCOPES] = *input_value(r, "scopes");
    row[COL_API_KEY_EXPIRES_AT] = *input_value(r, "expires_at");
    row[COL_API_KEY_METADATA] = *input_value(r, "metadata");
    if (key_adjust(r, row) != NEXT)
        return DENY;
    if (row[COL_API_KEY_SCOPES].null) { /* all that the role has now */
        struct str all = permits_write(&r->arena, r->who->permits);
        if (!all.p)
            return req_deny(r, ERR_NO_MEMORY);
        row[COL_API_KEY_SCOPES] = (struct value){ .type = VALUE_JSON, .text = all };
    }
    enum verdict v = key_make_row(r, row);
    r->audit_target = row[COL_API_KEY_ID].uuid;
    return v;
}

/* The new key is as the old one was; the old one ends when both have been good for the overlap. */
static enum verdict key_rotate(struct req *r)
{
    int64_t until = r->now + input_int(r, "overlap_seconds") * SECOND;
    struct value *row = facts_row(r);
    enum err err = crud_match(r);
    if (err != OK)
        return req_deny(r, err);
    if (!row)
        return req_deny(r, ERR_NO_MEMORY);

    const struct value old = row[COL_API_KEY_EXPIRES_AT];
    if (!old.null && old.i <= r->now)
        return req_deny_for(r, ERR_CONFLICT, "the key has ended already");
    if (!old.null && old.i < until)
        until = old.i;
    add_api_key_end(&r->change, &r->facts->id, r->facts->version, row[COL_API_KEY_PUBLIC].text,
                    until, r->now);
    return key_make_row(r, row);
}

/* ---- the table ---- */

#define PERMIT_WORD(id, name) "|" name

static const struct field key_fields[] = {
    { "name",         TEXT,  .min = 1, .max = 120, .required = true },
    { "public",       TEXT,  .shown = true, .says = "The part of the key that names it." },
    { "scopes",       TEXTS, .oneof = &(PERMITS(PERMIT_WORD))[1], .max = PERMIT_COUNT,
      .says = "What it may do; all that its owner may, if left out." },
    { "expires_at",   TIME,  .null = true, .says = "Never, if left out." },
    { "last_used_at", TIME,  .shown = true, .null = true, .says = "To the minute." },
};
static const struct field rotate_input[] = {
    { "overlap_seconds", INT, .min = 0, .max = 86400, .standard = "3600", .says = "How long the old key stays good." },
};

#define OWN    .permit = PERMIT_SIGNED_IN, .rate = RATE_DEFAULT
#define CHANGE .session_only = true

static const struct action key_actions[] = {
    { GET, "/api/v1/api-keys", OWN,
      .list   = true,          .plain = true,
      .run    = crud_list,     .then = crud_listed,
      .says   = "List one's own API keys." },
    { POST, "/api/v1/api-keys", OWN, CHANGE,
      .secret = true,
      .run    = key_create,    .audit = "api_key.create", .status = 201,
      .says   = "Create an API key; `key` is shown this once." },
    { GET, "/api/v1/api-keys/{id}", OWN,
      .access = ACCESS_READ,   .cache = CACHE_API, .plain = true,
      .run    = crud_get,
      .says   = "Read one of one's own API keys." },
    { PATCH, "/api/v1/api-keys/{id}", OWN, CHANGE,
      .access = ACCESS_WRITE,  .cache = CACHE_API,
      .run    = crud_update,   .audit = "api_key.update",
      .says   = "Change an API key, at once and everywhere." },
    { DELETE, "/api/v1/api-keys/{id}", OWN, CHANGE,
      .access = ACCESS_DELETE, .cache = CACHE_API,
      .run    = crud_delete,   .audit = "api_key.delete", .status = 204,
      .says   = "Delete an API key, at once and everywhere." },
    { POST, "/api/v1/api-keys/{id}/rotate", OWN, CHANGE,
      .access = ACCESS_WRITE,  .cache = CACHE_API, .secret = true,
      .input  = rotate_input,  .ninput = COUNT(rotate_input),
      .run    = key_rotate,    .audit = "api_key.rotate", .status = 201,
      .says   = "Replace an API key; the old one stays good for the overlap." },
};

const struct resource api_keys = {
    .noun = "api_key", .plural = "api-keys",
    RESOURCE_FIELDS(key_fields), RESOURCE_ACTIONS(key_actions),
    .get = &stmt_api_key_get, .set = &stmt_api_key_set, .del = &stmt_api_key_del,
    .list = stmt_api_key_list, .sorts = stmt_api_key_list_sorts,
    .owned = true, .adjust = key_adjust,
};
