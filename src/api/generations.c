/* Generations: a tree of what was made from what, each by a task that has the generation's own id; what becomes of the
 * task becomes of the generation (sql/migrations/0005_sharing.sql). Restrictions bind what is derived from it, so they
 * are for who may share it.
 */
#include "api/all.h"
#include "api/crud.h"
#include "gen/stmt.h"
#include "restrictions.h"

static struct value text_value(struct str text)
{
    return (struct value){ .type = VALUE_TEXT, .text = text };
}

static enum verdict bad(struct req *r, const char *field, const char *code, const char *message)
{
    req_fault(r, field, code, message);
    return req_deny(r, ERR_INVALID);
}

/* ---- its place in the tree ---- */

/* What has a parent was derived from it in one of the ways, and what has none is an original. */
static enum verdict place(struct req *r, struct value *row)
{
    const struct facts *parent = referred(r, "parent_id");
    bool original = str_eq(row[COL_GENERATION_KIND].text, STR("original"));
    int64_t depth = 0;
    if (!parent && !original)
        return bad(r, "kind", "range", "Without parent_id it is an original.");
    if (parent && original && input_given(r, "kind"))
        return bad(r, "kind", "range", "What has a parent is no original.");
    if (parent)
        depth = rows_int(&parent->row, COL_GENERATION_DEPTH) + 1;
    if (depth > DEPTH_MAX)
        return bad(r, "parent_id", "range", "The tree is as deep as it may be.");
    if (parent && original)
        row[COL_GENERATION_KIND] = text_value(STR("iterate"));
    row[COL_GENERATION_DEPTH] = (struct value){ .type = VALUE_INT, .i = depth };
    row[COL_GENERATION_ROOT_ID] = row[COL_GENERATION_ID];
    if (parent)
        row[COL_GENERATION_ROOT_ID].uuid = rows_uuid(&parent->row, COL_GENERATION_ROOT_ID);
    row[COL_GENERATION_STATUS] = text_value(STR("pending"));
    return NEXT;
}

static enum verdict generation_adjust(struct req *r, struct value *row)
{
    struct restriction restriction;
    enum err err = OK;
    if (!r->facts && place(r, row) != NEXT)
        return DENY;
    if (input_given(r, "restrictions"))
        err = restriction_read(r, row[COL_GENERATION_RESTRICTIONS], &restriction);
    return err == OK ? NEXT : req_deny(r, err);
}

/* ---- what a creation brings with it ---- */

/* What the worker is given. */
static struct str task_input(struct req *r)
{
    struct text t = text_new(&r->arena, 1024);
    resource_json(&t, &generations, r->row);
    return t.failed ? STR_NONE : text_str(&t);
}

static enum verdict create_follow(struct req *r)
{
    const struct value *row = r->row, *parent = &row[COL_GENERATION_PARENT_ID];
    const struct uuid *id = &row[COL_GENERATION_ID].uuid;
    struct str input = task_input(r);
    if (!input.p)
        return req_deny(r, ERR_NO_MEMORY);
    if (!parent->null) {
        add_generation_ancestors_add(&r->change, id, &parent->uuid);
        add_generation_readers_add(&r->change, id, &r->who->user_id,
                                   &row[COL_GENERATION_PROJECT_ID].uuid, r->now);
    }
    add_generation_task_add(&r->change, id, &r->who->user_id, input, r->now);
    return restriction_add(r, row);
}

static const struct stage create_steps[] = {
    { "create", crud_create, NULL },
    { "follow", create_follow, NULL },
    { 0 },
};

/* ---- changing, deleting ---- */

static enum verdict update_may_restrict(struct req *r)
{
    if (input_given(r, "restrictions") && r->grant.access < ACCESS_SHARE)
        return req_deny_for(r, ERR_FORBIDDEN, "restrictions are for who may share");
    return NEXT;
}

static enum verdict update_follow(struct req *r)
{
    if (!input_given(r, "restrictions"))
        return NEXT;
    add_generation_restrictions_clear(&r->change, &r->facts->id,
                                      &r->row[COL_GENERATION_ROOT_ID].uuid);
    return restriction_add(r, r->row);
}

