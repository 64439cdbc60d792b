#include "gate/decide.h"

#include "base/clock.h"
#include "base/json.h"

/* By number, from 1. */
static const char *const names[GATES] = { "uuid",  "rbac",  "ownership", "context",   "inheritance",
                                          "media", "facts", "audit",     "emergency", "limit" };

const char *gate_name(int number)
{
    must(number >= 1 && number <= GATES);
    return names[number - 1];
}

/* ---- the question ---- */

/* The action of the resource's own table that does this to one row, or makes one. */
static const struct action *action_for(const struct resource *res, enum method method)
{
    for (int i = 0; i < res->nactions; i++) {
        const struct action *a = &res->actions[i];
        bool row = strcmp(strrchr(a->path, '/'), "/{id}") == 0;
        if (a->method == method && row == (method != POST))
            return a;
    }
    return NULL;
}

/* A verb of the API needs of the row what its action needs, a rung of the ladder (`write`) just itself; either counts
 * in the class of the action. */
static void as_declared(const struct action *a, bool of_api, enum access verb, struct question *out)
{
    bool same = a && a->permit == out->permit;
    out->access = same && of_api && a->access != ACCESS_NONE ? a->access : verb;
    out->rate = same ? a->rate : RATE_DEFAULT;
}

bool question_of(const struct resource *res, struct str name, struct question *out)
{
    static const struct {
        const char *name;
        enum method method;
        enum access access;
        bool of_api;
    } verbs[] = {
        { "read", GET, ACCESS_READ, true },        { "create", POST, ACCESS_CREATE, true },
        { "update", PATCH, ACCESS_WRITE, true },   { "write", PATCH, ACCESS_WRITE, false },
        { "delete", DELETE, ACCESS_DELETE, true }, { "share", PATCH, ACCESS_SHARE, false },
        { "admin", PATCH, ACCESS_ADMIN, false },
    };
    struct str verb = name, noun;
    bool whole = memchr(name.p, ':', name.n) != NULL;
    if (whole && (!str_cut(&verb, ':', &noun) || !permit_find(name)))
        return false;
    for (int i = 0; i < COUNT(verbs); i++) {
        const struct action *a = action_for(res, verbs[i].method);
        if (!str_eq(verb, str_of(verbs[i].name)) || (!a && !whole))
            continue;
        out->permit = whole ? permit_find(name) : a->permit;
        as_declared(a, verbs[i].of_api, verbs[i].access, out);
        out->changes = verbs[i].method != GET;
        return true;
    }
    if (!whole)
        return false;
    out->permit = permit_find(name); /* such as users:manage has no row's verb that is known */
    as_declared(NULL, false, ACCESS_READ, out);
    out->changes = false;
    return true;
}

/* ---- the gates, in the order of the pipeline: NEXT passes, DENY denies, DONE is not asked ---- */

static enum verdict from(struct decision *d, enum err err, const char *reason)
{
    d->inner->err = err;
    d->inner->reason = reason;
    return err == OK ? NEXT : DENY;
}

static enum verdict ask_emergency(struct req *r, struct decision *d)
{
    (void)r;
    return gate_emergency(d->inner);
}

/* Of the subject and of the row, if there is one. */
static enum verdict ask_uuid(struct req *r, struct decision *d)
{
    struct req *inner = d->inner;
    (void)r;
    inner->target_ids.n = d->question.res ? 2 : 1;
    inner->target_ids.text[0] = d->question.subject;
    inner->target_ids.text[1] = d->question.row;
    enum verdict v = gate_uuid(inner);
    d->subject.user = inner->target_ids.id;
    inner->target_ids.id = inner->target_ids.second; /* from here on the row is the target */
    inner->target_ids.n = d->question.res != NULL;
    return v;
}

static enum verdict subject_known(struct decision *d)
{
    if (d->subject.err != OK) {
        d->failed = d->subject.err;
        return DENY;
    }
    d->inner->who = &d->subject.who;
    if (!d->subject.found)
        return from(d, ERR_SESSION_ENDED, "there is no such user");
    return gate_context(d->inner);
}

