/* things.h: a resource with a field of every type, for the tests of what walks over tables. */
#ifndef TESTS_ROUTE_THINGS_H
#define TESTS_ROUTE_THINGS_H

#include "http/req.h"
#include "route/resource.h"

#define HEX_A "0190a6e2-7c4b-7d21-9f53-8b6c1e2d3a4f"
#define HEX_B "6f1d2c3b-4a59-4e68-8b77-9c0d1e2f3a4b"

/* ---- statements ---- */

enum {
    THING_ID,
    THING_OWNER_ID,
    THING_NAME,
    THING_KIND,
    THING_NOTE,
    THING_COUNT,
    THING_RATIO,
    THING_DONE,
    THING_DUE,
    THING_OTHER_ID,
    THING_TAGS,
    THING_CONFIG,
    THING_ANYTHING,
    THING_STATE,
    THING_METADATA,
    THING_VERSION,
    THING_CREATED_AT,
    THING_UPDATED_AT,
    THING_COLUMNS,
};

static const struct slot thing_columns[] = {
    { "id", VALUE_UUID, false },       { "owner_id", VALUE_UUID, false }, { "name", VALUE_TEXT, false },
    { "kind", VALUE_TEXT, false },     { "note", VALUE_TEXT, true },      { "count", VALUE_INT, false },
    { "ratio", VALUE_REAL, true },     { "done", VALUE_BOOL, true },      { "due", VALUE_TIME, true },
    { "other_id", VALUE_UUID, true },  { "tags", VALUE_JSON, true },      { "config", VALUE_JSON, false },
    { "anything", VALUE_JSON, true },  { "state", VALUE_TEXT, true },     { "metadata", VALUE_JSON, false },
    { "version", VALUE_INT, false },   { "created_at", VALUE_TIME, false }, { "updated_at", VALUE_TIME, false },
};

static const struct slot thing_get_params[] = { { "id", VALUE_UUID, false } };
static const struct stmt thing_get = {
    .name = "thing_get", .params = thing_get_params, .nparams = 1,
    .columns = thing_columns, .ncolumns = THING_COLUMNS, .rows = 1, .otherwise = ERR_NOT_FOUND,
};

static const struct slot thing_add_params[] = {
    { "id", VALUE_UUID, false },      { "owner_id", VALUE_UUID, false }, { "name", VALUE_TEXT, false },
    { "secret", VALUE_TEXT, true },   { "count", VALUE_INT, false },     { "due", VALUE_TIME, true },
    { "config", VALUE_JSON, false },  { "metadata", VALUE_JSON, false }, { "now", VALUE_TIME, false },
};
static const struct stmt thing_add = {
    .name = "thing_add", .params = thing_add_params, .nparams = COUNT(thing_add_params), .change = true, .rows = 1,
};

static const struct slot thing_set_params[] = {
    { "id", VALUE_UUID, false },     { "version", VALUE_INT, false },   { "name", VALUE_TEXT, false },
    { "note", VALUE_TEXT, true },    { "config", VALUE_JSON, false },   { "metadata", VALUE_JSON, false },
    { "now", VALUE_TIME, false },
};
static const struct stmt thing_set = {
    .name = "thing_set", .params = thing_set_params, .nparams = COUNT(thing_set_params), .change = true, .rows = 1,
    .otherwise = ERR_STALE,
};

static const struct slot thing_del_params[] = { { "id", VALUE_UUID, false },
                                                { "version", VALUE_INT, false } };
static const struct stmt thing_del = {
    .name = "thing_del", .params = thing_del_params, .nparams = 2, .change = true, .rows = 1, .otherwise = ERR_STALE,
};

#define THING_LIST_PARAMS(key)                                                                    \
    { "viewer", VALUE_UUID, false }, { "kind", VALUE_TEXT, true }, { "count", VALUE_INT, true },  \
    { "done", VALUE_BOOL, true }, { "due", VALUE_TIME, true }, { "other_id", VALUE_UUID, true },  \
    { "after_key", key, true }, { "after_id", VALUE_UUID, true }, { "skip", VALUE_INT, false },   \
    { "limit", VALUE_INT, false }
static const struct slot thing_list_by_time[] = { THING_LIST_PARAMS(VALUE_TIME) };
static const struct slot thing_list_by_name[] = { THING_LIST_PARAMS(VALUE_TEXT) };

#define THING_LIST(text, slots)                                                                   \
    {                                                                                             \
        .name = text, .params = slots, .nparams = 10, .columns = thing_columns,                   \
        .ncolumns = THING_COLUMNS, .rows = -1,                                                    \
    }
