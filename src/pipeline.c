/* The path of a request. It enters at the top of `stages` and leaves at the bottom; each row may end it.
 *
 * A row's `enter` says DENY, WAIT, NEXT or DONE. Zero denies, so that whatever is forgotten is a denial. A row that
 * waits has a second function, which goes on when the answer is there. No row can skip the gates: DONE is only said
 * by rows that have composed a reply which needs no handler, and the handler is reached by passing every row above
 * it.
 */
#include "pipeline.h"

#include "base/clock.h"
#include "base/config.h"
#include "base/epoch.h"
#include "base/log.h"
#include "base/metric.h"
#include "gate/anomaly.h"
#include "gate/audit.h"
#include "gate/facts.h"
#include "http/compress.h"
#include "http/cors.h"
#include "http/flow.h"
#include "http/reply.h"
#include "http/stream.h"
#include "http/trace.h"
#include "route/input.h"
#include "route/match.h"

static stage_fn route, body, fresh, handle, handle_goes_on, commit, committed, reply;

static const struct stage stages[] = {
    { "flood",       gate_flood,       NULL                    }, /* gate 10, the address */
    { "route",       route,            NULL                    }, /* path and method become an action */
    { "signature",   gate_signature,   NULL                    }, /* gate 6: the URL itself */
    { "identity",    gate_identity,    gate_identity_known     }, /* who asks */
    { "emergency",   gate_emergency,   NULL                    }, /* gate 9 */
    { "uuid",        gate_uuid,        NULL                    }, /* gate 1 */
    { "context",     gate_context,     NULL                    }, /* gate 4 */
    { "rbac",        gate_rbac,        NULL                    }, /* gate 2 */
    { "limit",       gate_limit,       gate_limit_spent        }, /* gate 10, the principal */
    { "facts",       gate_facts,       gate_facts_known        }, /* gate 7: the row in the path */
    { "ownership",   gate_ownership,   NULL                    }, /* gate 3 */
    { "inheritance", gate_inheritance, NULL                    }, /* gate 5 */
    { "media",       gate_media,       NULL                    }, /* gate 6 */
    { "body",        body,             flow_body_here          }, /* until here nothing of it was kept */
    { "fresh",       fresh,            NULL                    }, /* the facts may have moved while it came */
    { "input",       input_read,       NULL                    }, /* the body against the declared fields */
    { "references",  gate_references,  gate_references_known   }, /* the gates on every row that the body names */
    { "idempotency", gate_idempotency, gate_idempotency_known  }, /* done before: answered as then */
    { "handle",      handle,           handle_goes_on          }, /* composes a reply, and perhaps a change */
    { "audit",       gate_audit,       NULL                    }, /* gate 8: the change's own audit row */
    { "commit",      commit,           committed               }, /* both, as one transaction */
    { "compress",    compress_reply,   compress_done           }, /* DONE leads here */
    { "reply",       reply,            NULL                    },
    { 0 },
};

static const struct stage *row(stage_fn *enter)
{
    const struct stage *s = stages;
    while (s->enter != enter)
        s++;
    return s;
}

int pipeline_stages(void)
{
    return (int)(sizeof(stages) / sizeof(stages[0])) - 1;
}

const char *pipeline_stage(int index)
{
    return stages[index].name;
}

/* ---- the rows that are the pipeline's own ---- */

static enum verdict route(struct req *r)
{
    if (r->path.n == 1 && r->path.p[0] == '*') { /* OPTIONS about the server as a whole */
        reply_empty(r, 204);
        return DONE;
    }
    return route_match(r);
}

/* What an action streams is read by its handler. */
static enum verdict body(struct req *r)
{
    return r->action->stream ? stream_accept(r) : flow_body(r);
}

/* A body may take its time. If what the gates saw has moved meanwhile, or may have, as nothing is heard of other nodes,
 * they see it again: once, for what they see then was true after all of the request had come. */
static enum verdict fresh(struct req *r)
{
    if (r->fresh || (epochs_fresh(&r->carried[0]) && epochs_fresh(&r->carried[1])))
        return NEXT;
    r->fresh = true;
    return AGAIN;
}

