/* Signing in with a password. An unknown account, a wrong password and an account that is not active look alike,
 * in status, body and time: a hash is checked for each, and each counts as failed.
 */
#include "account.h"
#include "attempt.h"
#include "auth.h"
#include "base/config.h"
#include "base/json.h"
#include "base/metric.h"
#include "gate/risk.h"
#include "gen/stmt.h"
#include "issue.h"
#include "route/input.h"

#define DEVICES_MAX 50 /* of a user that are remembered */

enum { LOGIN_OK, LOGIN_FAILED, LOGIN_LIMITED, LOGIN_BUSY }; /* cells of METRIC_AUTH_LOGINS */

struct login {
    struct attempt attempt;
    struct hashing hashing;
    struct str email;
    struct str place;       /* the address as the account's earlier sign-ins are kept */
    struct str hash;        /* of an unknown account: of no password */
    bool active, known;     /* known: it signed in from this place before */
    struct risk_place from; /* network, agent and country of this sign-in */
    bool new_device;        /* not its first, and none came from there with this agent before */
    struct subject subject;
};

/* IPv6 by /64, as the windows count. */
static struct str place_of(struct arena *a, struct in6_addr address)
{
    char *text = arena_alloc(a, INET6_ADDRSTRLEN);
    if (!text)
        return STR_NONE;
    if (!IN6_IS_ADDR_V4MAPPED(&address))
        memset(address.s6_addr + 8, 0, 8);
    network_format(&address, text);
    return str_of(text);
}

static enum verdict counted(enum verdict v, const struct req *r)
{
    if (v == DENY && r->err == ERR_TOO_MANY_LOGINS)
        metric_add(METRIC_AUTH_LOGINS, LOGIN_LIMITED, 1);
    return v;
}

/* ---- limit: the windows that need no knowledge of the account ---- */

static enum verdict login_limit(struct req *r)
{
    struct login *l = ARENA_NEW(&r->arena, struct login);
    if (!l)
        return req_deny(r, ERR_NO_MEMORY);
    r->work = l;
    l->email = email_fold(&r->arena, input_text(r, "email"));
    l->place = place_of(&r->arena, r->address);
    l->from = risk_place_of(r);
    if (r->arena.failed)
        return req_deny(r, ERR_NO_MEMORY);
    return counted(attempt_spend(r, &l->attempt, l->email, true), r);
}

static enum verdict login_limited(struct req *r)
{
    struct login *l = r->work;
    return counted(attempt_spent(r, &l->attempt), r);
}

/* ---- find: the account ---- */

static enum verdict login_find(struct req *r)
{
    struct login *l = r->work;
    ask_user_by_email(r->store, &r->arena, l->email, l->place, risk_device(&l->from), &r->rows,
                      &r->wait);
    return WAIT;
}

static enum verdict login_found(struct req *r)
{
    struct login *l = r->work;
    const struct rows *rows = &r->rows;
    if (rows->err != OK) {
        attempt_forgive(r, &l->attempt);
        return req_deny(r, rows->err);
    }
    if (!rows_next(&r->rows)) {
        l->hash = str_of(password_dummy((int)config.bcrypt_cost));
        return NEXT;
    }
    l->subject.user = rows_uuid(rows, COL_USER_BY_EMAIL_ID);
    l->subject.role = str_copy(&r->arena, rows_text(rows, COL_USER_BY_EMAIL_ROLE));
    l->subject.token_version = rows_int(rows, COL_USER_BY_EMAIL_TOKEN_VERSION);
    l->hash = str_copy(&r->arena, rows_text(rows, COL_USER_BY_EMAIL_PASSWORD_HASH));
    l->active = str_eq(rows_text(rows, COL_USER_BY_EMAIL_STATUS), STR("active"));
    l->known = rows_int(rows, COL_USER_BY_EMAIL_KNOWN) != 0;
    l->new_device = rows_int(rows, COL_USER_BY_EMAIL_DEVICES) &&
                    !rows_int(rows, COL_USER_BY_EMAIL_DEVICE_KNOWN);
    rows_fini(&r->rows);
    return r->arena.failed ? req_deny(r, ERR_NO_MEMORY) : NEXT;
}

/* ---- stranger: the window of the account, for addresses that it never signed in from ---- */

static enum verdict login_stranger(struct req *r)
{
    struct login *l = r->work;
    return counted(attempt_spend(r, &l->attempt, l->email, l->known), r);
}

/* ---- check: the password ---- */

