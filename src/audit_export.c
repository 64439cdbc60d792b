/* audit_export.c: `gatehouse audit export`: rows as lines for a SIEM, oldest first. ECS: Elastic Common Schema 8.11, a
 * JSON object a line. CEF: ArcSight Common Event Format, version 0 (implementation standard, revision 25).
 */
#include "audit_command.h"
#include "audit_read.h"

#include "base/clock.h"
#include "base/config.h"
#include "base/json.h"

#include <err.h>
#include <stdio.h>

/* One row, its payload opened. */
struct event {
    struct chain_row row;
    int64_t number; /* 0: not sealed yet */
    const struct json *payload; /* NULL: erased */
    struct str address, agent, email;
    bool ipv4, ipv6; /* what the address is, if it is one */
};

static struct str member(const struct json *object, const char *name)
{
    const struct json *value = json_get(object, name);
    return value && json_type(value) == JSON_TEXT ? json_text(value) : STR_NONE;
}

static void read_event(struct audit_reading *in, struct event *e)
{
    struct in6_addr address;
    *e = (struct event){ .number = rows_int(&in->rows, COL_AUDIT_ROW_NUMBER) };
    audit_read_row(&in->rows, &e->row);
    struct str plain =
        audit_read_payload(in, &e->row, rows_text(&in->rows, COL_AUDIT_ROW_SUBJECT_KEY));
    if (!plain.p || json_read(&in->arena, plain, &e->payload) != OK)
        e->payload = NULL;
    e->address = member(e->payload, "address");
    e->agent = member(e->payload, "user_agent");
    e->email = member(e->payload, "email");
    if (e->address.p && network_address(e->address, &address)) {
        e->ipv4 = IN6_IS_ADDR_V4MAPPED(&address);
        e->ipv6 = !e->ipv4;
    }
}

static bool failed(const struct event *e)
{
    return str_eq(e->row.outcome, STR("denied")) || str_eq(e->row.outcome, STR("sign_in_failed"));
}

/* What a SIEM groups by: about sessions, about who may what, or about the rest. */
static bool is_sign_in(const struct event *e)
{
    return str_eq(e->row.outcome, STR("signed_in")) ||
           str_eq(e->row.outcome, STR("sign_in_failed"));
}

static bool about_people(const struct event *e)
{
    return str_starts(e->row.action, STR("user.")) || str_starts(e->row.action, STR("role.")) ||
           str_starts(e->row.action, STR("team."));
}

/* ---- ECS ---- */

static void put(struct text *t, const char *name, struct str value)
{
    if (!value.p)
        return;
    json_key(t, name);
    json_put_text(t, value);
}

static void put_id(struct text *t, const char *name, const struct uuid *id)
{
    if (uuid_nil(id))
        return;
    json_key(t, name);
    json_put_uuid(t, id);
}

static void put_int(struct text *t, const char *name, int64_t value)
{
    json_key(t, name);
    text_int(t, value);
}

static void open_object(struct text *t, const char *name)
{
    json_key(t, name);
    text_char(t, '{');
}

/* Of event.type, what fits (ECS 8.11, event fields). */
static const char *ecs_type(const struct event *e)
{
    if (is_sign_in(e))
        return "start";
    if (failed(e))
        return "denied";
    return str_eq(e->row.outcome, STR("made")) ? "change" : "access";
}

static void put_ecs_event(struct text *t, const struct event *e)
{
    open_object(t, "event");
    put_id(t, "id", &e->row.id);
    put(t, "kind", STR("event"));
    json_key(t, "category");
    text_printf(t, "[\"%s\"]",
                is_sign_in(e)     ? "authentication"
                : about_people(e) ? "iam"
                                  : "database");
    json_key(t, "type");
    text_printf(t, "[\"%s\"]", ecs_type(e));
    put(t, "action", e->row.action);
    put(t, "outcome", failed(e) ? STR("failure") : STR("success"));
    put(t, "provider", STR("gatehouse"));
    if (e->number > 0)
        put_int(t, "sequence", e->number);
    put(t, "reason", member(json_get(e->payload, "detail"), "code"));
    text_char(t, '}');
}

static void put_ecs_own(struct text *t, const struct event *e)
{
    const struct json *detail = json_get(e->payload, "detail");
    open_object(t, "gatehouse");
    put(t, "outcome", e->row.outcome);
    put(t, "principal_kind", e->row.principal_kind);
    put_id(t, "session_id", &e->row.session_id);
    put_id(t, "target", &e->row.target);
    put_id(t, "decision", &e->row.decision);
    put(t, "risk", e->row.risk);
    put_id(t, "writer", &e->row.writer);
    put_int(t, "writer_sequence", e->row.sequence);
    json_key(t, "erased");
    json_put_bool(t, !e->payload);
    if (detail) {
        json_key(t, "detail");
        json_put(t, detail);
    }
    text_char(t, '}');
}

static void put_ecs(struct text *t, const struct event *e)
{
    text_char(t, '{');
    json_key(t, "@timestamp");
    json_put_time(t, e->row.at);
    text_lit(t, ",\"ecs\":{\"version\":\"8.11.0\"}");
    put_ecs_event(t, e);
    if (!uuid_nil(&e->row.principal_id) || e->email.p) {
        open_object(t, "user");
        put_id(t, "id", &e->row.principal_id);
        put(t, "email", e->email);
        text_char(t, '}');
    }
    if (e->address.p) {
        open_object(t, "source");
        put(t, "address", e->address);
        if (e->ipv4 || e->ipv6)
            put(t, "ip", e->address);
        text_char(t, '}');
    }
    if (e->agent.p) {
        open_object(t, "user_agent");
        put(t, "original", e->agent);
        text_char(t, '}');
    }
    open_object(t, "http");
    open_object(t, "request");
    put(t, "id", e->row.correlation);
    text_lit(t, "}}");
    put_ecs_own(t, e);
    text_lit(t, "}\n");
}

