/* Requests to other services, decided for the proxy in front of them: nginx (auth_request), Traefik (ForwardAuth),
 * Envoy (ext_authz over HTTP). The proxy says what was asked for and hands the credentials on; identity and context are
 * judged as for any request, then by the rule that fits: mode, permission, limit. 200 with who it is, or why not. Only
 * a proxy that is believed is listened to, and only in one way at a time: what a client adds must not speak for it.
 */
#include "api/all.h"
#include "gate/facts.h"
#include "gate/upstream.h"
#include "http/reply.h"

#include <stddef.h>

#define PREFIX "/forward-auth"

/* The state of one request, in its arena. */
struct passage {
    struct target target;
    struct rule_look look;
    struct action action; /* made up from the rule: what the gates look at */
    struct req inner;     /* likewise, by who asks */
};

/* ---- what was asked for ---- */

/* A header that may stand once; false when it stands more often. p NULL: not at all. */
static bool single(const struct req *r, const char *name, struct str *out)
{
    *out = STR_NONE;
    for (int i = 0; i < r->nheaders; i++) {
        if (!str_ieq(r->headers[i].name, str_of(name)))
            continue;
        if (out->p)
            return false;
        *out = str_trim(r->headers[i].value);
    }
    return true;
}

/* NULL, or why it cannot be told. */
static const char *read_asked(struct req *r, struct target *out)
{
    struct str original, forwarded, method, host = r->host;
    struct str uri = { r->path.p + sizeof(PREFIX) - 1, r->path.n - (sizeof(PREFIX) - 1) };
    bool once = single(r, "x-original-uri", &original) && single(r, "x-forwarded-uri", &forwarded);
    if (uri.n > 0) { /* Envoy: the request itself, behind the prefix */
        method = r->head ? STR("HEAD") : method_name(r->method);
    } else if (!once || (original.p && forwarded.p)) {
        return "two accounts of what was asked for";
    } else if (original.p) { /* nginx */
        uri = original;
        if (!single(r, "x-original-method", &method))
            return "two accounts of the method";
    } else { /* Traefik */
        uri = forwarded;
        if (!single(r, "x-forwarded-method", &method) || !single(r, "x-forwarded-host", &host))
            return "two accounts of the method or host";
    }
    if (!uri.p || !method.p || !host.p)
        return "the proxy does not say what was asked for";
    return target_read(&r->arena, host, method, uri, out) ? NULL : "no plain host, path and method";
}

static enum verdict read_target(struct req *r)
{
    struct passage *p = ARENA_NEW(&r->arena, struct passage);
    r->work = p;
    if (!p)
        return req_deny(r, ERR_NO_MEMORY);
    if (!req_proxied(r))
        return req_deny_for(r, ERR_FORBIDDEN, "not a proxy that is believed");
    const char *reason = read_asked(r, &p->target);
    if (r->arena.failed)
        return req_deny(r, ERR_NO_MEMORY);
    return reason ? req_deny_for(r, ERR_FORBIDDEN, reason) : NEXT;
}

/* ---- the rule ---- */

static bool changes(struct str method)
{
    return !str_eq(method, STR("GET")) && !str_eq(method, STR("OPTIONS")) &&
           !str_eq(method, STR("TRACE"));
}

/* The wait of the request that the gates see wakes the one that was made. */
static void woke(struct wait *w)
{
    struct req *inner = LIST_OF(w, struct req, wait);
    struct req *r = inner->work;
    wait_done(&r->wait);
}

static enum verdict rule_known(struct req *r)
{
    struct passage *p = r->work;
    const struct rule *rule = &p->look.rule;
    if (p->look.err != OK)
        return req_deny_for(r, p->look.err, "the rules cannot be read");
    if (!p->look.found)
        return req_deny_for(r, ERR_FORBIDDEN, "no rule names it");
    p->action = (struct action){ .method = GET, .permit = rule->permit, .rate = rule->rate };
    if (changes(p->target.method))
        p->action.audit = "upstream.change"; /* never written: it tells gate emergency */
    struct req *in = &p->inner;
    in->action = &p->action;
    in->resource = r->resource;
    in->who = r->who;
    in->now = r->now;
    in->local = r->local;
    in->store = r->store;
    in->cache = r->cache;
    in->windows = r->windows;
    in->address = r->address;
    in->work = r;
    wait_init(&in->wait, woke);
    return NEXT;
}

