/* Invitations to a team, by e-mail address. Who invites is shown a token once, and hands it on; whoever has the account
 * of that address and the token becomes a member, while who invited could still make him one.
 */
#include "account.h"
#include "api/all.h"
#include "api/crud.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/base64.h"
#include "base/random.h"
#include "crypto/hash.h"
#include "gen/stmt.h"
#include "http/reply.h"
#include "links.h"

#define LIFE (7 * DAY)
#define PREFIX "ghi_"
#define TOKEN_TEXT (sizeof(PREFIX) - 1 + BASE64_LEN(32))

static struct str hash_of(struct req *r, struct str token)
{
    uint8_t *hash = arena_alloc(&r->arena, SHA256_SIZE);
    if (!hash)
        return STR_NONE;
    sha256(token, hash);
    return (struct str){ (const char *)hash, SHA256_SIZE };
}

static struct str token_new(struct arena *a)
{
    uint8_t secret[32];
    char *text = arena_alloc(a, TOKEN_TEXT);
    if (!text)
        return STR_NONE;
    random_bytes(secret, sizeof(secret));
    memcpy(text, PREFIX, sizeof(PREFIX) - 1);
    base64_encode(secret, sizeof(secret), text + sizeof(PREFIX) - 1);
    explicit_bzero(secret, sizeof(secret));
    return (struct str){ text, TOKEN_TEXT };
}

/* ---- inviting ---- */

struct inviting {
    struct str token;
};

static enum verdict invite(struct req *r)
{
    struct inviting *work = ARENA_NEW(&r->arena, struct inviting);
    struct uuid id = uuid_new(r->now);
    struct str email, role = input_text(r, "role"), hash;
    if (!work)
        return req_deny(r, ERR_NO_MEMORY);
    if (str_eq(role, STR("owner")) && !link_all(r))
        return req_deny_for(r, ERR_FORBIDDEN, "a role beyond the caller's");
    enum err err = email_read(r, &email);
    if (err != OK)
        return req_deny(r, err);
    r->work = work;
    work->token = token_new(&r->arena);
    hash = work->token.p ? hash_of(r, work->token) : STR_NONE;
    if (!hash.p)
        return req_deny(r, ERR_NO_MEMORY);
    add_invitation_add(&r->change, &id, &r->target_ids.id, &r->who->user_id, email, role, hash,
                       r->now + LIFE, r->now);
    return NEXT;
}

/* The row with one member more: the token. */
static enum verdict invited(struct req *r)
{
    const struct inviting *work = r->work;
    struct value *row =
        rows_next(&r->rows) ? resource_row(&r->arena, &invitations, &r->rows) : NULL;
    struct text body = text_new(&r->arena, 512);
    if (!row)
        return req_deny(r, ERR_NO_MEMORY);
    resource_json(&body, &invitations, row);
    if (!body.failed)
        body.n--; /* its brace */
    json_key(&body, "token");
    json_put_text(&body, work->token);
    text_char(&body, '}');
    if (body.failed)
        return req_deny(r, ERR_NO_MEMORY);
    reply_json(r, 201, text_str(&body));
    return NEXT;
}

static enum verdict withdraw(struct req *r)
{
    add_invitation_del(&r->change, &r->target_ids.id, &r->target_ids.second);
    reply_empty(r, 204);
    return NEXT;
}

/* ---- accepting ---- */

static enum verdict accept_find(struct req *r)
{
    struct str hash = hash_of(r, input_text(r, "token"));
    if (!hash.p)
        return req_deny(r, ERR_NO_MEMORY);
    ask_invitation_find(r->store, &r->arena, hash, &r->who->user_id, r->now, &r->rows, &r->wait);
    return WAIT;
}