/* ---- CEF ---- */

/* In the header '\' and '|' are escaped, and there is no line end; in a value '\' and '=', and line ends are \n. */
static void put_escaped(struct text *t, struct str s, char special, bool header)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c == '\n' || c == '\r')
            text_add(t, header ? STR(" ") : c == '\n' ? STR("\\n") : STR("\\r"));
        else if (c == '\\' || c == special)
            text_printf(t, "\\%c", c);
        else
            text_char(t, c);
    }
}

static void put_value(struct text *t, const char *key, struct str value)
{
    if (!value.p)
        return;
    if (t->n > 0 && t->p[t->n - 1] != '|')
        text_char(t, ' ');
    text_add(t, str_of(key));
    text_char(t, '=');
    put_escaped(t, value, '=', false);
}

static void put_value_id(struct text *t, const char *key, const struct uuid *id)
{
    char text[UUID_TEXT];
    uuid_format(id, text);
    if (!uuid_nil(id))
        put_value(t, key, (struct str){ text, sizeof(text) });
}

/* A field of our own, with its label. */
static void put_labelled(struct text *t, const char *key, const char *label, struct str value)
{
    char name[16];
    snprintf(name, sizeof(name), "%sLabel", key);
    if (!value.p)
        return;
    put_value(t, name, str_of(label));
    put_value(t, key, value);
}

static void put_labelled_id(struct text *t, const char *key, const char *label,
                            const struct uuid *id)
{
    char text[UUID_TEXT];
    uuid_format(id, text);
    if (!uuid_nil(id))
        put_labelled(t, key, label, (struct str){ text, sizeof(text) });
}

static void put_cef(struct text *t, const struct event *e)
{
    const struct json *detail = json_get(e->payload, "detail");
    struct text rest = text_new(t->arena, 128);
    text_lit(t, "CEF:0|Gatehouse|gatehouse|" GATEHOUSE_VERSION "|");
    put_escaped(t, e->row.action, '|', true);
    text_char(t, '|');
    put_escaped(t, e->row.action, '|', true);
    text_char(t, ' ');
    put_escaped(t, e->row.outcome, '|', true);
    text_printf(t, "|%d|", failed(e) ? 6 : is_sign_in(e) ? 3 : 2);
    text_printf(t, "rt=%lld", (long long)(e->row.at / 1000));
    put_value_id(t, "externalId", &e->row.id);
    put_value(t, "act", e->row.action);
    put_value(t, "outcome", failed(e) ? STR("failure") : STR("success"));
    put_value(t, "reason", member(detail, "code"));
    put_value_id(t, "suid", &e->row.principal_id);
    put_value(t, "suser", e->email);
    if (e->ipv4)
        put_value(t, "src", e->address);
    if (e->ipv6)
        put_labelled(t, "c6a2", "Source IPv6 Address", e->address);
    put_value(t, "requestClientApplication", e->agent);
    put_labelled(t, "cs1", "correlation", e->row.correlation);
    put_labelled_id(t, "cs2", "target", &e->row.target);
    put_labelled_id(t, "cs3", "decision", &e->row.decision);
    put_labelled(t, "cs4", "risk", e->row.risk);
    put_labelled_id(t, "cs5", "session", &e->row.session_id);
    if (detail) {
        json_put(&rest, detail);
        put_labelled(t, "cs6", "detail", text_str(&rest));
    }
    if (e->number > 0)
        text_printf(t, " cn1Label=number cn1=%lld", (long long)e->number);
    text_char(t, '\n');
}

/* ---- the command ---- */

/* RFC 3339, or a date for its first moment in UTC. */
static bool read_since(const char *since, int64_t *at)
{
    char whole[40];
    *at = 0;
    if (!since)
        return true;
    if (clock_parse(str_of(since), at))
        return true;
    int n = snprintf(whole, sizeof(whole), "%sT00:00:00Z", since);
    return n > 0 && n < (int)sizeof(whole) && clock_parse(str_of(whole), at);
}

static int print_page(struct audit_reading *in, bool cef, int64_t *at, struct uuid *id)
{
    while (rows_next(&in->rows)) {
        struct event e;
        struct text line = text_new(&in->arena, 1024);
        read_event(in, &e);
        if (cef)
            put_cef(&line, &e);
        else
            put_ecs(&line, &e);
        if (line.failed || fwrite(line.p, 1, line.n, stdout) != line.n) {
            warnx("the lines cannot be written");
            return 1;
        }
        *at = e.row.at;
        *id = e.row.id;
    }
    return 0;
}

int audit_export(const char *format, const char *since)
{
    struct audit_reading in;
    struct uuid id = { { 0 } };
    int64_t at;
    int count, status = 0;
    bool cef = format && str_eq(str_of(format), STR("cef"));
    if (!cef && (!format || !str_eq(str_of(format), STR("ecs")))) {
        warnx("--format is ecs or cef");
        return 1;
    }
    if (!read_since(since, &at)) {
        warnx("--since is a time such as 2026-11-20T12:00:00Z, or a date");
        return 1;
    }
    if (!audit_read_open(&in))
        return 1;
    do {
        audit_read_next(&in);
        ask_audit_export_page(in.store, &in.arena, at, &id, AUDIT_PAGE, &in.rows, &in.wait);
        if (!audit_read_done(&in)) {
            status = 1;
            break;
        }
        count = in.rows.count;
        status = print_page(&in, cef, &at, &id);
    } while (status == 0 && count == AUDIT_PAGE);
    audit_read_close(&in);
    arena_trim();
    return fflush(stdout) == 0 ? status : 1;
}
