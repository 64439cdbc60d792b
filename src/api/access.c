/* Decisions that others ask for: OpenID AuthZEN Authorization API 1.0. A subject is a user, a resource a row of this
 * house, an action one of `read create update delete share admin` or a permission. Whoever is signed in may ask about
 * himself; about others, for reasons and for explanations, `access:evaluate` is needed.
 */
#include "api/all.h"
#include "api/crud.h"
#include "base/json.h"
#include "gate/decide.h"
#include "http/reply.h"
#include "net/offload.h"

#define EVALUATIONS_MAX 1000
#define SEARCH_MAX 100
#define SLICE 8 /* decisions of one turn of the loop: so many take less than 100 us */

/* One thing asked; unknown: no such subject, action or resource can be, so the answer is no. */
struct item {
    struct question question;
    const char *unknown;
    struct str name; /* in the results of a search */
};

enum semantic { EXECUTE_ALL, DENY_ON_FIRST_DENY, PERMIT_ON_FIRST_PERMIT };

/* The state of one request, in its arena. */
struct asking {
    struct item *items;
    int n, at;
    int judged; /* since the loop had its turn */
    bool resting;
    bool search; /* only what is allowed is shown, as names */
    bool whole;  /* one evaluation, not a list */
    enum semantic semantic;
    const char *type; /* of the results of a search */
    struct decision decision;
    struct job rest;
    int shown;
    struct text out;

    /* of a search over rows */
    const struct resource *over;
    bool of_subjects; /* the rows are who is asked about, not what */
    bool found;       /* the rows are here */
    struct page page;
    struct str next;
};

/* ---- reading what is asked ---- */

static enum err bad(struct req *r, const char *field, const char *message)
{
    req_fault(r, field, "format", message);
    return ERR_BAD_REQUEST;
}

static bool member(const struct json *object, const char *name, struct str *out)
{
    const struct json *v = json_get(object, name);
    if (!v || json_type(v) != JSON_TEXT)
        return false;
    *out = json_text(v);
    return true;
}

static const struct json *given(const struct req *r, const char *name)
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

static bool may_evaluate(const struct req *r)
{
    return r->who->permits & PERMIT_BIT(PERMIT_ACCESS_EVALUATE);
}

/* About others asks only who may. */
static enum err about(const struct req *r, struct str subject)
{
    struct uuid id;
    if (may_evaluate(r))
        return OK;
    bool self = uuid_parse(subject, &id) && uuid_eq(&id, &r->who->user_id);
    return self ? OK : ERR_FORBIDDEN;
}

static enum err read_subject(struct req *r, const struct json *v, struct item *item, bool id_needed)
{
    struct str type;
    if (!v || json_type(v) != JSON_OBJECT || !member(v, "type", &type))
        return bad(r, "subject", "An object with type and id.");
    if (!member(v, "id", &item->question.subject) && id_needed)
        return bad(r, "subject.id", "Must be given.");
    if (!str_eq(type, STR("user")))
        item->unknown = "no such type of subject";
    return id_needed ? about(r, item->question.subject) : OK;
}

static enum err read_resource(struct req *r, const struct json *v, struct item *item,
                              bool id_needed)
{
    struct str type;
    if (!v || json_type(v) != JSON_OBJECT || !member(v, "type", &type))
        return bad(r, "resource", "An object with type and id.");
    if (!member(v, "id", &item->question.row) && id_needed)
        return bad(r, "resource.id", "Must be given.");
    item->question.res = typed(type);
    if (!item->question.res)
        item->unknown = "no such type of resource";
    return OK;
}

/* Behind the resource, whose table says what its actions need. */
static enum err read_action(struct req *r, const struct json *v, struct item *item)
{
    struct str name;
    if (!v || json_type(v) != JSON_OBJECT || !member(v, "name", &name))
        return bad(r, "action", "An object with a name.");
    if (!item->unknown && !question_of(item->question.res, name, &item->question))
        item->unknown = "no such action";
    return OK;
}

static enum err read_context(struct req *r, const struct json *v, struct item *item)
{
    const struct json *explain = json_get(v, "explain");
    if (v && json_type(v) != JSON_OBJECT)
        return bad(r, "context", "An object.");
    if (explain && json_type(explain) != JSON_BOOL)
        return bad(r, "context.explain", "True or false.");
    item->question.explain = explain && json_bool(explain);
    return item->question.explain && !may_evaluate(r) ? ERR_FORBIDDEN : OK;
}