/* Hashes made at another cost than today's are made anew while the password is at hand. */
static bool outdated(struct str hash)
{
    int64_t cost;
    if (hash.n != PASSWORD_HASH || !str_int((struct str){ hash.p + 4, 2 }, 0, 99, &cost))
        return false;
    return cost != config.bcrypt_cost;
}

static enum verdict login_check(struct req *r)
{
    struct login *l = r->work;
    struct str password = input_text(r, "password");
    bool anew = outdated(l->hash) && password_allowed(password);
    enum verdict v = hashing_check(r, &l->hashing, password, l->hash, anew ? password : STR_NONE);
    if (v == DENY) {
        attempt_forgive(r, &l->attempt);
        metric_add(METRIC_AUTH_LOGINS, LOGIN_BUSY, 1);
    }
    return v;
}

static enum verdict login_checked(struct req *r)
{
    struct login *l = r->work;
    if (!l->hashing.matches || !l->active) {
        metric_add(METRIC_AUTH_LOGINS, LOGIN_FAILED, 1);
        return req_deny(r, ERR_BAD_LOGIN);
    }
    attempt_forgive(r, &l->attempt);
    return NEXT;
}

/* ---- mode: in lockdown only who may change it signs in ---- */

static enum verdict login_mode(struct req *r)
{
    const struct login *l = r->work;
    return issue_mode(r, &l->subject);
}

/* ---- open: the session ---- */

/* {"network":"192.0.2.0/24","country":"DE","agent":"Firefox"} */
static struct str notice_of(struct req *r, const struct login *l)
{
    char network[RISK_NETWORK_TEXT];
    struct text t = text_new(&r->arena, 128);
    risk_network_text(&r->address, network);
    text_char(&t, '{');
    json_key(&t, "network");
    json_put_text(&t, str_of(network));
    json_key(&t, "country");
    if (l->from.country[0])
        json_put_text(&t, (struct str){ l->from.country, sizeof(l->from.country) });
    else
        text_lit(&t, "null");
    json_key(&t, "agent");
    json_put_text(&t, str_of(risk_agent_name(risk_agent_kept(r->user_agent))));
    text_char(&t, '}');
    return t.failed ? STR_NONE : text_str(&t);
}

/* The device is remembered; of one that is new the user is to hear, where events are handed on. */
static bool add_device(struct req *r, const struct login *l)
{
    const struct subject *s = &l->subject;
    add_device_add(&r->change, &s->user, risk_device(&l->from), r->now);
    if (!l->new_device)
        return true;
    add_device_forget(&r->change, &s->user, DEVICES_MAX);
    if (config.redis_url[0] == '\0')
        return true;
    struct uuid id = uuid_new(r->now);
    struct str notice = notice_of(r, l);
    if (!notice.p)
        return false;
    add_outbox_add(&r->change, &id, r->now, STR("session.new_device"), &s->session, &s->user,
                   notice);
    return true;
}

static enum verdict login_open(struct req *r)
{
    struct login *l = r->work;
    struct subject *s = &l->subject;
    int64_t expires = r->now + SESSION_LIFE;
    struct str refresh = refresh_new(&r->arena), hash = refresh_hash(&r->arena, refresh);
    char *address = arena_alloc(&r->arena, INET6_ADDRSTRLEN);
    if (r->arena.failed)
        return req_deny(r, ERR_NO_MEMORY);
    network_format(&r->address, address);

    s->session = uuid_new(r->now);
    add_session_add(&r->change, &s->session, &s->user, str_of(address),
                    risk_agent_kept(r->user_agent), expires, r->now);
    add_refresh_add(&r->change, hash, &s->session, expires, r->now);
    add_signin_add(&r->change, &s->user, l->place, r->now);
    if (!add_device(r, l))
        return req_deny(r, ERR_NO_MEMORY);
    if (l->hashing.hash[0])
        add_user_rehash(&r->change, &s->user, l->hash, str_of(l->hashing.hash));
    r->audit_target = s->session;
    r->audit_subject = s->user;
    metric_add(METRIC_AUTH_LOGINS, LOGIN_OK, 1);
    return issue_reply(r, s, refresh);
}

const struct stage login_steps[] = {
    { "limit", login_limit, login_limited },
    { "find", login_find, login_found },
    { "stranger", login_stranger, login_limited },
    { "check", login_check, login_checked },
    { "mode", login_mode, issue_mode_known },
    { "keys", issue_keys, issue_keys_here },
    { "open", login_open, NULL },
    { 0 },
};
