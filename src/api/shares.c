/* Whom a project is shared with: teams, whose roles then say how far, and single users. Who may share the project says
 * so; the access `admin` is for who has it himself to give and to take.
 */
#include "api/all.h"
#include "api/crud.h"
#include "gen/stmt.h"
#include "http/reply.h"
#include "links.h"

static void add_fits(struct req *r)
{
    add_project_fits(&r->change, &r->target_ids.id, SHARED_TEAMS_MOST, COLLABORATORS_MOST);
}

/* ---- teams ---- */

/* A team that the caller is not in is not there for him. */
static enum verdict team_put(struct req *r)
{
    struct uuid id = uuid_new(r->now);
    if (principal_team_access(r->who, &r->target_ids.second) == ACCESS_NONE)
        return req_deny_for(r, ERR_NOT_FOUND, "the caller is not in the team");
    add_project_lock(&r->change, &r->target_ids.id);
    add_project_team_put(&r->change, &id, &r->target_ids.id, &r->target_ids.second, r->now);
    add_fits(r);
    return NEXT;
}

static enum verdict team_delete(struct req *r)
{
    add_project_team_del(&r->change, &r->target_ids.id, &r->target_ids.second);
    add_project_team_forget(&r->change, &r->target_ids.id, &r->target_ids.second);
    reply_empty(r, 204);
    return NEXT;
}

static const struct field team_fields[] = {
    { "project_id", UUID, .shown = true },
    { "team_id",    UUID, .shown = true },
};

#define TEAM "/api/v1/projects/{id}/teams/{id}"
#define READ .permit = PERMIT_PROJECT_READ, .access = ACCESS_READ, .rate = RATE_DEFAULT, .plain = true
#define SHARE .permit = PERMIT_PROJECT_UPDATE, .access = ACCESS_SHARE, .rate = RATE_DEFAULT, .plain = true

static const struct action team_actions[] = {
    { GET, "/api/v1/projects/{id}/teams", READ, .list = true,
      .run  = crud_list,   .then = crud_listed,
      .says = "List the teams that a project is shared with." },
    { GET, TEAM, READ,
      .run  = link_get,    .then = link_got,
      .says = "Read one of the teams that a project is shared with." },
    { PUT, TEAM, SHARE, .no_body = true,
      .run  = team_put,    .made = link_made, .audit = "project_team.put",
      .says = "Share a project with a team that the caller is in." },
    { DELETE, TEAM, SHARE,
      .run  = team_delete, .audit = "project_team.delete", .status = 204,
      .says = "Share a project with a team no more." },
};

const struct resource project_teams = {
    .noun = "project_team", .plural = "project-teams",
    RESOURCE_FIELDS(team_fields), RESOURCE_ACTIONS(team_actions),
    .get = &stmt_project_team_get, .under = &projects,
    .list = stmt_project_team_list, .sorts = stmt_project_team_list_sorts,
    .no_metadata = true,
};

/* ---- collaborators ---- */

static enum verdict collaborator_ask(struct req *r)
{
    ask_collaborator_ask(r->store, &r->arena, &r->target_ids.id, &r->target_ids.second, &r->rows,
                         &r->wait);
    return WAIT;
}

static enum verdict collaborator_asked(struct req *r)
{
    if (r->rows.err != OK)
        return req_deny(r, r->rows.err);
    if (!rows_next(&r->rows))
        return req_deny(r, ERR_INTERNAL);
    bool is_one = !rows_null(&r->rows, COL_COLLABORATOR_ASK_ACCESS);
    bool leaves = r->method == DELETE && uuid_eq(&r->target_ids.second, &r->who->user_id);
    struct str access = rows_text(&r->rows, COL_COLLABORATOR_ASK_ACCESS);
    if (r->method == PUT ? !rows_int(&r->rows, COL_COLLABORATOR_ASK_KNOWN) : !is_one)
        return req_deny_for(r, ERR_NOT_FOUND, "no such user or collaborator");
    if (leaves)
        return NEXT;
    if (r->grant.access < ACCESS_SHARE || (str_eq(access, STR("admin")) && !link_all(r)))
        return req_deny_for(r, ERR_FORBIDDEN, "the caller's own access to the project");
    return NEXT;
}

static enum verdict collaborator_put(struct req *r)
{
    struct uuid id = uuid_new(r->now);
    struct str access = input_text(r, "access");
    if (str_eq(access, STR("admin")) && !link_all(r))
        return req_deny_for(r, ERR_FORBIDDEN, "an access beyond the caller's");
    rows_fini(&r->rows);
    add_project_lock(&r->change, &r->target_ids.id);
    add_collaborator_put(&r->change, &id, &r->target_ids.id, &r->target_ids.second, access,
                         link_all(r), r->now);
    add_fits(r);
    return NEXT;
}

static enum verdict collaborator_delete(struct req *r)
{
    bool leaves = uuid_eq(&r->target_ids.second, &r->who->user_id);
    rows_fini(&r->rows);
    add_collaborator_del(&r->change, &r->target_ids.id, &r->target_ids.second,
                         leaves || link_all(r));
    reply_empty(r, 204);
    return NEXT;
}

static const struct stage put_steps[] = {
    { "collaborator", collaborator_ask, collaborator_asked },
    { "put", collaborator_put, NULL },
    { 0 },
};
static const struct stage delete_steps[] = {
    { "collaborator", collaborator_ask, collaborator_asked },
    { "delete", collaborator_delete, NULL },
    { 0 },
};

static const struct field collaborator_fields[] = {
    { "project_id", UUID,  .shown = true },
    { "user_id",    UUID,  .shown = true },
    { "access",     ONEOF, .oneof = "read|write|delete|share|admin", .required = true,
      .says = "Each includes those before it." },
};

#define COLLABORATOR "/api/v1/projects/{id}/collaborators/{id}"

static const struct action collaborator_actions[] = {
    { GET, "/api/v1/projects/{id}/collaborators", READ, .list = true,
      .run    = crud_list,    .then = crud_listed,
      .says   = "List the collaborators of a project." },
    { GET, COLLABORATOR, READ,
      .run    = link_get,     .then = link_got,
      .says   = "Read one collaborator of a project." },
    { PUT, COLLABORATOR, SHARE,
      .steps  = put_steps,    .made = link_made, .audit = "collaborator.put",
      .says   = "Share a project with a user, so far as `access` says." },
    { DELETE, COLLABORATOR,
      .permit = PERMIT_PROJECT_UPDATE, .access = ACCESS_READ, .rate = RATE_DEFAULT, .plain = true,
      .steps  = delete_steps, .audit = "collaborator.delete", .status = 204,
      .says   = "Share a project with a user no more; everybody may leave." },
};

const struct resource collaborators = {
    .noun = "collaborator", .plural = "project-collaborators",
    RESOURCE_FIELDS(collaborator_fields), RESOURCE_ACTIONS(collaborator_actions),
    .get = &stmt_collaborator_get, .under = &projects,
    .list = stmt_collaborator_list, .sorts = stmt_collaborator_list_sorts,
    .no_metadata = true,
};