static const struct stage update_steps[] = {
    { "may_restrict", update_may_restrict, NULL },
    { "update", crud_update, NULL },
    { "follow", update_follow, NULL },
    { 0 },
};

static enum verdict delete_task(struct req *r)
{
    add_generation_task_del(&r->change, &r->facts->id);
    return NEXT;
}

static const struct stage delete_steps[] = {
    { "delete", crud_delete, NULL },
    { "task", delete_task, NULL },
    { 0 },
};

/* ---- the table ---- */

static const struct field generation_fields[] = {
    { "project_id",   UUID,   .refers = "projects", .needs = ACCESS_CREATE, .required = true, .fixed = true,
      .filter = true, .says = "Where it lies." },
    { "prompt",       TEXT,   .min = 1, .max = 20000, .required = true, .says = "What is to be made." },
    { "model",        TEXT,   .max = 200, .null = true, .fixed = true, .says = "The model that makes it." },
    { "parent_id",    UUID,   .refers = "generations", .null = true, .fixed = true, .filter = true,
      .says = "What it was derived from; at most 10 deep." },
    { "root_id",      UUID,   .shown = true },
    { "depth",        INT,    .shown = true },
    { "kind",         ONEOF,  .oneof = "original|improve|iterate|fork|remix", .standard = "\"original\"", .fixed = true,
      .filter = true, .says = "How it was derived; iterate, if left out." },
    { "parameters",   OBJECT, .standard = "{}", .says = "For the model; not looked at here." },
    { "restrictions", OBJECT, .null = true,
      .says = "{until, access, users}: what others may not do with what is derived from it." },
    { "status",       ONEOF,  .oneof = "pending|processing|completed|failed|cancelled", .shown = true, .filter = true },
};

static const struct action generation_actions[] = {
    { GET, "/api/v1/generations",
      .permit = PERMIT_GENERATION_READ,   .rate = RATE_DEFAULT, .list = true, .plain = true,
      .run    = crud_list,                .then = crud_listed,
      .says   = "List the generations that the caller may read." },
    { POST, "/api/v1/generations",
      .permit = PERMIT_GENERATION_CREATE, .rate = RATE_ML,
      .steps  = create_steps,             .audit = "generation.create", .status = 201,
      .says   = "Submit a generation; its task has its id." },
    { GET, "/api/v1/generations/{id}",
      .permit = PERMIT_GENERATION_READ,   .access = ACCESS_READ, .open = true,
      .rate   = RATE_DEFAULT,             .cache = CACHE_API, .plain = true,
      .run    = crud_get,
      .says   = "Read one generation." },
    { GET, "/api/v1/generations/{id}/events",
      .permit = PERMIT_GENERATION_READ,   .access = ACCESS_READ, .open = true,
      .rate   = RATE_DEFAULT,             .cache = CACHE_API, .plain = true,
      .steps  = events_steps,
      .says   = "Follow one generation: server-sent events, the row now and after each change." },
    { PATCH, "/api/v1/generations/{id}",
      .permit = PERMIT_GENERATION_UPDATE, .access = ACCESS_WRITE, .rate = RATE_ML, .cache = CACHE_API,
      .steps  = update_steps,             .audit = "generation.update",
      .says   = "Change a generation; restrictions need the access share." },
    { DELETE, "/api/v1/generations/{id}",
      .permit = PERMIT_GENERATION_DELETE, .access = ACCESS_DELETE, .rate = RATE_ML, .cache = CACHE_API,
      .steps  = delete_steps,             .audit = "generation.delete", .status = 204,
      .says   = "Delete a generation; 409 while something was derived from it." },
};

const struct resource generations = {
    .noun = "generation", .plural = "generations",
    RESOURCE_FIELDS(generation_fields), RESOURCE_ACTIONS(generation_actions),
    .get = &stmt_generation_get, .facts = &stmt_generation_facts,
    .add = &stmt_generation_add, .set = &stmt_generation_set, .del = &stmt_generation_del,
    .list = stmt_generation_list, .sorts = stmt_generation_list_sorts,
    .owned = true, .shared = true, .adjust = generation_adjust,
};
