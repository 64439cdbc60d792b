/* gate/audit.c: gate 8: every change carries its own audit row, in its own transaction: if one cannot be written,
 * neither is. The row says who did what to which row, when and from where; of the content only the names of the
 * fields. Where events are handed on, the change carries its event too.
 */
#include "gate/facts.h"

#include "base/config.h"
#include "base/json.h"
#include "gen/stmt.h"
#include "route/input.h"

static const char *kind_name(enum principal_kind kind)
{
    static const char *const names[] = { "anonymous", "user", "api_key", "operator" };
    return names[kind];
}

/* {"fields":["name","status"]}: which fields the request named. */
static struct str detail_of(struct req *r)
{
    struct text t = text_new(&r->arena, 128);
    bool first = true;
    text_lit(&t, "{\"fields\":[");
    for (int i = 0; r->input && i < r->input->n; i++) {
        if (!r->input->given[i])
            continue;
        if (!first)
            text_char(&t, ',');
        json_put_text(&t, str_of(r->input->fields[i].name));
        first = false;
    }
    text_lit(&t, "]}");
    return t.failed ? STR_NONE : text_str(&t);
}

static const struct uuid *or_null(const struct uuid *id)
{
    return uuid_nil(id) ? NULL : id;
}

/* One event for each change; jobs/outbox.c hands them on. */
static void add_event(struct req *r, struct str noun, const struct uuid *target, struct str detail)
{
    struct uuid id = uuid_new(r->now);
    if (config.redis_url[0] != '\0')
        add_outbox_add(&r->change, &id, r->now, noun, or_null(target), or_null(&r->who->user_id),
                       detail);
}

static bool add_row(struct req *r, struct str noun, const struct uuid *target, struct str detail)
{
    char *address = arena_alloc(&r->arena, INET6_ADDRSTRLEN);
    struct uuid id = uuid_new(r->now);
    if (!address || !detail.p)
        return false;
    network_format(&r->address, address);
    add_audit_add(&r->change, &id, r->now, str_of(kind_name(r->who->kind)),
                  or_null(&r->who->user_id), or_null(&r->who->session_id), noun, or_null(target),
                  r->id, r->local ? STR("local") : str_of(address), detail);
    return true;
}

static bool add_change(struct req *r)
{
    struct str noun = str_of(r->audit_noun ? r->audit_noun : r->action->audit);
    struct str detail = r->audit_detail.p ? r->audit_detail : detail_of(r);
    const struct uuid *target = uuid_nil(&r->audit_target) ? &r->target_ids.id : &r->audit_target;
    if (!detail.p)
        return false;
    add_event(r, noun, target, detail);
    return add_row(r, noun, target, detail);
}

/* Whatever is done under break-glass is written down once more, and a read too: it is answered when that is committed.
 */
static bool add_use(struct req *r)
{
    struct text t = text_new(&r->arena, 128);
    text_lit(&t, "{\"method\":");
    json_put_text(&t, r->head ? STR("HEAD") : method_name(r->method));
    json_key(&t, "path");
    json_put_text(&t, r->path);
    text_char(&t, '}');
    return !t.failed && add_row(r, STR("break_glass.use"), &r->who->break_glass, text_str(&t));
}

enum verdict gate_audit(struct req *r)
{
    bool used = break_glass_used(r);
    r->only_used = r->change.n == 0 && !r->audit_noun;
    if (r->only_used && !used)
        return NEXT;
    if (!r->only_used && !r->action->audit)
        return req_deny_for(r, ERR_INTERNAL, "a change without an audit noun");
    if (!r->only_used && !add_change(r))
        return req_deny(r, ERR_NO_MEMORY);
    if (used && !add_use(r))
        return req_deny(r, ERR_NO_MEMORY);
    return r->arena.failed ? req_deny(r, ERR_NO_MEMORY) : NEXT;
}