static const struct json *either(const struct json *own, const char *name, const struct json *whole)
{
    const struct json *v = own ? json_get(own, name) : NULL;
    return v ? v : whole;
}

/* own: one of several evaluations, which says what differs from the request's members; NULL: the request itself. */
static enum err read_item(struct req *r, const struct json *own, struct item *item)
{
    *item = (struct item){ 0 };
    TRY(read_subject(r, either(own, "subject", given(r, "subject")), item, true));
    TRY(read_resource(r, either(own, "resource", given(r, "resource")), item, true));
    TRY(read_action(r, either(own, "action", given(r, "action")), item));
    return read_context(r, either(own, "context", given(r, "context")), item);
}

static enum err read_semantic(struct req *r, enum semantic *out)
{
    static const char *const names[] = { "execute_all", "deny_on_first_deny",
                                         "permit_on_first_permit" };
    const struct json *v = json_get(given(r, "options"), "evaluations_semantic");
    *out = EXECUTE_ALL;
    for (int i = 0; v && i < COUNT(names); i++) {
        if (json_type(v) == JSON_TEXT && str_eq(json_text(v), str_of(names[i]))) {
            *out = (enum semantic)i;
            return OK;
        }
    }
    return v ? bad(r, "options.evaluations_semantic", "None that is known.") : OK;
}

static enum err read_items(struct req *r, struct asking *a)
{
    const struct json *list = given(r, "evaluations");
    size_t n = list && json_type(list) == JSON_ARRAY ? json_count(list) : 0;
    if (list && (json_type(list) != JSON_ARRAY || n > EVALUATIONS_MAX))
        return bad(r, "evaluations", "An array of at most 1000.");
    a->whole = n == 0;
    a->items = ARENA_ARRAY(&r->arena, struct item, n + 1);
    if (!a->items)
        return ERR_NO_MEMORY;
    if (a->whole) {
        a->n = 1;
        return read_item(r, NULL, &a->items[0]);
    }
    struct json_walk w = json_walk(list);
    while (json_next(&w)) {
        if (json_type(w.value) != JSON_OBJECT)
            return bad(r, "evaluations", "Each is an object.");
        TRY(read_item(r, w.value, &a->items[a->n++]));
    }
    return OK;
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

static enum verdict reply_all(struct req *r, struct asking *a)
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

static enum verdict go_on(struct req *r, struct asking *a, bool resumed)
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
    return reply_all(r, a);
}

static struct asking *asking_new(struct req *r)
{
    struct asking *a = ARENA_NEW(&r->arena, struct asking);
    if (a)
        a->out = text_new(&r->arena, 1024);
    r->work = a;
    return a;
}

static enum verdict begin(struct req *r, enum err err, struct asking *a)
{
    if (err == ERR_FORBIDDEN)
        return req_deny_for(r, err, permit_name(PERMIT_ACCESS_EVALUATE));
    return err == OK ? go_on(r, a, false) : req_deny(r, err);
}

static enum verdict evaluate(struct req *r)
{
    struct asking *a = asking_new(r);
    if (!a)
        return req_deny(r, ERR_NO_MEMORY);
    a->whole = true;
    a->n = 1;
    a->items = ARENA_NEW(&r->arena, struct item);
    return a->items ? begin(r, read_item(r, NULL, a->items), a) : req_deny(r, ERR_NO_MEMORY);
}

static enum verdict evaluate_all(struct req *r)
{
    struct asking *a = asking_new(r);
    if (!a)
        return req_deny(r, ERR_NO_MEMORY);
    enum err err = read_items(r, a);
    if (err == OK)
        err = read_semantic(r, &a->semantic);
    if (err == OK && !a->whole)
        text_lit(&a->out, "{\"evaluations\":[");
    return begin(r, err, a);
}

static enum verdict rows_known(struct req *r, struct asking *a);

/* Woken: by the rows of a search, by a rest, or by what a decision waits for. */
static enum verdict evaluated(struct req *r)
{
    struct asking *a = r->work;
    bool rested = a->resting;
    a->resting = false;
    return a->over && !a->found ? rows_known(r, a) : go_on(r, a, !rested);
}

/* ---- searches: candidates, of which those are shown that are allowed ---- */