static enum verdict find_rule(struct req *r)
{
    struct passage *p = r->work;
    return rule_begin(r, &p->look, &p->target) == WAIT ? WAIT : rule_known(r);
}

static enum verdict rule_found(struct req *r)
{
    struct passage *p = r->work;
    return rule_again(r, &p->look) == WAIT ? WAIT : rule_known(r);
}

/* ---- the gates that the rule speaks to ---- */

static enum verdict said(struct req *r, enum verdict v)
{
    const struct req *in = &((struct passage *)r->work)->inner;
    if (v == WAIT)
        wait_open(&r->wait);
    if (in->spent.limit > 0)
        r->spent = in->spent;
    return v == DENY ? req_deny_for(r, in->err, in->reason) : v;
}

static struct req *inner_of(struct req *r)
{
    return &((struct passage *)r->work)->inner;
}

static enum verdict judge_emergency(struct req *r)
{
    return said(r, gate_emergency(inner_of(r)));
}

static enum verdict judge_rbac(struct req *r)
{
    return said(r, gate_rbac(inner_of(r)));
}

static enum verdict judge_limit(struct req *r)
{
    return said(r, gate_limit(inner_of(r)));
}

static enum verdict limit_spent(struct req *r)
{
    return said(r, gate_limit_spent(inner_of(r)));
}

/* ---- the answer ---- */

static struct str id_text(struct req *r, const struct uuid *id)
{
    if (uuid_nil(id))
        return STR("");
    char *text = arena_alloc(&r->arena, UUID_TEXT);
    if (text)
        uuid_format(id, text);
    return (struct str){ text, text ? UUID_TEXT : 0 };
}

/* Each of them every time, if need be empty: what a client sent under such a name is always replaced. */
static enum verdict pass(struct req *r)
{
    static const char *const kinds[] = { "anonymous", "user", "api_key", "operator" };
    const struct principal *who = r->who;
    reply_header(r, "X-Auth-User", id_text(r, &who->user_id));
    reply_header(r, "X-Auth-Role", str_of(who->role));
    reply_header(r, "X-Auth-Kind", str_of(kinds[who->kind]));
    reply_header(r, "X-Auth-Session", id_text(r, &who->session_id));
    reply_header(r, "X-Decision-Id", id_text(r, &r->decision));
    reply_empty(r, 200);
    return r->arena.failed ? req_deny(r, ERR_NO_MEMORY) : NEXT;
}

/* ---- the table ---- */

static const struct stage steps[] = {
    { "target", read_target, NULL },
    { "rule", find_rule, rule_found },
    { "emergency", judge_emergency, NULL },
    { "rbac", judge_rbac, NULL },
    { "limit", judge_limit, limit_spent },
    { "pass", pass, NULL },
    { 0 },
};

#define FORWARDED .permit = PERMIT_ANYONE, .rate = RATE_NONE, .plain = true, .unread = true, .steps = steps

static const struct action forward_actions[] = {
    { ANY_METHOD, PREFIX, FORWARDED,
      .says = "Any method: whether a request may pass, as nginx (X-Original-URI, X-Original-Method) or Traefik "
              "(X-Forwarded-Uri, -Method, -Host) tell of it." },
    { ANY_METHOD, PREFIX "/*", FORWARDED,
      .says = "Any method, any path: whether this request may pass, as Envoy sends it on behind the prefix." },
};

const struct resource forwarding = { .noun = "forward_auth", .plural = "forward-auth",
                                     RESOURCE_ACTIONS(forward_actions), .no_metadata = true };