static const struct stmt thing_list[] = {
    THING_LIST("thing_list_created_at_asc", thing_list_by_time),
    THING_LIST("thing_list_created_at_desc", thing_list_by_time),
    THING_LIST("thing_list_name_asc", thing_list_by_name),
    THING_LIST("thing_list_name_desc", thing_list_by_name),
};
static const char *const thing_sorts[] = { "created_at", "name", NULL };

/* ---- the table ---- */

static const struct field thing_fields[] = {
    { "name",     TEXT,   .max = 120, .required = true, .says = "What it is called." },
    { "kind",     ONEOF,  .oneof = "small|large", .standard = "\"small\"", .filter = true },
    { "note",     TEXT,   .max = 1000, .null = true },
    { "count",    INT,    .min = -5, .max = 10, .standard = "0", .filter = true },
    { "ratio",    REAL,   .min = 0, .max = 1, .null = true },
    { "done",     BOOL,   .null = true, .filter = true },
    { "due",      TIME,   .null = true, .filter = true },
    { "other_id", UUID,   .null = true, .refers = "things", .fixed = true, .filter = true },
    { "tags",     TEXTS,  .oneof = "red|green|blue", .max = 3, .null = true },
    { "config",   OBJECT, .max = 64, .standard = "{}" },
    { "anything", ANY,    .max = 64, .null = true },
    { "state",    ONEOF,  .oneof = "new|old", .standard = "\"new\"", .shown = true },
    { "secret",   TEXT,   .min = 8, .max = 72, .null = true, .hidden = true },
};

static const struct field claim_input[] = { { "limit", INT, .min = 1, .max = 100,
                                              .standard = "10" } };

static enum verdict thing_run(struct req *r)
{
    (void)r;
    return NEXT;
}

#define THINGS "/api/v1/things"

enum {
    THING_LISTED,
    THING_MADE,
    THING_GOT,
    THING_PATCHED,
    THING_REMOVED,
    THING_CLAIMED,
    THING_CANCELLED,
    THING_PART
};

static const struct action thing_actions[] = {
    { GET, THINGS, .permit = PERMIT_TASK_READ, .list = true, .run = thing_run, .says = "List." },
    { POST, THINGS, .permit = PERMIT_TASK_CREATE, .rate = RATE_DEFAULT, .run = thing_run,
      .audit = "thing.create", .status = 201, .says = "Create." },
    { GET, THINGS "/{id}", .permit = PERMIT_TASK_READ, .access = ACCESS_READ, .cache = CACHE_API,
      .run = thing_run, .says = "Read." },
    { PATCH, THINGS "/{id}", .permit = PERMIT_TASK_UPDATE, .access = ACCESS_WRITE, .run = thing_run,
      .audit = "thing.update", .says = "Change." },
    { DELETE, THINGS "/{id}", .permit = PERMIT_TASK_DELETE, .access = ACCESS_DELETE, .run = thing_run,
      .audit = "thing.delete", .status = 204, .says = "Delete." },
    { POST, THINGS "/claim", .permit = PERMIT_TASK_UPDATE, .input = claim_input, .ninput = COUNT(claim_input),
      .run = thing_run, .audit = "thing.claim", .says = "Claim." },
    { POST, THINGS "/{id}/cancel", .permit = PERMIT_TASK_UPDATE, .access = ACCESS_WRITE, .no_body = true,
      .run = thing_run, .audit = "thing.cancel", .says = "Cancel." },
    { GET, THINGS "/{id}/parts/{id}", .permit = PERMIT_SIGNED_IN, .access = ACCESS_READ, .run = thing_run,
      .says = "Read a part." },
};

static const struct resource things = {
    .noun = "thing", .plural = "things",
    RESOURCE_FIELDS(thing_fields), RESOURCE_ACTIONS(thing_actions),
    .get = &thing_get, .add = &thing_add, .set = &thing_set, .del = &thing_del,
    .list = thing_list, .sorts = thing_sorts,
    .owned = true,
};

static const struct action gate_actions[] = {
    { GET, "/", .permit = PERMIT_ANYONE, .run = thing_run, .says = "Greet." },
    { GET, "/health", .permit = PERMIT_ANYONE, .run = thing_run, .says = "Health." },
    { POST, "/api/v1/enter", .permit = PERMIT_ANYONE, .input = claim_input, .ninput = COUNT(claim_input),
      .run = thing_run, .plain = true, .says = "Enter." },
    { GET, "/api/v1/mine", .permit = PERMIT_SIGNED_IN, .session_only = true, .run = thing_run, .says = "Who is it?" },
};
static const struct resource gates = {
    .noun = "gate_way", .plural = "gate-ways", .no_metadata = true, RESOURCE_ACTIONS(gate_actions)
};

static const struct resource *const thing_resources[] = { &things, &gates, NULL };

#endif