static enum verdict accept_found(struct req *r)
{
    struct uuid link = uuid_new(r->now);
    struct str hash = hash_of(r, input_text(r, "token"));
    if (r->rows.err != OK)
        return req_deny(r, r->rows.err);
    if (!rows_next(&r->rows))
        return req_deny_for(r, ERR_NOT_FOUND, "no such invitation of this person");
    struct str role = str_copy(&r->arena, rows_text(&r->rows, COL_INVITATION_FIND_ROLE));
    if (!hash.p || !role.p)
        return req_deny(r, ERR_NO_MEMORY);
    struct uuid team = rows_uuid(&r->rows, COL_INVITATION_FIND_TEAM_ID);
    struct uuid id = rows_uuid(&r->rows, COL_INVITATION_FIND_ID);

    add_team_lock(&r->change, &team);
    add_invitation_use(&r->change, &id, hash);
    add_team_member_join(&r->change, &link, &team, &r->who->user_id, role, r->now);
    add_team_fits(&r->change, &team);
    add_team_member_fits(&r->change, &r->who->user_id, TEAMS_MOST);
    r->audit_target = team;
    return NEXT;
}

static enum verdict accepted(struct req *r)
{
    struct value *row =
        rows_next(&r->rows) ? resource_row(&r->arena, &team_members, &r->rows) : NULL;
    return row ? reply_row(r, 200, &team_members, row) : req_deny(r, ERR_NO_MEMORY);
}

/* ---- the table ---- */

static const struct field invitation_fields[] = {
    { "team_id",    UUID,  .shown = true },
    { "email",      TEXT,  .max = EMAIL_MAX, .required = true, .says = "Who is invited." },
    { "role",       ONEOF, .oneof = "viewer|contributor|editor|admin|owner", .standard = "\"viewer\"",
      .says = "What the member will be." },
    { "expires_at", TIME,  .shown = true },
};
static const struct field accept_input[] = {
    { "token", TEXT, .min = 1, .max = 100, .required = true, .says = "As the invitation showed it." },
};

static const struct action invitation_actions[] = {
    { GET, "/api/v1/teams/{id}/invitations",
      .permit = PERMIT_TEAM_UPDATE, .access = ACCESS_SHARE, .rate = RATE_DEFAULT, .list = true, .plain = true,
      .run    = crud_list,          .then = crud_listed,
      .says   = "List the open invitations to a team." },
    { POST, "/api/v1/teams/{id}/invitations",
      .permit = PERMIT_TEAM_UPDATE, .access = ACCESS_SHARE, .rate = RATE_DEFAULT, .secret = true,
      .run    = invite,             .made = invited, .audit = "invitation.create", .status = 201,
      .says   = "Invite somebody; `token` is shown this once and good for a week." },
    { GET, "/api/v1/teams/{id}/invitations/{id}",
      .permit = PERMIT_TEAM_UPDATE, .access = ACCESS_SHARE, .rate = RATE_DEFAULT, .plain = true,
      .run    = link_get,           .then = link_got,
      .says   = "Read one invitation." },
    { DELETE, "/api/v1/teams/{id}/invitations/{id}",
      .permit = PERMIT_TEAM_UPDATE, .access = ACCESS_SHARE, .rate = RATE_DEFAULT, .plain = true,
      .run    = withdraw,           .audit = "invitation.delete", .status = 204,
      .says   = "Withdraw an invitation." },
};

const struct resource invitations = {
    .noun = "invitation", .plural = "team-invitations",
    RESOURCE_FIELDS(invitation_fields), RESOURCE_ACTIONS(invitation_actions),
    .get = &stmt_invitation_get, .under = &teams,
    .list = stmt_invitation_list, .sorts = stmt_invitation_list_sorts,
    .no_metadata = true,
};

static const struct action accept_actions[] = {
    { POST, "/api/v1/invitations/accept",
      .permit = PERMIT_SIGNED_IN,   .rate = RATE_DEFAULT, .plain = true, .session_only = true,
      .input  = accept_input,       .ninput = COUNT(accept_input),
      .run    = accept_find,        .then = accept_found, .made = accepted, .audit = "invitation.accept",
      .says   = "Become a member by an invitation to one's own address." },
};

const struct resource accepting = { .noun = "invitation_accept", .plural = "invitations",
                                    RESOURCE_ACTIONS(accept_actions), .no_metadata = true };