static enum verdict ask_context(struct req *r, struct decision *d)
{
    struct uuid user = d->subject.user;
    return subject_begin(r, &d->subject, &user, d->question.explain) == WAIT ? WAIT
                                                                             : subject_known(d);
}

static enum verdict context_known(struct req *r, struct decision *d)
{
    return subject_again(r, &d->subject) == WAIT ? WAIT : subject_known(d);
}

static enum verdict ask_rbac(struct req *r, struct decision *d)
{
    (void)r;
    return d->subject.found ? gate_rbac(d->inner) : DONE;
}

/* The windows wake the made-up request, and that one wakes the other. */
static void looked(struct wait *w)
{
    struct req *inner = LIST_OF(w, struct req, wait);
    struct req *r = inner->work;
    wait_done(&r->wait);
}

static enum verdict limit_judged(struct decision *d, enum verdict v)
{
    if (v == DENY && d->inner->err != ERR_TOO_MANY)
        d->failed = d->inner->err;
    return v;
}

static enum verdict ask_limit(struct req *r, struct decision *d)
{
    if (!d->subject.found)
        return DONE;
    wait_init(&d->inner->wait, looked);
    d->inner->work = r;
    enum verdict v = gate_limit_look(d->inner);
    if (v == WAIT)
        wait_open(&r->wait);
    return limit_judged(d, v);
}

static enum verdict limit_known(struct req *r, struct decision *d)
{
    (void)r;
    return limit_judged(d, gate_limit_looked(d->inner));
}

static enum verdict facts_known(struct decision *d)
{
    d->failed = d->look.err;
    if (d->look.err != OK)
        return DENY;
    d->inner->facts = d->look.facts;
    return d->look.facts ? NEXT : from(d, ERR_NOT_FOUND, "no such row");
}

static enum verdict ask_facts(struct req *r, struct decision *d)
{
    const struct question *q = &d->question;
    if (!q->res)
        return DONE;
    enum verdict v = q->explain ? look_begin_afresh(r, &d->look, q->res, &d->inner->target_ids.id)
                                : look_begin(r, &d->look, q->res, &d->inner->target_ids.id);
    return v == WAIT ? WAIT : facts_known(d);
}

static enum verdict facts_looked(struct req *r, struct decision *d)
{
    return look_again(r, &d->look) == WAIT ? WAIT : facts_known(d);
}

static bool judgeable(const struct decision *d)
{
    return d->subject.found && d->inner->facts;
}

static enum verdict ask_ownership(struct req *r, struct decision *d)
{
    (void)r;
    if (!judgeable(d))
        return DONE;
    enum verdict v = gate_ownership(d->inner);
    d->path = v == NEXT ? d->inner->grant.path : NULL;
    return v;
}

static enum verdict ask_inheritance(struct req *r, struct decision *d)
{
    (void)r;
    return judgeable(d) ? gate_inheritance(d->inner) : DONE;
}

/* There is no URL to be judged. */
static enum verdict ask_media(struct req *r, struct decision *d)
{
    const struct req *inner = d->inner;
    const char *reason = NULL;
    if (!judgeable(d))
        return DONE;
    enum err err = judge_media(inner->who, inner->resource, inner->facts, r->now, &reason);
    return from(d, err, reason);
}

/* Nothing is changed by asking; a change would need its row. */
static enum verdict ask_audit(struct req *r, struct decision *d)
{
    if (!d->question.changes)
        return DONE;
    return store_broken(r->store) ? from(d, ERR_UNAVAILABLE, "its audit row could not be written")
                                  : NEXT;
}

static const struct step {
    int gate;
    enum verdict (*enter)(struct req *r, struct decision *d);
    enum verdict (*resume)(struct req *r, struct decision *d);
} steps[] = {
    { 9, ask_emergency, NULL },       { 1, ask_uuid, NULL },
    { 4, ask_context, context_known }, { 2, ask_rbac, NULL },
    { 10, ask_limit, limit_known },   { 7, ask_facts, facts_looked },
    { 3, ask_ownership, NULL },       { 5, ask_inheritance, NULL },
    { 6, ask_media, NULL },           { 8, ask_audit, NULL },
};

