/* The mode of the system, entered and left by hand: what gate emergency obeys. It is a row, changed with its audit row;
 * this node obeys when the reply says so, the others when they hear that its epoch has moved (jobs/modes.c).
 */
#include "api/all.h"

#include "base/json.h"
#include "gate/emergency.h"
#include "gate/facts.h"
#include "gen/stmt.h"
#include "http/reply.h"
#include "route/input.h"

/* What is told besides the modes; as in the row. */
struct setting {
    struct str reason;
    struct uuid by;
    int64_t at; /* 0: never set */
};

static void put_setting(struct text *t, const struct setting *s)
{
    json_key(t, "reason");
    if (s->reason.n > 0)
        json_put_text(t, s->reason);
    else
        text_lit(t, "null");
    json_key(t, "set_by");
    if (uuid_nil(&s->by))
        text_lit(t, "null");
    else
        json_put_uuid(t, &s->by);
    json_key(t, "set_at");
    if (s->at)
        json_put_time(t, s->at);
    else
        text_lit(t, "null");
}

/* setting NULL: it cannot be read now, and only what this node obeys is told. */
static enum verdict reply_mode(struct req *r, const struct setting *setting)
{
    struct text t = text_new(&r->arena, 512);
    text_lit(&t, "{\"mode\":");
    json_put_text(&t, str_of(mode_name(mode_now())));
    json_key(&t, "by_hand");
    if (mode_known())
        json_put_text(&t, str_of(mode_name(mode_by_hand())));
    else
        text_lit(&t, "null");
    json_key(&t, "by_breakers");
    json_put_text(&t, str_of(mode_name(mode_by_breakers())));
    if (setting)
        put_setting(&t, setting);
    text_char(&t, '}');
    if (t.failed)
        return req_deny(r, ERR_NO_MEMORY);
    reply_json(r, 200, text_str(&t));
    return NEXT;
}

/* ---- reading it ---- */

static enum verdict show(struct req *r)
{
    ask_mode_get(r->store, &r->arena, &r->rows, &r->wait);
    return WAIT;
}

static enum verdict shown(struct req *r)
{
    struct rows *rows = &r->rows;
    if (mode_take(rows) != OK)
        return reply_mode(r, NULL);
    const struct setting setting = {
        .reason = rows_text(rows, COL_MODE_GET_REASON),
        .by = rows_uuid(rows, COL_MODE_GET_SET_BY),
        .at = rows_int(rows, COL_MODE_GET_SET_AT),
    };
    return reply_mode(r, &setting);
}

/* ---- setting it ---- */

/* The audit row tells the reason: the mode's own row keeps only the last. */
static struct str detail_of(struct req *r, struct str wanted, struct str reason)
{
    struct text t = text_new(&r->arena, 128 + reason.n);
    text_lit(&t, "{\"mode\":");
    json_put_text(&t, wanted);
    json_key(&t, "was");
    json_put_text(&t, str_of(mode_name(mode_by_hand())));
    json_key(&t, "reason");
    if (reason.n > 0)
        json_put_text(&t, reason);
    else
        text_lit(&t, "null");
    text_char(&t, '}');
    return t.failed ? STR_NONE : text_str(&t);
}

static enum verdict change(struct req *r)
{
    struct str wanted = input_text(r, "mode"), reason = input_text(r, "reason");
    bool normal = str_eq(wanted, str_of(mode_name(MODE_NORMAL)));
    if (!normal && str_trim(reason).n == 0) {
        req_fault(r, "reason", "required", "Must be given for any mode but normal.");
        return req_deny(r, ERR_INVALID);
    }
    r->audit_detail = detail_of(r, wanted, reason);
    if (!r->audit_detail.p)
        return req_deny(r, ERR_NO_MEMORY);
    add_mode_set(&r->change, wanted, reason, uuid_nil(&r->who->user_id) ? NULL : &r->who->user_id,
                 r->now);
    return NEXT;
}

static enum verdict changed(struct req *r)
{
    enum mode is;
    must(mode_find(input_text(r, "mode"), &is) && rows_next(&r->rows));
    mode_learn(is, rows_int(&r->rows, COL_MODE_SET_VERSION));
    const struct setting setting = { input_text(r, "reason"), r->who->user_id, r->now };
    return reply_mode(r, &setting);
}

/* ---- the table ---- */

static const struct field fields[] = {
    { "mode",   ONEOF, .oneof = "normal|degraded|read_only|lockdown", .required = true,
      .says = "What is still allowed." },
    { "reason", TEXT,  .min = 1, .max = 500, .null = true,
      .says = "Why; needed for any mode but normal, and kept in the audit." },
};

static const struct action actions[] = {
    { GET, "/api/v1/mode", .permit = PERMIT_SYSTEM_CONFIG, .rate = RATE_DEFAULT, .any_mode = true,
      .plain = true, .run = show, .then = shown,
      .says = "The mode of this node: the stricter of the one set by hand and that of open breakers." },
    { PUT, "/api/v1/mode", .permit = PERMIT_SYSTEM_CONFIG, .rate = RATE_ADMIN, .any_mode = true,
      .plain = true, .run = change, .made = changed, .audit = "mode.set",
      .says = "Enters or leaves a restricted mode; every worker of every node obeys at once." },
};

const struct resource mode = { "mode", "mode", RESOURCE_FIELDS(fields), RESOURCE_ACTIONS(actions),
                               .no_metadata = true };
