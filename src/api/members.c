/* The members of a team. An admin of the team makes and ends memberships up to his own; who owns the team is for owners
 * to say. The user that made the team stays its owner. Everybody may leave.
 */
#include "api/all.h"
#include "api/crud.h"
#include "gen/stmt.h"
#include "http/reply.h"
#include "links.h"

static enum verdict member_ask(struct req *r)
{
    ask_team_member_ask(r->store, &r->arena, &r->target_ids.id, &r->target_ids.second, &r->rows,
                        &r->wait);
    return WAIT;
}

/* What the caller may not take away or give. */
static bool beyond(const struct req *r, struct str role)
{
    return str_eq(role, STR("owner")) && !link_all(r);
}

static enum verdict member_asked(struct req *r)
{
    if (r->rows.err != OK)
        return req_deny(r, r->rows.err);
    if (!rows_next(&r->rows))
        return req_deny(r, ERR_INTERNAL);
    bool is_member = !rows_null(&r->rows, COL_TEAM_MEMBER_ASK_ROLE);
    bool leaves = uuid_eq(&r->target_ids.second, &r->who->user_id);
    if (r->method == PUT ? !rows_int(&r->rows, COL_TEAM_MEMBER_ASK_KNOWN) : !is_member)
        return req_deny_for(r, ERR_NOT_FOUND, "no such user or member");
    if (rows_int(&r->rows, COL_TEAM_MEMBER_ASK_FOUNDER))
        return req_deny_for(r, ERR_CONFLICT, "who made the team stays its owner");
    if (r->method == DELETE && leaves)
        return NEXT;
    if (r->grant.access < ACCESS_SHARE || beyond(r, rows_text(&r->rows, COL_TEAM_MEMBER_ASK_ROLE)))
        return req_deny_for(r, ERR_FORBIDDEN, "the caller's role in the team");
    return NEXT;
}

static enum verdict member_put(struct req *r)
{
    struct uuid id = uuid_new(r->now);
    struct str role = input_text(r, "role");
    if (beyond(r, role))
        return req_deny_for(r, ERR_FORBIDDEN, "a role beyond the caller's");
    rows_fini(&r->rows);
    add_team_lock(&r->change, &r->target_ids.id);
    add_team_member_put(&r->change, &id, &r->target_ids.id, &r->target_ids.second, role,
                        link_all(r), r->now);
    add_team_fits(&r->change, &r->target_ids.id);
    add_team_member_fits(&r->change, &r->target_ids.second, TEAMS_MOST);
    return NEXT;
}

static enum verdict member_delete(struct req *r)
{
    bool leaves = uuid_eq(&r->target_ids.second, &r->who->user_id);
    rows_fini(&r->rows);
    add_team_member_del(&r->change, &r->target_ids.id, &r->target_ids.second,
                        leaves || link_all(r));
    reply_empty(r, 204);
    return NEXT;
}

static const struct stage put_steps[] = {
    { "member", member_ask, member_asked },
    { "put", member_put, NULL },
    { 0 },
};
static const struct stage delete_steps[] = {
    { "member", member_ask, member_asked },
    { "delete", member_delete, NULL },
    { 0 },
};

static const struct field member_fields[] = {
    { "team_id", UUID,  .shown = true },
    { "user_id", UUID,  .shown = true },
    { "role",    ONEOF, .oneof = "viewer|contributor|editor|admin|owner", .required = true,
      .says = "Each includes those before it." },
};

#define MEMBER "/api/v1/teams/{id}/members/{id}"

static const struct action member_actions[] = {
    { GET, "/api/v1/teams/{id}/members",
      .permit = PERMIT_TEAM_READ,   .access = ACCESS_READ, .rate = RATE_DEFAULT, .list = true, .plain = true,
      .run    = crud_list,          .then = crud_listed,
      .says   = "List the members of a team." },
    { GET, MEMBER,
      .permit = PERMIT_TEAM_READ,   .access = ACCESS_READ, .rate = RATE_DEFAULT, .plain = true,
      .run    = link_get,           .then = link_got,
      .says   = "Read one membership." },
    { PUT, MEMBER,
      .permit = PERMIT_TEAM_UPDATE, .access = ACCESS_SHARE, .rate = RATE_DEFAULT, .plain = true,
      .steps  = put_steps,          .made = link_made, .audit = "team_member.put",
      .says   = "Make a user a member of a team, or give the member another role." },
    { DELETE, MEMBER,
      .permit = PERMIT_TEAM_UPDATE, .access = ACCESS_READ, .rate = RATE_DEFAULT, .plain = true,
      .steps  = delete_steps,       .audit = "team_member.delete", .status = 204,
      .says   = "End a membership; everybody may end his own." },
};

const struct resource team_members = {
    .noun = "team_member", .plural = "team-members",
    RESOURCE_FIELDS(member_fields), RESOURCE_ACTIONS(member_actions),
    .get = &stmt_team_member_get, .under = &teams,
    .list = stmt_team_member_list, .sorts = stmt_team_member_list_sorts,
    .no_metadata = true,
};