/* What the gates saw is forgotten: on from identity. */
static void again(struct req *r)
{
    r->inner = NULL;
    r->who = NULL;
    r->facts = NULL;
    r->look = NULL;
    r->input = NULL;
    r->looked = 0;
    r->referred = NULL;
    r->carried[0] = r->carried[1] = (struct epochs){ 0 };
    rows_fini(&r->rows);
    rows_fini(&r->found);
    rows_fini(&r->ahead);
    if (r->kept.blocks)
        arena_reset(&r->arena);
    r->at = row(gate_identity);
}

static enum verdict walk(struct req *r, const struct stage **at, bool resumed);

/* On through the handler's own table, which is left behind at its end. */
static enum verdict walk_inner(struct req *r, bool resumed)
{
    enum verdict v = walk(r, &r->inner, resumed);
    if (v == NEXT)
        r->inner = NULL;
    return v;
}

/* The handler: one function or two, or a stage table of its own. */
static enum verdict handle(struct req *r)
{
    change_init(&r->change, &r->arena);
    if (!r->action->steps)
        return r->action->run(r);
    r->inner = r->action->steps;
    return walk_inner(r, false);
}

static enum verdict handle_goes_on(struct req *r)
{
    if (r->inner)
        return walk_inner(r, true);
    return r->action->then ? r->action->then(r) : DENY;
}

static enum verdict commit(struct req *r)
{
    if (r->change.n == 0)
        return NEXT;
    idempotency_keep(r);
    if (r->arena.failed)
        return req_deny(r, ERR_NO_MEMORY);
    rows_fini(&r->rows);
    store_commit(r->store, &r->change, &r->rows, &r->wait);
    return WAIT;
}

/* Rows made and unmade, by resource. */
static void count_change(const struct req *r)
{
    unsigned cell = 0;
    for (const struct resource *const *res = resources(); *res != r->resource; res++)
        cell++;
    if (r->reply.status == 201)
        metric_add(METRIC_BUSINESS_CREATED, cell, 1);
    else if (r->method == DELETE)
        metric_add(METRIC_BUSINESS_DELETED, cell, 1);
}

static enum verdict committed(struct req *r)
{
    enum err err = r->rows.err;
    audit_settle_all(r, err);
    /* Without an If-Match the caller made no condition: the row moved between our look and our change. */
    if (err == ERR_STALE && !r->if_match.p)
        err = ERR_CONFLICT;
    if (err != OK)
        return req_deny(r, err);
    if (r->only_used)
        return NEXT;
    count_change(r);
    return r->action->made ? r->action->made(r) : NEXT;
}

/* What spoke against a request that was not quite like its session. */
static void log_risk(const struct req *r)
{
    static const struct {
        unsigned bit;
        const char *member;
    } reasons[] = {
        { RISK_BY_NETWORK, "other_network" },
        { RISK_BY_AGENT, "other_agent" },
        { RISK_BY_COUNTRY, "other_country" },
        { RISK_BY_BEHAVIOUR, "behaviour" },
    };
    log_text("risk", str_of(risk_name((enum risk)r->risk)));
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
        if (r->risk_reasons & reasons[i].bit)
            log_int(reasons[i].member, 1);
}

static void log_trace(const struct req *r)
{
    struct trace trace;
    if (!trace_of(r, &trace))
        return;
    log_text("trace_id", trace.id);
    log_text("parent_span", trace.parent);
}

/* One line per request, whatever became of it. */
static void log_request(struct req *r)
{
    int64_t now = clock_mono_now();
    unsigned cell = r->action ? (unsigned)action_index(r->action) + 1 : 0;
    int class = r->reply.status / 100 - 1;
    metric_add(METRIC_HTTP_REQUESTS, cell * 5 + (unsigned)class, 1);
    metric_observe(METRIC_HTTP_DURATION, cell, now - r->started);
    anomaly_observe(r);
    if (!log_wants(LOG_INFO))
        return;

    log_begin(r->err ? err_info(r->err)->level : LOG_INFO, "request");
    log_text("method", r->head ? STR("HEAD") : method_name(r->method));
    log_text("path", r->path);
    log_int("status", r->reply.status);
    log_int("us", now - r->started);
    log_text("correlation_id", r->id);
    log_uuid("decision_id", &r->decision);
    log_trace(r);
    if (r->who && !uuid_nil(&r->who->user_id))
        log_uuid("principal", &r->who->user_id);
    if (r->grant.path)
        log_text("path_granted", str_of(r->grant.path));
    if (r->country[0])
        log_text("country", (struct str){ r->country, sizeof(r->country) });
    if (r->risk != RISK_GREEN)
        log_risk(r);
    if (r->err) {
        log_text("gate", str_of(r->inner && r->inner->name ? r->inner->name : r->at->name));
        log_text("code", str_of(err_info(r->err)->code));
        if (r->reason)
            log_text("reason", str_of(r->reason));
    }
    log_end();
}

