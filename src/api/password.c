/* Changing one's own password. The current one must be known: a stolen session cannot take the account over, and
 * guessing counts as failed sign-ins do. Every session ends, this one too.
 */
#include "account.h"
#include "attempt.h"
#include "auth.h"
#include "gate/facts.h"
#include "gen/stmt.h"
#include "http/reply.h"
#include "route/input.h"

struct change_password {
    struct attempt attempt;
    struct hashing hashing;
    struct str email, hash;
};

static enum verdict find(struct req *r)
{
    r->work = ARENA_NEW(&r->arena, struct change_password);
    if (!r->work)
        return req_deny(r, ERR_NO_MEMORY);
    ask_user_password(r->store, &r->arena, &r->who->user_id, &r->rows, &r->wait);
    return WAIT;
}

static enum verdict found(struct req *r)
{
    struct change_password *p = r->work;
    if (r->rows.err != OK)
        return req_deny(r, r->rows.err);
    if (!rows_next(&r->rows))
        return req_deny(r, ERR_SESSION_ENDED);
    p->email = str_copy(&r->arena, rows_text(&r->rows, COL_USER_PASSWORD_EMAIL));
    p->hash = str_copy(&r->arena, rows_text(&r->rows, COL_USER_PASSWORD_PASSWORD_HASH));
    rows_fini(&r->rows);
    return r->arena.failed ? req_deny(r, ERR_NO_MEMORY) : NEXT;
}

/* Who has a session here is no stranger to the account. */
static enum verdict limit(struct req *r)
{
    struct change_password *p = r->work;
    return attempt_spend(r, &p->attempt, p->email, true);
}

static enum verdict limited(struct req *r)
{
    struct change_password *p = r->work;
    return attempt_spent(r, &p->attempt);
}

static enum verdict check(struct req *r)
{
    struct change_password *p = r->work;
    enum verdict v = hashing_check(r, &p->hashing, input_text(r, "current_password"), p->hash,
                                   input_text(r, "new_password"));
    if (v == DENY)
        attempt_forgive(r, &p->attempt);
    return v;
}

static enum verdict checked(struct req *r)
{
    struct change_password *p = r->work;
    const struct uuid *user = &r->who->user_id;
    if (!p->hashing.matches)
        return req_deny_for(r, ERR_BAD_LOGIN, "the current password does not match");
    attempt_forgive(r, &p->attempt);
    if (p->hashing.err != OK)
        return req_deny(r, p->hashing.err);

    add_user_set_password(&r->change, user, str_of(p->hashing.hash), r->now);
    add_session_end_all(&r->change, user, r->now);
    r->audit_target = *user;
    reply_empty(r, 204);
    return NEXT;
}

const struct stage password_steps[] = {
    { "find", find, found },
    { "limit", limit, limited },
    { "check", check, checked },
    { 0 },
};