static void search_begin(struct asking *a, const char *type)
{
    a->search = true;
    a->type = type;
    text_lit(&a->out, "{\"results\":[");
}

static enum verdict search_action(struct req *r)
{
    static const char *const verbs[] = { "read", "create", "update", "delete", "share", "admin" };
    struct asking *a = asking_new(r);
    struct item asked = { 0 };
    if (!a || !(a->items = ARENA_ARRAY(&r->arena, struct item, COUNT(verbs))))
        return req_deny(r, ERR_NO_MEMORY);
    search_begin(a, NULL);
    enum err err = read_subject(r, given(r, "subject"), &asked, true);
    if (err == OK)
        err = read_resource(r, given(r, "resource"), &asked, true);
    for (int i = 0; err == OK && !asked.unknown && i < COUNT(verbs); i++) {
        struct item *item = &a->items[a->n];
        *item = asked;
        item->name = str_of(verbs[i]);
        a->n += question_of(asked.question.res, item->name, &item->question);
    }
    return begin(r, err, a);
}

static enum err read_page(struct req *r, struct asking *a)
{
    const struct json *page = given(r, "page"), *limit = json_get(page, "limit");
    struct str token;
    page_first(&a->page, a->over);
    a->page.limit = SEARCH_MAX;
    if (limit &&
        (json_type(limit) != JSON_INT || json_int(limit) < 1 || json_int(limit) > SEARCH_MAX))
        return bad(r, "page.limit", "1 to 100.");
    if (limit)
        a->page.limit = json_int(limit);
    if (member(page, "token", &token) && token.n > 0 &&
        !page_token_read(&r->arena, a->over, token, &a->page))
        return ERR_BAD_CURSOR;
    return OK;
}

/* The rows of the list that the viewer sees: each is then asked about. */
static enum verdict ask_rows(struct req *r, struct asking *a, const struct item *asked,
                             const struct uuid *viewer)
{
    a->items = ARENA_NEW(&r->arena, struct item);
    if (!a->items)
        return req_deny(r, ERR_NO_MEMORY);
    a->items[0] = *asked; /* what is asked of each */
    enum err err = read_page(r, a);
    if (err != OK)
        return req_deny(r, err);
    const struct value *params = crud_page(r, a->over, &a->page, viewer);
    if (!params)
        return req_deny(r, ERR_NO_MEMORY);
    store_ask(r->store, page_stmt(a->over, &a->page), params, &r->rows, &r->wait);
    return WAIT;
}

static struct str id_text(struct req *r, const struct uuid *id)
{
    char *text = arena_alloc(&r->arena, UUID_TEXT);
    if (text)
        uuid_format(id, text);
    return (struct str){ text, text ? UUID_TEXT : 0 };
}

static enum verdict rows_known(struct req *r, struct asking *a)
{
    const struct item asked = a->items[0];
    int id = resource_column(a->over, "id");
    a->found = true;
    if (r->rows.err != OK)
        return req_deny(r, r->rows.err);
    a->items = ARENA_ARRAY(&r->arena, struct item, SEARCH_MAX);
    if (!a->items)
        return req_deny(r, ERR_NO_MEMORY);
    while (a->n < a->page.limit && rows_next(&r->rows)) {
        struct uuid row = rows_uuid(&r->rows, id);
        struct item *item = &a->items[a->n++];
        *item = asked;
        item->name = id_text(r, &row);
        *(a->of_subjects ? &item->question.subject : &item->question.row) = item->name;
    }
    if (r->rows.count > a->page.limit) {
        struct text next = text_new(&r->arena, 128);
        page_token_write(&next, a->over, &a->page, resource_row(&r->arena, a->over, &r->rows));
        a->next = text_str(&next);
    }
    rows_fini(&r->rows);
    return r->arena.failed ? req_deny(r, ERR_NO_MEMORY) : go_on(r, a, false);
}

/* Nothing is there to be searched. */
static enum verdict reply_none(struct req *r, struct asking *a)
{
    a->n = 0;
    return reply_all(r, a);
}

