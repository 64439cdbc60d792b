/* The audit, for those who may read it. Each reading is a row of it, written before the answer. What is personal is
 * opened here, unless the person has been erased.
 */
#include "api/all.h"
#include "api/crud.h"
#include "gate/keyring.h"
#include "gen/stmt.h"

static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c - 'A' + 10;
}

/* What the store gives as hexadecimal digits. */
static struct str bytes_of(struct arena *a, struct str hex)
{
    char *out = arena_alloc(a, hex.n / 2 + 1);
    for (size_t i = 0; out && i < hex.n / 2; i++)
        out[i] = (char)(digit(hex.p[2 * i]) << 4 | digit(hex.p[2 * i + 1]));
    return (struct str){ out, hex.n / 2 };
}

/* JSON null where the key is gone, or where the row has been tampered with: `audit verify` tells which. */
static enum verdict audit_show(struct req *r, struct value *row)
{
    const struct chain_keys *keys = keyring_chain(r->keyring);
    struct value *payload = &row[COL_AUDIT_PAYLOAD];
    struct str sealed = bytes_of(&r->arena, payload->text), plain;
    uint8_t key[CHAIN_KEY];
    bool open = !row[COL_AUDIT_SUBJECT_KEY].null;
    if (open) {
        struct str of = bytes_of(&r->arena, row[COL_AUDIT_SUBJECT_KEY].text);
        open = of.p &&
               chain_subject_open(&r->arena, keys, &row[COL_AUDIT_SUBJECT].uuid, of, key) == OK;
    }
    open = open && sealed.p &&
           chain_payload_open(&r->arena, key, &row[COL_AUDIT_ID].uuid, sealed, &plain) == OK;
    explicit_bzero(key, sizeof(key));
    *payload = (struct value){ .type = VALUE_JSON, .null = !open, .text = open ? plain : STR_NONE };
    return r->arena.failed ? req_deny(r, ERR_NO_MEMORY) : NEXT;
}

static enum verdict audit_listed(struct req *r)
{
    r->audit_noun = "audit.read";
    return crud_listed(r);
}

static enum verdict audit_get(struct req *r)
{
    struct value *row = facts_row(r);
    r->audit_noun = "audit.read";
    if (!row)
        return req_deny(r, ERR_NO_MEMORY);
    if (audit_show(r, row) != NEXT)
        return DENY;
    return reply_row(r, 200, r->resource, row);
}

static const struct field audit_fields[] = {
    { "at",             TIME,   .shown = true },
    { "number",         INT,    .shown = true, .null = true, .says = "Its place in the chain; null until sealed." },
    { "principal_kind", TEXT,   .shown = true, .says = "anonymous, user, api_key or operator." },
    { "principal_id",   UUID,   .shown = true, .null = true, .filter = true },
    { "session_id",     UUID,   .shown = true, .null = true, .says = "The session or API key." },
    { "action",         TEXT,   .shown = true, .filter = true, .says = "Such as startup.create." },
    { "target",         UUID,   .shown = true, .null = true, .filter = true, .says = "The row that it was done to." },
    { "outcome",        TEXT,   .shown = true, .filter = true,
      .says = "made, signed_in, sign_in_failed, denied, read, dropped or unknown." },
    { "decision",       UUID,   .shown = true, .says = "The id of the decision." },
    { "risk",           TEXT,   .shown = true },
    { "correlation",    TEXT,   .shown = true, .says = "The X-Request-ID of the request." },
    { "erased",         BOOL,   .shown = true, .says = "The person has been erased: then there is no payload." },
    { "payload",        OBJECT, .shown = true, .null = true,
      .says = "Address, user agent, trace id, email and detail." },
    { "subject",        UUID,   .shown = true, .says = "The key that the payload is sealed under." },
    { "subject_key",    OBJECT, .hidden = true, .null = true },
};

static const struct action audit_actions[] = {
    { GET, "/api/v1/audit",
      .permit = PERMIT_AUDIT_READ, .rate = RATE_DEFAULT, .list = true, .plain = true,
      .run    = crud_list,         .then = audit_listed,
      .says   = "List the audit; each reading is recorded in it." },
    { GET, "/api/v1/audit/{id}",
      .permit = PERMIT_AUDIT_READ, .access = ACCESS_READ, .rate = RATE_DEFAULT, .plain = true,
      .run    = audit_get,
      .says   = "Read one row of the audit." },
};

const struct resource audit = {
    .noun = "audit", .plural = "audit",
    RESOURCE_FIELDS(audit_fields), RESOURCE_ACTIONS(audit_actions),
    .get = &stmt_audit_get, .list = stmt_audit_list, .sorts = stmt_audit_list_sorts,
    .no_metadata = true, .show = audit_show,
};
