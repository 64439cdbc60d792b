/* Projects: what generations lie in. Visibility, teams and collaborators say who else reaches it (gate/ownership.c);
 * who may share it may change them.
 */
#include "api/all.h"
#include "api/crud.h"
#include "gen/stmt.h"
#include "links.h"

static bool is_public(struct str visibility)
{
    return str_starts(visibility, STR("public_"));
}

/* A team that the project is to belong to has passed gate references: the caller is in it. */
static void add_first_team(struct req *r)
{
    const struct value *team = &r->row[COL_PROJECT_TEAM_ID];
    struct uuid id = uuid_new(r->now);
    if (team->null || !input_given(r, "team_id"))
        return;
    add_project_team_first(&r->change, &id, &r->row[COL_PROJECT_ID].uuid, &team->uuid, r->now);
    add_project_fits(&r->change, &r->row[COL_PROJECT_ID].uuid, SHARED_TEAMS_MOST,
                     COLLABORATORS_MOST);
}

static enum verdict create_share(struct req *r)
{
    add_first_team(r);
    return NEXT;
}

static const struct stage create_steps[] = {
    { "create", crud_create, NULL },
    { "share", create_share, NULL },
    { 0 },
};

/* Who may write may not for that let others in. */
static enum verdict update_may_share(struct req *r)
{
    bool shares = input_given(r, "visibility") || input_given(r, "team_id");
    if (shares && r->grant.access < ACCESS_SHARE)
        return req_deny_for(r, ERR_FORBIDDEN, "visibility and team are for who may share");
    return NEXT;
}

static enum verdict update_share(struct req *r)
{
    struct str before = rows_text(&r->facts->row, COL_PROJECT_VISIBILITY);
    if (is_public(before) != is_public(r->row[COL_PROJECT_VISIBILITY].text)) {
        add_project_open(&r->change, &r->facts->id);
        add_media_open(&r->change, &r->facts->id);
    }
    add_first_team(r);
    return NEXT;
}

static const struct stage update_steps[] = {
    { "may_share", update_may_share, NULL },
    { "update", crud_update, NULL },
    { "share", update_share, NULL },
    { 0 },
};

static const struct field project_fields[] = {
    { "name",       TEXT,  .min = 1, .max = 200, .required = true, .says = "What the project is called." },
    { "visibility", ONEOF, .oneof = "private|team_restricted|team_open|public_read|public_full",
      .standard = "\"private\"", .filter = true, .says = "Who reaches it besides the owner and collaborators." },
    { "team_id",    UUID,  .refers = "teams", .null = true, .filter = true, .says = "The first of its teams." },
};

static const struct action project_actions[] = {
    { GET, "/api/v1/projects",
      .permit = PERMIT_PROJECT_READ,   .rate = RATE_DEFAULT, .list = true, .plain = true,
      .run    = crud_list,             .then = crud_listed,
      .says   = "List the projects that the caller may read." },
    { POST, "/api/v1/projects",
      .permit = PERMIT_PROJECT_CREATE, .rate = RATE_DEFAULT,
      .steps  = create_steps,          .audit = "project.create", .status = 201,
      .says   = "Create a project." },
    { GET, "/api/v1/projects/{id}",
      .permit = PERMIT_PROJECT_READ,   .access = ACCESS_READ, .open = true,
      .rate   = RATE_DEFAULT,          .cache = CACHE_API, .plain = true,
      .run    = crud_get,
      .says   = "Read one project." },
    { PATCH, "/api/v1/projects/{id}",
      .permit = PERMIT_PROJECT_UPDATE, .access = ACCESS_WRITE, .rate = RATE_DEFAULT, .cache = CACHE_API,
      .steps  = update_steps,          .audit = "project.update",
      .says   = "Change a project; visibility and team need the access share." },
    { DELETE, "/api/v1/projects/{id}",
      .permit = PERMIT_PROJECT_DELETE, .access = ACCESS_DELETE, .rate = RATE_DEFAULT, .cache = CACHE_API,
      .run    = crud_delete,           .audit = "project.delete", .status = 204,
      .says   = "Delete a project; 409 while it has generations." },
};

const struct resource projects = {
    .noun = "project", .plural = "projects",
    RESOURCE_FIELDS(project_fields), RESOURCE_ACTIONS(project_actions),
    .get = &stmt_project_get, .facts = &stmt_project_facts,
    .add = &stmt_project_add, .set = &stmt_project_set, .del = &stmt_project_del,
    .list = stmt_project_list, .sorts = stmt_project_list_sorts,
    .owned = true, .shared = true,
};
