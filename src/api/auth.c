/* Sign-up, sign-in and what a signed-in principal does with its own account. */
#include "auth.h"

#include "account.h"
#include "api/all.h"
#include "base/config.h"
#include "gate/facts.h"
#include "gen/stmt.h"
#include "http/reply.h"
#include "issue.h"
#include "route/input.h"

/* ---- register ---- */

struct sign_up {
    struct hashing hashing;
    struct str email;
};

static enum verdict register_hash(struct req *r)
{
    struct sign_up *s = ARENA_NEW(&r->arena, struct sign_up);
    if (config.registration != REGISTRATION_OPEN)
        return req_deny(r, ERR_REGISTRATION);
    if (!s)
        return req_deny(r, ERR_NO_MEMORY);
    r->work = s;
    enum err err = email_read(r, &s->email);
    if (err != OK)
        return req_deny(r, err);
    return hashing_make(r, &s->hashing, input_text(r, "password"));
}

static enum verdict register_hashed(struct req *r)
{
    struct sign_up *s = r->work;
    if (s->hashing.err != OK)
        return req_deny(r, s->hashing.err);
    const struct new_user user = {
        .email = s->email,
        .role = STR("user"),
        .status = STR("active"),
        .metadata = input_text(r, "metadata"),
        .hash = s->hashing.hash,
    };
    return user_make(r, &user);
}

const struct stage register_steps[] = {
    { "hash", register_hash, register_hashed },
    { 0 },
};

/* ---- logout, me ---- */

static enum verdict logout(struct req *r)
{
    add_session_end(&r->change, &r->who->session_id, r->now);
    r->audit_target = r->who->session_id;
    reply_empty(r, 204);
    return NEXT;
}

static enum verdict me(struct req *r)
{
    ask_user_get(r->store, &r->arena, &r->who->user_id, &r->rows, &r->wait);
    return WAIT;
}

static enum verdict me_found(struct req *r)
{
    if (r->rows.err != OK)
        return req_deny(r, r->rows.err);
    if (!rows_next(&r->rows))
        return req_deny(r, ERR_NOT_FOUND);
    struct value *row = resource_row(&r->arena, &users, &r->rows);
    return row ? reply_row(r, 200, &users, row) : req_deny(r, ERR_NO_MEMORY);
}

/* ---- the table ---- */

static const struct field register_input[] = {
    { "email",    TEXT,   .max = EMAIL_MAX, .required = true },
    { "password", TEXT,   .min = PASSWORD_MIN, .max = PASSWORD_MAX, .required = true, .says = "8 to 72 bytes." },
    { "metadata", OBJECT, .max = 16384, .standard = "{}", .says = "Whatever the caller keeps with the row." },
};
static const struct field login_input[] = {
    { "email",    TEXT, .max = EMAIL_MAX, .required = true },
    { "password", TEXT, .max = PASSWORD_MAX, .required = true },
};
static const struct field refresh_input[] = {
    { "refresh_token", TEXT, .required = true, .says = "As the last sign-in or refresh gave it; good for one use." },
};
static const struct field password_input[] = {
    { "current_password", TEXT, .max = PASSWORD_MAX, .required = true },
    { "new_password",     TEXT, .min = PASSWORD_MIN, .max = PASSWORD_MAX, .required = true, .says = "8 to 72 bytes." },
};

#define INPUT(fields) .input = (fields), .ninput = COUNT(fields)

static const struct action auth_actions[] = {
    { POST, "/api/v1/auth/register",
      .permit = PERMIT_ANYONE,    .rate = RATE_DEFAULT, .plain = true, INPUT(register_input),
      .steps  = register_steps,   .audit = "user.register", .status = 201,
      .says   = "Sign up; the new user has the role `user`." },
    { POST, "/api/v1/auth/login",
      .permit = PERMIT_ANYONE,    .rate = RATE_AUTH, .plain = true, .secret = true, INPUT(login_input),
      .any_mode = true,
      .steps  = login_steps,      .audit = "session.create",
      .says   = "Sign in with a password: a session, its access token and its refresh token." },
    { POST, "/api/v1/auth/refresh",
      .permit = PERMIT_ANYONE,    .rate = RATE_AUTH, .plain = true, .secret = true, INPUT(refresh_input),
      .any_mode = true,
      .steps  = refresh_steps,    .made = refresh_rotated,
      .audit  = "session.refresh",
      .says   = "Trade a refresh token for its successor and a new access token." },
    { POST, "/api/v1/auth/logout",
      .permit = PERMIT_SIGNED_IN, .rate = RATE_DEFAULT, .session_only = true, .plain = true, .no_body = true,
      .any_mode = true,
      .run    = logout,           .audit = "session.end", .status = 204,
      .says   = "End this session, at once and everywhere." },
    { GET, "/api/v1/auth/me",
      .permit = PERMIT_SIGNED_IN, .rate = RATE_DEFAULT, .plain = true,
      .run    = me,               .then = me_found,
      .says   = "The user who asks." },
    { POST, "/api/v1/auth/password",
      .permit = PERMIT_SIGNED_IN, .rate = RATE_AUTH, .session_only = true, .plain = true, INPUT(password_input),
      .steps  = password_steps,   .audit = "user.password", .status = 204,
      .says   = "Change one's password; every session ends." },
};

const struct resource auth = {
    .noun = "auth", .plural = "auth",
    RESOURCE_ACTIONS(auth_actions),
    .no_metadata = true,
};
