/* Break-glass: access for an operator whom the mode or the owner of a row would keep out. It is bound to one session,
 * ends by itself, has a reason, and costs the password once more, so that a stolen session cannot open it. What is done
 * under it is written down twice (gate/audit.c).
 */
#include "account.h"
#include "api/all.h"
#include "api/crud.h"
#include "attempt.h"
#include "base/clock.h"
#include "base/json.h"
#include "gen/stmt.h"
#include "http/reply.h"

struct opening {
    struct attempt attempt;
    struct hashing hashing;
    struct str email, hash;
};

/* ---- opening it ---- */

static enum verdict find(struct req *r)
{
    r->work = ARENA_NEW(&r->arena, struct opening);
    if (!r->work)
        return req_deny(r, ERR_NO_MEMORY);
    ask_user_password(r->store, &r->arena, &r->who->user_id, &r->rows, &r->wait);
    return WAIT;
}

static enum verdict found(struct req *r)
{
    struct opening *o = r->work;
    if (r->rows.err != OK)
        return req_deny(r, r->rows.err);
    if (!rows_next(&r->rows))
        return req_deny(r, ERR_SESSION_ENDED);
    o->email = str_copy(&r->arena, rows_text(&r->rows, COL_USER_PASSWORD_EMAIL));
    o->hash = str_copy(&r->arena, rows_text(&r->rows, COL_USER_PASSWORD_PASSWORD_HASH));
    rows_fini(&r->rows);
    return r->arena.failed ? req_deny(r, ERR_NO_MEMORY) : NEXT;
}

static enum verdict limit(struct req *r)
{
    struct opening *o = r->work;
    return attempt_spend(r, &o->attempt, o->email, true);
}

static enum verdict limited(struct req *r)
{
    struct opening *o = r->work;
    return attempt_spent(r, &o->attempt);
}

static enum verdict check(struct req *r)
{
    struct opening *o = r->work;
    enum verdict v = hashing_check(r, &o->hashing, input_text(r, "password"), o->hash, STR_NONE);
    if (v == DENY)
        attempt_forgive(r, &o->attempt);
    return v;
}

static enum verdict checked(struct req *r)
{
    struct opening *o = r->work;
    if (!o->hashing.matches)
        return req_deny_for(r, ERR_BAD_LOGIN, "the password does not match");
    attempt_forgive(r, &o->attempt);
    return NEXT;
}

/* The audit row tells what the row itself does: it cannot be changed there without a trace. */
static struct str detail_of(struct req *r, int64_t until)
{
    struct text t = text_new(&r->arena, 640);
    text_lit(&t, "{\"reason\":");
    json_put_text(&t, input_text(r, "reason"));
    json_key(&t, "until");
    json_put_time(&t, until);
    text_char(&t, '}');
    return t.failed ? STR_NONE : text_str(&t);
}

static struct value uuid_value(struct uuid id)
{
    return (struct value){ .type = VALUE_UUID, .uuid = id };
}

static struct value time_value(int64_t at)
{
    return (struct value){ .type = VALUE_TIME, .i = at };
}

static enum verdict open_it(struct req *r)
{
    const struct principal *who = r->who;
    struct str reason = input_text(r, "reason");
    int64_t until = r->now + input_int(r, "minutes") * MINUTE;
    struct uuid id = uuid_new(r->now);
    const struct value row[] = {
        [COL_BREAK_GLASS_ID] = uuid_value(id),
        [COL_BREAK_GLASS_USER_ID] = uuid_value(who->user_id),
        [COL_BREAK_GLASS_SESSION_ID] = uuid_value(who->session_id),
        [COL_BREAK_GLASS_REASON] = { .type = VALUE_TEXT, .text = reason },
        [COL_BREAK_GLASS_UNTIL] = time_value(until),
        [COL_BREAK_GLASS_ENDED_AT] = { .type = VALUE_TIME, .null = true },
        [COL_BREAK_GLASS_VERSION] = { .type = VALUE_INT, .i = 1 },
        [COL_BREAK_GLASS_CREATED_AT] = time_value(r->now),
        [COL_BREAK_GLASS_UPDATED_AT] = time_value(r->now),
    };

    r->audit_target = id;
    r->audit_detail = detail_of(r, until);
    if (!r->audit_detail.p)
        return req_deny(r, ERR_NO_MEMORY);
    add_break_glass_lapse(&r->change, &who->session_id, r->now);
    add_break_glass_add(&r->change, &id, &who->user_id, &who->session_id, reason, until, r->now);
    crud_location(r, &id);
    return reply_row(r, 201, &break_glass, row);
}

static const struct stage open_steps[] = {
    { "find", find, found },
    { "limit", limit, limited },
    { "check", check, checked },
    { "open", open_it, NULL },
    { 0 },
};

/* ---- ending it ---- */

/* Anybody's, by who may: nobody is to wait for its time. */
static enum verdict end(struct req *r)
{
    enum err err = crud_match(r);
    if (err != OK)
        return req_deny(r, err);
    struct uuid session = rows_uuid(&r->facts->row, COL_BREAK_GLASS_SESSION_ID);
    add_break_glass_end(&r->change, &r->facts->id, &session, r->now);
    reply_empty(r, 204);
    return NEXT;
}

/* ---- the table ---- */

static const struct field fields[] = {
    { "user_id",    UUID, .shown = true, .says = "Who has opened it." },
    { "session_id", UUID, .shown = true, .says = "The session that it is bound to." },
    { "reason",     TEXT, .shown = true, .min = 10, .max = 500 },
    { "until",      TIME, .shown = true, .says = "It ends by itself then." },
    { "ended_at",   TIME, .shown = true, .null = true, .says = "When it was ended, if it was." },
};
static const struct field input[] = {
    { "reason",   TEXT, .min = 10, .max = 500, .required = true, .says = "Why; kept in the audit." },
    { "minutes",  INT,  .min = 1,  .max = 60,  .required = true, .says = "It ends by itself then." },
    { "password", TEXT, .max = PASSWORD_MAX,   .required = true, .says = "One's own, once more." },
};

#define CONFIG .permit = PERMIT_SYSTEM_CONFIG, .any_mode = true

static const struct action actions[] = {
    { GET, "/api/v1/break-glass", CONFIG,
      .rate  = RATE_DEFAULT,  .list = true, .plain = true,
      .run   = crud_list,     .then = crud_listed,
      .says  = "List every break-glass access there was." },
    { POST, "/api/v1/break-glass", CONFIG,
      .rate  = RATE_AUTH,     .session_only = true, .plain = true,
      .input = input,         .ninput = COUNT(input),
      .steps = open_steps,    .audit = "break_glass.open", .status = 201,
      .says  = "Open break-glass access for this session: no mode binds it, and it reaches every row." },
    { GET, "/api/v1/break-glass/{id}", CONFIG,
      .access = ACCESS_READ,  .rate = RATE_DEFAULT, .plain = true,
      .run   = crud_get,
      .says  = "Read one." },
    { DELETE, "/api/v1/break-glass/{id}", CONFIG,
      .access = ACCESS_DELETE, .rate = RATE_ADMIN, .plain = true,
      .run   = end,           .audit = "break_glass.end", .status = 204,
      .says  = "End it, at once and everywhere; 409 when it has been ended." },
};

const struct resource break_glass = {
    .noun = "break_glass", .plural = "break-glass",
    RESOURCE_FIELDS(fields), RESOURCE_ACTIONS(actions),
    .get = &stmt_break_glass_get,
    .list = stmt_break_glass_list, .sorts = stmt_break_glass_list_sorts,
    .no_metadata = true,
};
