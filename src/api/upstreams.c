/* Rules for requests to other services: what a proxy that asks (api/forward.c) is answered by. The most specific rule
 * decides; what none names is denied. In force at once, RULES_MAX of them at most.
 */
#include "api/all.h"
#include "api/crud.h"
#include "base/json.h"
#include "gate/facts.h"
#include "gate/upstream.h"
#include "gen/stmt.h"
#include "route/input.h"

static bool methods_fit(struct req *r, struct str text)
{
    const struct json *list;
    if (json_read(&r->arena, text, &list) != OK || json_type(list) != JSON_ARRAY)
        return false;
    struct json_walk w = json_walk(list);
    while (json_next(&w))
        if (json_type(w.value) != JSON_TEXT || !rule_method(json_text(w.value)))
            return false;
    return true;
}

static void check(struct req *r, bool fine, const char *field, const char *message)
{
    if (!fine)
        req_fault(r, field, "format", message);
}

static enum verdict upstream_adjust(struct req *r, struct value *row)
{
    check(r, rule_host(row[COL_UPSTREAM_HOST].text), "host",
          "'*', or a host in lower case without port.");
    check(r, rule_path(row[COL_UPSTREAM_PATH].text), "path",
          "A path in its plain spelling; may end in '/' or '*'.");
    check(r, methods_fit(r, row[COL_UPSTREAM_METHODS].text), "methods",
          "Methods in upper case; GET is HEAD too.");
    check(r, rule_permit(row[COL_UPSTREAM_PERMISSION].text) != PERMIT_NONE, "permission",
          "A permission, signed-in or anyone.");
    check(r, rule_rate(row[COL_UPSTREAM_RATE_CLASS].text) != RATE_COUNT, "rate_class",
          "There is no such rate class.");
    if (r->arena.failed)
        return req_deny(r, ERR_NO_MEMORY);
    return r->nfaults > 0 ? req_deny(r, ERR_INVALID) : NEXT;
}

/* ---- no more in force than a worker holds ---- */

/* Of a change only what wakes a paused rule puts one more in force. */
static bool puts_in_force(const struct req *r)
{
    struct str active = STR("active");
    bool was = r->facts && str_eq(rows_text(&r->facts->row, COL_UPSTREAM_STATUS), active);
    bool is = input_given(r, "status") ? str_eq(input_text(r, "status"), active) : !r->facts;
    return is && !was;
}

static enum verdict lock(struct req *r)
{
    if (puts_in_force(r))
        add_upstream_lock(&r->change);
    return NEXT;
}

static enum verdict fits(struct req *r)
{
    if (puts_in_force(r))
        add_upstream_fits(&r->change, &r->row[COL_UPSTREAM_ID].uuid, RULES_MAX);
    return NEXT;
}

static const struct stage create_steps[] = {
    { "lock", lock, NULL },
    { "create", crud_create, NULL },
    { "fits", fits, NULL },
    { 0 },
};
static const struct stage update_steps[] = {
    { "lock", lock, NULL },
    { "update", crud_update, NULL },
    { "fits", fits, NULL },
    { 0 },
};

/* ---- the table ---- */

static const struct field upstream_fields[] = {
    { "host",       TEXT,  .min = 1, .max = 253, .standard = "\"*\"", .filter = true,
      .says = "As the client names it, in lower case without port; * for any." },
    { "path",       TEXT,  .min = 1, .max = 1000, .required = true,
      .says = "Exact; ending in '/' all below it; ending in '*' all that begins so." },
    { "methods",    TEXTS, .standard = "[]", .max = 20, .says = "Which methods; none for any. GET is HEAD too." },
    { "permission", TEXT,  .min = 1, .max = 40, .required = true,
      .says = "What it needs: a permission, signed-in or anyone." },
    { "rate_class", TEXT,  .min = 1, .max = 40, .standard = "\"default\"", .says = "The windows that it counts in." },
    { "priority",   INT,   .min = -1000, .max = 1000, .standard = "0",
      .says = "Of rules that fit equally well the highest decides." },
    { "status",     ONEOF, .oneof = "active|paused", .standard = "\"active\"", .filter = true,
      .says = "A paused rule is none." },
};

static const struct action upstream_actions[] = {
    { GET, "/api/v1/upstreams",
      .permit = PERMIT_SYSTEM_CONFIG, .rate = RATE_DEFAULT, .list = true, .plain = true,
      .run    = crud_list,            .then = crud_listed,
      .says   = "List the rules for requests to other services." },
    { POST, "/api/v1/upstreams",
      .permit = PERMIT_SYSTEM_CONFIG, .rate = RATE_DEFAULT,
      .steps  = create_steps,         .audit = "upstream.create", .status = 201,
      .says   = "Make a rule; in force at once. At most 1000 are." },
    { GET, "/api/v1/upstreams/{id}",
      .permit = PERMIT_SYSTEM_CONFIG, .access = ACCESS_READ, .rate = RATE_DEFAULT, .plain = true,
      .run    = crud_get,
      .says   = "Read one rule." },
    { PATCH, "/api/v1/upstreams/{id}",
      .permit = PERMIT_SYSTEM_CONFIG, .access = ACCESS_WRITE, .rate = RATE_DEFAULT,
      .steps  = update_steps,         .audit = "upstream.update",
      .says   = "Change a rule." },
    { DELETE, "/api/v1/upstreams/{id}",
      .permit = PERMIT_SYSTEM_CONFIG, .access = ACCESS_DELETE, .rate = RATE_DEFAULT,
      .run    = crud_delete,          .audit = "upstream.delete", .status = 204,
      .says   = "Delete a rule." },
};

const struct resource upstreams = {
    .noun = "upstream", .plural = "upstreams",
    RESOURCE_FIELDS(upstream_fields), RESOURCE_ACTIONS(upstream_actions),
    .get = &stmt_upstream_get, .add = &stmt_upstream_add, .set = &stmt_upstream_set, .del = &stmt_upstream_del,
    .list = stmt_upstream_list, .sorts = stmt_upstream_list_sorts,
    .adjust = upstream_adjust,
};
