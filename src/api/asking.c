#include "asking.h"

#include "base/json.h"
#include "http/reply.h"
#include "route/input.h"

#define SLICE 8 /* decisions of one turn of the loop: so many take less than 100 us */

/* ---- reading what is asked ---- */

enum err asked_badly(struct req *r, const char *field, const char *message)
{
    req_fault(r, field, "format", message);
    return ERR_BAD_REQUEST;
}

bool asked_text(const struct json *object, const char *name, struct str *out)
{
    const struct json *v = json_get(object, name);
    if (!v || json_type(v) != JSON_TEXT)
        return false;
    *out = json_text(v);
    return true;
}

const struct json *asked_member(const struct req *r, const char *name)
{
    for (int i = 0; i < r->input->n; i++)
        if (strcmp(r->input->fields[i].name, name) == 0)
            return r->input->given[i] ? r->input->raw[i] : NULL;
    return NULL;
}

static const struct resource *typed(struct str type)
{
    for (const struct resource *const *res = resources(); *res; res++)
        if ((*res)->get && !(*res)->under &&
            (str_eq(type, str_of((*res)->noun)) || str_eq(type, str_of((*res)->plural))))
            return *res;
    return NULL;
}

bool may_evaluate(const struct req *r)
{
    return r->who->permits & PERMIT_BIT(PERMIT_ACCESS_EVALUATE);
}

/* About others asks only who may; a key is not its owner, as it may do less. */
static enum err about(const struct req *r, struct str subject)
{
    struct uuid id;
    if (may_evaluate(r))
        return OK;
    bool self = r->who->kind == PRINCIPAL_USER && uuid_parse(subject, &id) &&
                uuid_eq(&id, &r->who->user_id);
    return self ? OK : ERR_FORBIDDEN;
}

enum err read_subject(struct req *r, const struct json *v, struct item *item, bool id_needed)
{
    struct str type;
    if (!v || json_type(v) != JSON_OBJECT || !asked_text(v, "type", &type))
        return asked_badly(r, "subject", "An object with type and id.");
    if (!asked_text(v, "id", &item->question.subject) && id_needed)
        return asked_badly(r, "subject.id", "Must be given.");
    if (!str_eq(type, STR("user")))
        item->unknown = "no such type of subject";
    return id_needed ? about(r, item->question.subject) : OK;
}

enum err read_resource(struct req *r, const struct json *v, struct item *item, bool id_needed)
{
    struct str type;
    if (!v || json_type(v) != JSON_OBJECT || !asked_text(v, "type", &type))
        return asked_badly(r, "resource", "An object with type and id.");
    if (!asked_text(v, "id", &item->question.row) && id_needed)
        return asked_badly(r, "resource.id", "Must be given.");
    item->question.res = typed(type);
    if (!item->question.res)
        item->unknown = "no such type of resource";
    return OK;
}

enum err read_action(struct req *r, const struct json *v, struct item *item)
{
    struct str name;
    if (!v || json_type(v) != JSON_OBJECT || !asked_text(v, "name", &name))
        return asked_badly(r, "action", "An object with a name.");
    if (!item->unknown && !question_of(item->question.res, name, &item->question))
        item->unknown = "no such action";
    return OK;
}

static enum err read_context(struct req *r, const struct json *v, struct item *item)
{
    const struct json *explain = json_get(v, "explain");
    if (v && json_type(v) != JSON_OBJECT)
        return asked_badly(r, "context", "An object.");
    if (explain && json_type(explain) != JSON_BOOL)
        return asked_badly(r, "context.explain", "True or false.");
    item->question.explain = explain && json_bool(explain);
    return item->question.explain && !may_evaluate(r) ? ERR_FORBIDDEN : OK;
}

static const struct json *either(const struct json *own, const char *name, const struct json *whole)
{
    const struct json *v = own ? json_get(own, name) : NULL;
    return v ? v : whole;
}

enum err read_item(struct req *r, const struct json *own, struct item *item)
{
    *item = (struct item){ 0 };
    TRY(read_subject(r, either(own, "subject", asked_member(r, "subject")), item, true));
    TRY(read_resource(r, either(own, "resource", asked_member(r, "resource")), item, true));
    TRY(read_action(r, either(own, "action", asked_member(r, "action")), item));
    return read_context(r, either(own, "context", asked_member(r, "context")), item);
}