static enum verdict search_resource(struct req *r)
{
    struct asking *a = asking_new(r);
    struct item asked = { 0 };
    struct uuid viewer;
    if (!a)
        return req_deny(r, ERR_NO_MEMORY);
    enum err err = read_subject(r, given(r, "subject"), &asked, true);
    if (err == OK)
        err = read_resource(r, given(r, "resource"), &asked, false);
    if (err == OK)
        err = read_action(r, given(r, "action"), &asked);
    if (err != OK)
        return begin(r, err, a);
    a->over = asked.question.res;
    search_begin(a, a->over ? a->over->noun : "");
    if (asked.unknown || !a->over->list || !uuid_parse(asked.question.subject, &viewer))
        return reply_none(r, a);
    return ask_rows(r, a, &asked, &viewer);
}

static enum verdict search_subject(struct req *r)
{
    struct asking *a = asking_new(r);
    struct item asked = { 0 };
    if (!a)
        return req_deny(r, ERR_NO_MEMORY);
    enum err err = may_evaluate(r) ? OK : ERR_FORBIDDEN;
    if (err == OK)
        err = read_subject(r, given(r, "subject"), &asked, false);
    if (err == OK)
        err = read_resource(r, given(r, "resource"), &asked, true);
    if (err == OK)
        err = read_action(r, given(r, "action"), &asked);
    if (err != OK)
        return begin(r, err, a);
    search_begin(a, "user");
    a->over = &users;
    a->of_subjects = true;
    return asked.unknown ? reply_none(r, a) : ask_rows(r, a, &asked, &r->who->user_id);
}

/* ---- the table ---- */

static const struct field evaluation_input[] = {
    { "subject",  OBJECT, .required = true, .says = "{type: user, id}" },
    { "action",   OBJECT, .required = true, .says = "{name: read, create, update, delete, share, admin or a permission}" },
    { "resource", OBJECT, .required = true, .says = "{type: such as project, id}" },
    { "context",  OBJECT, .null = true, .says = "{explain: true} asks for what each gate says." },
};
static const struct field evaluations_input[] = {
    { "subject",     OBJECT, .null = true, .says = "Of each evaluation that names none." },
    { "action",      OBJECT, .null = true },
    { "resource",    OBJECT, .null = true },
    { "context",     OBJECT, .null = true },
    { "evaluations", ANY,    .null = true, .max = 1 << 20, .says = "1 to 1000 of {subject, action, resource, context}." },
    { "options",     OBJECT, .null = true, .says = "{evaluations_semantic}" },
};
static const struct field search_subject_input[] = {
    { "subject",  OBJECT, .required = true, .says = "{type: user}" },
    { "action",   OBJECT, .required = true },
    { "resource", OBJECT, .required = true },
    { "context",  OBJECT, .null = true },
    { "page",     OBJECT, .null = true, .says = "{token, limit}" },
};
static const struct field search_resource_input[] = {
    { "subject",  OBJECT, .required = true },
    { "action",   OBJECT, .required = true },
    { "resource", OBJECT, .required = true, .says = "{type}" },
    { "context",  OBJECT, .null = true },
    { "page",     OBJECT, .null = true, .says = "{token, limit}" },
};
static const struct field search_action_input[] = {
    { "subject",  OBJECT, .required = true },
    { "resource", OBJECT, .required = true },
    { "context",  OBJECT, .null = true },
    { "page",     OBJECT, .null = true },
};

#define ASK .permit = PERMIT_SIGNED_IN, .rate = RATE_DEFAULT, .plain = true, .then = evaluated
#define INPUT(fields) .input = (fields), .ninput = COUNT(fields)

static const struct action access_actions[] = {
    { POST, "/access/v1/evaluation", ASK, INPUT(evaluation_input),
      .run  = evaluate,
      .says = "Ask for one decision; with explain, for what each of the ten gates says." },
    { POST, "/access/v1/evaluations", ASK, INPUT(evaluations_input),
      .run  = evaluate_all,
      .says = "Ask for up to 1000 decisions." },
    { POST, "/access/v1/search/subject", ASK, INPUT(search_subject_input),
      .run  = search_subject,
      .says = "Search for who may do this to that." },
    { POST, "/access/v1/search/resource", ASK, INPUT(search_resource_input),
      .run  = search_resource,
      .says = "Search for what somebody may do this to." },
    { POST, "/access/v1/search/action", ASK, INPUT(search_action_input),
      .run  = search_action,
      .says = "Search for what somebody may do to that." },
};

const struct resource access_decisions = { .noun = "decision", .plural = "decisions",
                                           RESOURCE_ACTIONS(access_actions), .no_metadata = true };
