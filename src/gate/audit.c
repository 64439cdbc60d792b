/* gate/audit.c: gate 8: every change carries its own audit row, in its own transaction: if one cannot be written,
 * neither is. The row says who did what to which row, when and from where; of the content only the names of the
 * fields. Where events are handed on, the change carries its event too. Denials are noted for later, see below.
 */
#include "gate/audit.h"

#include "base/clock.h"
#include "base/config.h"
#include "base/json.h"
#include "gate/audit_queue.h"
#include "gate/keyring.h"
#include "gen/stmt.h"
#include "http/trace.h"
#include "route/input.h"

#include <stdio.h>

/* Of who is nobody's session or key, or was refused before gate context, there is nothing to say. */
static const char *risk_said(const struct req *r)
{
    return r->rated ? risk_name((enum risk)r->risk) : "unrated";
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

/* At most so many bytes of it, cut between two characters; nothing when it is not UTF-8. */
static struct str cut(struct str s, size_t most)
{
    if (!s.p || !str_utf8(s))
        return STR("");
    if (s.n > most) {
        s.n = most;
        while (((unsigned char)s.p[s.n] & 0xc0) == 0x80)
            s.n--;
    }
    return s;
}

/* What is personal in the row. */
static struct str payload_of(struct req *r, struct str detail)
{
    char address[INET6_ADDRSTRLEN];
    struct trace trace;
    struct text t = text_new(&r->arena, 320 + detail.n);
    network_format(&r->address, address);
    text_char(&t, '{');
    json_key(&t, "address");
    json_put_text(&t, r->local ? STR("local") : str_of(address));
    if (r->user_agent.p) {
        json_key(&t, "user_agent");
        json_put_text(&t, cut(r->user_agent, AUDIT_AGENT_MAX));
    }
    if (trace_of(r, &trace)) {
        json_key(&t, "trace_id");
        json_put_text(&t, trace.id);
    }
    json_key(&t, "detail");
    text_add(&t, detail);
    text_char(&t, '}');
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

/* Whose data the row holds: somebody who signs in is not known as the principal yet. */
static const struct uuid *person_of(const struct req *r)
{
    return uuid_nil(&r->audit_subject) ? &r->who->user_id : &r->audit_subject;
}

static bool add_row(struct req *r, int slot, struct str noun, const struct uuid *target,
                    struct str detail, const char *outcome)
{
    const struct audit_row row = {
        .id = uuid_new(r->now),
        .at = r->now,
        .kind = r->who->kind,
        .principal_id = *person_of(r),
        .session_id = r->who->session_id,
        .target = *target,
        .decision = r->decision,
        .person = *person_of(r),
        .action = noun,
        .correlation = r->id,
        .outcome = outcome,
        .risk = risk_said(r),
        .payload = detail.p ? payload_of(r, detail) : STR_NONE,
    };
    return row.payload.p && audit_add(&r->change, &r->arena, keyring_chain(r->keyring), &row,
                                      &r->audited[slot]) == OK;
}

static bool add_change(struct req *r)
{
    struct str noun = str_of(r->audit_noun ? r->audit_noun : r->action->audit);
    struct str detail = r->audit_detail.p ? r->audit_detail : detail_of(r);
    const struct uuid *target = uuid_nil(&r->audit_target) ? &r->target_ids.id : &r->audit_target;
    bool read = r->change.n == 0;
    if (!read)
        add_event(r, noun, target, detail);
    return add_row(r, 0, noun, target, detail,
                   read                          ? "read"
                   : uuid_nil(&r->audit_subject) ? "made"
                                                 : "signed_in");
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
    return !t.failed &&
           add_row(r, 1, STR("break_glass.use"), &r->who->break_glass, text_str(&t), "used");
}

enum verdict gate_audit(struct req *r)
{
    bool used = break_glass_used(r);
    r->only_used = r->change.n == 0 && !r->audit_noun;
    if (r->only_used && !used)
        return NEXT;
    if (!r->only_used && !r->action->audit && !r->audit_noun)
        return req_deny_for(r, ERR_INTERNAL, "a change without an audit noun");
    if (!r->only_used && !add_change(r))
        return req_deny(r, ERR_NO_MEMORY);
    if (used && !add_use(r))
        return req_deny(r, ERR_NO_MEMORY);
    return r->arena.failed ? req_deny(r, ERR_NO_MEMORY) : NEXT;
}

/* What became of the rows that the request composed. */
void audit_settle_all(struct req *r, enum err err)
{
    for (int i = 0; i < COUNT(r->audited); i++)
        audit_settle(&r->audited[i], err);
}

/* ---- denials ---- */

static bool failed_sign_in(const struct req *r)
{
    return r->err == ERR_BAD_LOGIN || r->err == ERR_TOO_MANY_LOGINS;
}

static bool worth_recording(const struct req *r)
{
    if (!r->action || !r->who)
        return false;
    if (failed_sign_in(r) || r->err == ERR_EMERGENCY)
        return true;
    int status = err_info(r->err)->status;
    bool known = r->who->kind != PRINCIPAL_ANONYMOUS;
    if (status == 401) /* of credentials that were given */
        return r->err != ERR_NO_TOKEN;
    return known && (status == 403 || status == 404 || status == 429);
}

static uint8_t note_text(char *out, size_t size, struct str s)
{
    s = cut(s, size);
    memcpy(out, s.p, s.n);
    return (uint8_t)s.n;
}

/* "startup.delete"; of what changes nothing "startup.read" or "startup.list". */
static void note_action(struct audit_note *note, const struct req *r)
{
    const struct action *a = r->action;
    int n = a->audit ? snprintf(note->action, sizeof(note->action), "%s", a->audit)
                     : snprintf(note->action, sizeof(note->action), "%s.%s", r->resource->noun,
                                a->list ? "list" : "read");
    note->action_n = (uint8_t)(n < (int)sizeof(note->action) ? n : (int)sizeof(note->action) - 1);
}

/* The address that somebody tried to sign in with. */
static struct str email_of(const struct req *r)
{
    for (int i = 0; r->input && i < r->input->n; i++)
        if (strcmp(r->input->fields[i].name, "email") == 0 && r->input->given[i])
            return r->input->at[i].text;
    return STR("");
}

void audit_denied(struct req *r)
{
    if (!worth_recording(r))
        return;
    bool sign_in = failed_sign_in(r);
    struct audit_note note = {
        .id = uuid_new(r->now),
        .principal_id = r->who->user_id,
        .session_id = r->who->session_id,
        .person = *person_of(r),
        .target = r->target_ids.id,
        .decision = r->decision,
        .at = r->now,
        .times = 1,
        .kind = r->who->kind,
        .err = r->err,
        .local = r->local,
        .address = r->address,
        .outcome = sign_in ? "sign_in_failed" : "denied",
        .risk = risk_said(r),
        .gate = r->inner && r->inner->name ? r->inner->name : r->at->name,
        .reason = r->reason,
    };
    struct trace trace;
    if (trace_of(r, &trace))
        note.trace_n = note_text(note.trace, sizeof(note.trace), trace.id);
    note_action(&note, r);
    note.correlation_n = note_text(note.correlation, sizeof(note.correlation), r->id);
    note.agent_n = note_text(note.agent, sizeof(note.agent), r->user_agent);
    if (sign_in)
        note.email_n = note_text(note.email, sizeof(note.email), email_of(r));
    audit_queue_put(sign_in ? AUDIT_SIGN_INS : AUDIT_DENIALS, &note);
}