/* ---- what came of it ---- */

static void put_decision(struct req *r, struct asking *a, const struct item *item,
                         const struct decision *d)
{
    const char *reason = item->unknown ? item->unknown : d->reason;
    struct text *t = &a->out;
    if (!a->whole && a->shown++ > 0)
        text_char(t, ',');
    text_lit(t, "{\"decision\":");
    json_put_bool(t, d->allowed);
    json_key(t, "context");
    text_char(t, '{');
    json_key(t, "decision_id");
    json_put_uuid(t, &d->id);
    if (reason && may_evaluate(r)) {
        json_key(t, "reason");
        json_put_text(t, str_of(reason));
    }
    if (!item->unknown)
        decision_explain(t, d);
    text_lit(t, "}}");
}

static void put_found(struct asking *a, const struct item *item, const struct decision *d)
{
    struct text *t = &a->out;
    if (!d->allowed)
        return;
    if (a->shown++ > 0)
        text_char(t, ',');
    text_char(t, '{');
    if (a->type) {
        json_key(t, "type");
        json_put_text(t, str_of(a->type));
        json_key(t, "id");
    } else {
        json_key(t, "name");
    }
    json_put_text(t, item->name);
    text_char(t, '}');
}

enum verdict asking_reply(struct req *r, struct asking *a)
{
    struct text *t = &a->out;
    if (!a->whole)
        text_char(t, ']');
    if (a->search) {
        json_key(t, "page");
        text_char(t, '{');
        json_key(t, "next_token");
        json_put_text(t, a->next.p ? a->next : STR(""));
        text_char(t, '}');
    }
    if (!a->whole)
        text_char(t, '}');
    if (t->failed)
        return req_deny(r, ERR_NO_MEMORY);
    reply_json(r, 200, text_str(t));
    return NEXT;
}

/* ---- the walk over what is asked ---- */

static bool answered(struct asking *a, const struct item *item)
{
    struct decision *d = &a->decision;
    if (!item->unknown)
        return d->failed == OK;
    *d = (struct decision){ .id = d->id, .inner = d->inner };
    return true;
}

static bool ends_all(const struct asking *a)
{
    bool allowed = a->decision.allowed;
    return (a->semantic == DENY_ON_FIRST_DENY && !allowed) ||
           (a->semantic == PERMIT_ON_FIRST_PERMIT && allowed);
}

static void rest(struct job *job)
{
    (void)job;
}

/* Others have their turn: what a thread answers comes in a later one. */
static bool rests(struct req *r, struct asking *a)
{
    if (++a->judged < SLICE || a->at == a->n)
        return false;
    a->judged = 0;
    a->rest.run = rest;
    a->resting = offload_run(r->pool, &a->rest, &r->wait) == OK;
    return a->resting;
}

/* Takes the answer of the item in hand and goes to the next; true: all is said. */
static bool advance(struct req *r, struct asking *a)
{
    const struct item *item = &a->items[a->at];
    if (a->search)
        put_found(a, item, &a->decision);
    else
        put_decision(r, a, item, &a->decision);
    a->at++;
    return a->at == a->n || ends_all(a);
}

enum verdict asking_go_on(struct req *r, struct asking *a, bool resumed)
{
    while (a->at < a->n) {
        const struct item *item = &a->items[a->at];
        enum verdict v = NEXT;
        if (resumed)
            v = decide_again(r, &a->decision);
        else if (item->unknown)
            a->decision.id = uuid_new(r->now);
        else
            v = decide_begin(r, &a->decision, &item->question);
        resumed = false;
        if (v == WAIT)
            return WAIT;
        if (!answered(a, item))
            return req_deny_for(r, a->decision.failed, "no decision can be made");
        if (advance(r, a))
            break;
        if (rests(r, a))
            return WAIT;
    }
    return asking_reply(r, a);
}

struct asking *asking_new(struct req *r)
{
    struct asking *a = ARENA_NEW(&r->arena, struct asking);
    if (a)
        a->out = text_new(&r->arena, 1024);
    r->work = a;
    return a;
}

enum verdict asking_begin(struct req *r, enum err err, struct asking *a)
{
    if (err == ERR_FORBIDDEN)
        return req_deny_for(r, err, permit_name(PERMIT_ACCESS_EVALUATE));
    return err == OK ? asking_go_on(r, a, false) : req_deny(r, err);
}
