/* Decisions that others ask for: OpenID AuthZEN Authorization API 1.0. A subject is a user, a resource a row of this
 * house, an action one of `read create update delete share admin` or a permission. Whoever is signed in may ask about
 * himself; about others, for reasons and for explanations, `access:evaluate` is needed.
 */
#include "api/all.h"
#include "asking.h"
#include "base/config.h"
#include "base/json.h"
#include "http/reply.h"

#include <stdio.h>

#define EVALUATION "/access/v1/evaluation"
#define EVALUATIONS "/access/v1/evaluations"
#define SEARCH_SUBJECT "/access/v1/search/subject"
#define SEARCH_RESOURCE "/access/v1/search/resource"
#define SEARCH_ACTION "/access/v1/search/action"
#define METADATA "/.well-known/authzen-configuration"

static enum err read_semantic(struct req *r, enum semantic *out)
{
    static const char *const names[] = { "execute_all", "deny_on_first_deny",
                                         "permit_on_first_permit" };
    const struct json *v = json_get(asked_member(r, "options"), "evaluations_semantic");
    *out = EXECUTE_ALL;
    for (int i = 0; v && i < COUNT(names); i++) {
        if (json_type(v) == JSON_TEXT && str_eq(json_text(v), str_of(names[i]))) {
            *out = (enum semantic)i;
            return OK;
        }
    }
    return v ? asked_badly(r, "options.evaluations_semantic", "None that is known.") : OK;
}

static enum err read_items(struct req *r, struct asking *a)
{
    const struct json *list = asked_member(r, "evaluations");
    size_t n = list && json_type(list) == JSON_ARRAY ? json_count(list) : 0;
    if (list && (json_type(list) != JSON_ARRAY || n > EVALUATIONS_MAX))
        return asked_badly(r, "evaluations", "An array of at most 1000.");
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
            return asked_badly(r, "evaluations", "Each is an object.");
        TRY(read_item(r, w.value, &a->items[a->n++]));
    }
    return OK;
}

static enum verdict evaluate(struct req *r)
{
    struct asking *a = asking_new(r);
    if (!a)
        return req_deny(r, ERR_NO_MEMORY);
    a->whole = true;
    a->n = 1;
    a->items = ARENA_NEW(&r->arena, struct item);
    return a->items ? asking_begin(r, read_item(r, NULL, a->items), a) : req_deny(r, ERR_NO_MEMORY);
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
    return asking_begin(r, err, a);
}

/* Woken: by the facts and rows of a search, by a rest, or by what a decision waits for. */
static enum verdict evaluated(struct req *r)
{
    struct asking *a = r->work;
    bool rested = a->resting;
    a->resting = false;
    if (a->looking)
        return search_looked(r, a);
    return a->over && !a->found ? search_found(r, a) : asking_go_on(r, a, !rested);
}

/* ---- where it is found: section 9 of AuthZEN ---- */

static bool is_any(const char *host)
{
    struct in6_addr at;
    return network_address(str_of(host), &at) &&
           (IN6_IS_ADDR_UNSPECIFIED(&at) || (IN6_IS_ADDR_V4MAPPED(&at) && at.s6_addr32[3] == 0));
}

/* What this server calls itself: as the operator says, else as it listens, if that is one address. What the client
 * calls it (Host) counts for nothing: it would be told to others by whoever keeps the reply. */
static bool name_self(char *out, size_t size)
{
    if (config.public_url[0] != '\0') {
        snprintf(out, size, "%s", config.public_url);
        return true;
    }
    bool v6 = strchr(config.host, ':') != NULL;
    snprintf(out, size, v6 ? "http://[%s]:%d" : "http://%s:%d", config.host, (int)config.port);
    return config.port != 0 && !is_any(config.host);
}

static enum verdict metadata(struct req *r)
{
    static const struct {
        const char *member, *path;
    } found[] = {
        { "policy_decision_point", "" },
        { "access_evaluation_endpoint", EVALUATION },
        { "access_evaluations_endpoint", EVALUATIONS },
        { "search_subject_endpoint", SEARCH_SUBJECT },
        { "search_resource_endpoint", SEARCH_RESOURCE },
        { "search_action_endpoint", SEARCH_ACTION },
    };
    char self[320];
    if (!name_self(self, sizeof(self)))
        return req_deny_for(r, ERR_NOT_FOUND, "PUBLIC_URL is not set");
    struct text t = text_new(&r->arena, 1024);
    text_char(&t, '{');
    for (int i = 0; i < COUNT(found); i++) {
        json_key(&t, found[i].member);
        text_printf(&t, "\"%s%s\"", self, found[i].path);
    }
    text_char(&t, '}');
    if (t.failed)
        return req_deny(r, ERR_NO_MEMORY);
    reply_json(r, 200, text_str(&t));
    return NEXT;
}

/* ---- the table ---- */

static const struct field evaluation_input[] = {
    { "subject",  OBJECT, .required = true, .says = "{type: user, id}" },
    { "action",   OBJECT, .required = true, .says = "{name}: such as read, update or a permission" },
    { "resource", OBJECT, .required = true, .says = "{type: such as project, id}" },
    { "context",  OBJECT, .null = true, .says = "{explain: true} asks for what each gate says." },
};
static const struct field evaluations_input[] = {
    { "subject",     OBJECT, .null = true, .says = "Of each evaluation that names none." },
    { "action",      OBJECT, .null = true },
    { "resource",    OBJECT, .null = true },
    { "context",     OBJECT, .null = true },
    { "evaluations", ANY,    .null = true, .max = 1 << 20, .says = "Up to 1000, each with what differs." },
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

#define ASK \
    .permit = PERMIT_SIGNED_IN, .rate = RATE_DEFAULT, .plain = true, .tolerant = true, .then = evaluated
#define INPUT(fields) .input = (fields), .ninput = COUNT(fields)

static const struct action access_actions[] = {
    { POST, EVALUATION, ASK, INPUT(evaluation_input),
      .run  = evaluate,
      .says = "Ask for one decision; with explain, for what each of the ten gates says." },
    { POST, EVALUATIONS, ASK, INPUT(evaluations_input),
      .run  = evaluate_all,
      .says = "Ask for up to 1000 decisions." },
    { POST, SEARCH_SUBJECT, ASK, INPUT(search_subject_input),
      .run  = search_subject,
      .says = "Search for who may do this to that." },
    { POST, SEARCH_RESOURCE, ASK, INPUT(search_resource_input),
      .run  = search_resource,
      .says = "Search for what somebody may do this to." },
    { POST, SEARCH_ACTION, ASK, INPUT(search_action_input),
      .run  = search_action,
      .says = "Search for what somebody may do to that." },
    { GET, METADATA,
      .permit = PERMIT_ANYONE, .rate = RATE_DEFAULT, .any_mode = true, .plain = true,
      .run  = metadata,
      .says = "Where decisions are asked for, by the name that the operator has set (PUBLIC_URL)." },
};

const struct resource access_decisions = { .noun = "decision", .plural = "decisions",
                                           RESOURCE_ACTIONS(access_actions), .no_metadata = true };