/* ---- the walk ---- */

static void note(struct decision *d, int gate, enum verdict v)
{
    struct gate_verdict *g = &d->gates[gate - 1];
    g->microseconds = clock_mono_now() - d->begun;
    g->verdict = v == NEXT ? GATE_PASSED : v == DENY ? GATE_DENIED : GATE_SKIPPED;
    g->reason = v == DENY ? d->inner->reason : NULL;
    if (v == DENY && !d->denied_by) {
        d->denied_by = gate;
        d->reason = d->inner->reason;
    }
}

/* Without ids there is nothing to judge; behind the first denial only who asks for an explanation goes on. */
static bool over(const struct decision *d)
{
    bool no_ids = d->gates[0].verdict == GATE_DENIED;
    return d->failed != OK || no_ids || (d->denied_by && !d->question.explain);
}

static enum verdict walk(struct req *r, struct decision *d, bool resumed)
{
    for (; d->step < COUNT(steps) && !over(d); d->step++, resumed = false) {
        const struct step *s = &steps[d->step];
        if (!resumed) {
            d->begun = clock_mono_now();
            d->inner->err = OK;
            d->inner->reason = NULL;
        }
        enum verdict v = resumed ? s->resume(r, d) : s->enter(r, d);
        if (v == WAIT)
            return WAIT;
        note(d, s->gate, v);
    }
    d->allowed = d->failed == OK && d->step == COUNT(steps) && !d->denied_by;
    return NEXT;
}

/* The request that the gates see: as the asking one came, by whom and to what it is asked about. */
static struct req *make_up(struct req *r, struct decision *d, struct req *inner)
{
    static const struct principal nobody = { 0 };
    d->action = (struct action){
        .method = d->question.changes ? PATCH : GET,
        .permit = d->question.permit,
        .access = d->question.access,
        .rate = d->question.rate,
        .audit = d->question.changes ? "decision.asked" : NULL,
    };
    memset(inner, 0, offsetof(struct req, headers));
    inner->action = &d->action;
    inner->resource = d->question.res;
    inner->who = (struct principal *)(uintptr_t)&nobody;
    inner->now = r->now;
    inner->windows = r->windows;
    inner->store = r->store;
    inner->address = r->address;
    return inner;
}

enum verdict decide_begin(struct req *r, struct decision *d, const struct question *q)
{
    struct req *inner = d->inner ? d->inner : ARENA_NEW(&r->arena, struct req);
    *d = (struct decision){ .id = uuid_new(r->now), .question = *q, .inner = inner };
    if (!inner) {
        d->failed = ERR_NO_MEMORY;
        return NEXT;
    }
    make_up(r, d, inner);
    return walk(r, d, false);
}

enum verdict decide_again(struct req *r, struct decision *d)
{
    return walk(r, d, true);
}

/* ---- the explanation ---- */

void decision_explain(struct text *out, const struct decision *d)
{
    static const char *const verdicts[] = { "skip", "pass", "deny" };
    /* Of what a later gate has hidden, the path would tell that it is there. */
    if (d->path && (d->allowed || d->question.explain)) {
        json_key(out, "path");
        json_put_text(out, str_of(d->path));
    }
    if (!d->question.explain)
        return;
    json_key(out, "gates");
    text_char(out, '[');
    for (int i = 0; i < GATES; i++) {
        const struct gate_verdict *g = &d->gates[i];
        if (i > 0)
            text_char(out, ',');
        text_char(out, '{');
        json_key(out, "gate");
        text_int(out, i + 1);
        json_key(out, "name");
        json_put_text(out, str_of(names[i]));
        json_key(out, "verdict");
        json_put_text(out, str_of(verdicts[g->verdict]));
        json_key(out, "reason");
        if (g->reason)
            json_put_text(out, str_of(g->reason));
        else
            text_lit(out, "null");
        json_key(out, "us");
        text_int(out, g->microseconds);
        text_char(out, '}');
    }
    text_char(out, ']');
}