static enum verdict reply(struct req *r)
{
    must(r->reply.status != 0);
    if (!stream_begun(r))
        cors_reply(r);
    log_request(r);
    return NEXT;
}

/* ---- the driver ---- */

static enum verdict call(struct req *r, const struct stage *s, stage_fn *fn)
{
    if (!fn)
        return DENY;
    if (!r->timed || r->inner)
        return fn(r);
    int64_t begin = clock_mono_now();
    enum verdict v = fn(r);
    metric_add(METRIC_GATE_MICROSECONDS, (unsigned)(s - stages),
               (uint64_t)(clock_mono_now() - begin) * 64);
    return v;
}

/* Walks a table from *at until a row does not say NEXT; NEXT when the table has ended. */
static enum verdict walk(struct req *r, const struct stage **at, bool resumed)
{
    for (; (*at)->name; (*at)++, resumed = false) {
        const struct stage *s = *at;
        enum verdict v = call(r, s, resumed ? s->resume : s->enter);
        if (v != NEXT)
            return v;
    }
    return NEXT;
}

/* On through the pipeline; the rows that were passed are counted in one go. */
static enum verdict walk_on(struct req *r, bool resumed)
{
    const struct stage *from = r->at;
    enum verdict v = walk(r, &r->at, resumed);
    metric_add_each(METRIC_GATE_PASSED, (unsigned)(from - stages), (unsigned)(r->at - stages), 1);
    return v;
}

/* What a denial looks like from outside; where it came from stays in the log. */
static void deny(struct req *r)
{
    if (r->err == OK)
        req_deny_for(r, ERR_INTERNAL, "a stage denied without saying why");
    metric_add(METRIC_GATE_DENIED, (unsigned)(r->at - stages), 1);
    metric_add(METRIC_ERRORS, (unsigned)r->err, 1);
    audit_settle_all(r, r->err); /* a row that was composed and never sent */
    audit_denied(r);
    if (!stream_begun(r)) {
        if (r->at >= row(handle))
            r->reply.headers = (struct text){ 0 }; /* of the reply that will not be sent */
        reply_problem(r, r->err);
        cors_reply(r);
    }
    log_request(r);
    flow_end(r);
}

/* Where DONE leads: to the reply; under break-glass by way of the audit, which has to know of this one too. */
static const struct stage *behind(struct req *r)
{
    if (r->at >= row(gate_audit) || !break_glass_used(r))
        return row(compress_reply);
    change_init(&r->change, &r->arena);
    r->audit_noun = NULL;
    r->request_hash = STR_NONE; /* kept already, if at all */
    return row(gate_audit);
}

/* A stream has its line in the log also when it ends halfway. */
static void log_left(struct req *r)
{
    r->err = ERR_BAD_REQUEST;
    r->reason = "the client left";
    if (!stream_begun(r))
        r->reply.status = err_info(r->err)->status;
    log_request(r);
}

static void run(struct req *r, bool resumed)
{
    for (;;) {
        switch (walk_on(r, resumed)) {
        case NEXT:
            flow_end(r);
            return;
        case WAIT:
            must(r->wait.open);
            return;
        case DONE:
            r->at = behind(r);
            r->inner = NULL;
            resumed = false;
            break;
        case AGAIN:
            again(r);
            resumed = false;
            break;
        default:
            deny(r);
            return;
        }
    }
}

size_t pipeline_body_max(const struct req *r)
{
    if (r->action->unread)
        return 0;
    if (r->action->stream)
        return (size_t)config.media_max_megabytes << 20;
    return r->action->body_max ? r->action->body_max : BODY_MAX;
}

void pipeline_start(struct req *r)
{
    r->at = stages;
    run(r, false);
}

void pipeline_left(struct req *r)
{
    audit_settle_all(r, r->rows.err);
    if (stream_begun(r) || (r->action && r->action->stream))
        log_left(r);
}

void pipeline_resume(struct req *r)
{
    run(r, true);
}
