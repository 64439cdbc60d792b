/* Teams: whoever is a member reads a team; its admins say who is, its owners who owns it. */
#include "api/all.h"
#include "api/crud.h"
#include "gen/stmt.h"
#include "links.h"

/* Who makes a team is its first member. */
static enum verdict team_found(struct req *r)
{
    struct uuid id = uuid_new(r->now);
    add_team_member_join(&r->change, &id, &r->row[COL_TEAM_ID].uuid, &r->who->user_id, STR("owner"),
                         r->now);
    add_team_member_fits(&r->change, &r->who->user_id, TEAMS_MOST);
    return NEXT;
}

static const struct stage create_steps[] = {
    { "create", crud_create, NULL },
    { "found", team_found, NULL },
    { 0 },
};

static enum verdict team_fitting(struct req *r)
{
    add_team_fits(&r->change, &r->facts->id);
    return NEXT;
}

static const struct stage update_steps[] = {
    { "update", crud_update, NULL },
    { "fit", team_fitting, NULL },
    { 0 },
};

static enum verdict team_clear(struct req *r)
{
    add_team_members_clear(&r->change, &r->facts->id);
    return NEXT;
}

static const struct stage delete_steps[] = {
    { "clear", team_clear, NULL },
    { "delete", crud_delete, NULL },
    { 0 },
};

static const struct field team_fields[] = {
    { "name",        TEXT, .min = 1, .max = 200, .required = true, .says = "What the team is called." },
    { "description", TEXT, .max = 2000, .null = true },
    { "max_members", INT,  .min = 1, .max = 1000, .standard = "10", .says = "As many may be in it." },
};

static const struct action team_actions[] = {
    { GET, "/api/v1/teams",
      .permit = PERMIT_TEAM_READ,   .rate = RATE_DEFAULT, .list = true, .plain = true,
      .run    = crud_list,          .then = crud_listed,
      .says   = "List the teams that the caller is in." },
    { POST, "/api/v1/teams",
      .permit = PERMIT_TEAM_CREATE, .rate = RATE_DEFAULT,
      .steps  = create_steps,       .audit = "team.create", .status = 201,
      .says   = "Create a team; the caller owns it." },
    { GET, "/api/v1/teams/{id}",
      .permit = PERMIT_TEAM_READ,   .access = ACCESS_READ, .rate = RATE_DEFAULT, .cache = CACHE_API, .plain = true,
      .run    = crud_get,
      .says   = "Read one team." },
    { PATCH, "/api/v1/teams/{id}",
      .permit = PERMIT_TEAM_UPDATE, .access = ACCESS_SHARE, .rate = RATE_DEFAULT, .cache = CACHE_API,
      .steps  = update_steps,       .audit = "team.update",
      .says   = "Change a team." },
    { DELETE, "/api/v1/teams/{id}",
      .permit = PERMIT_TEAM_DELETE, .access = ACCESS_ADMIN, .rate = RATE_DEFAULT, .cache = CACHE_API,
      .steps  = delete_steps,       .audit = "team.delete", .status = 204,
      .says   = "Delete a team; 409 while projects are shared with it." },
};

const struct resource teams = {
    .noun = "team", .plural = "teams",
    RESOURCE_FIELDS(team_fields), RESOURCE_ACTIONS(team_actions),
    .get = &stmt_team_get, .add = &stmt_team_add, .set = &stmt_team_set, .del = &stmt_team_del,
    .list = stmt_team_list, .sorts = stmt_team_list_sorts,
    .owned = true, .team = true,
};
