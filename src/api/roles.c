/* Roles: named sets of permissions, changed at run time and in effect at once. The role `admin` is as it is, so
 * that somebody can always do everything; the role `user` stays, because sign-up gives it.
 */
#include "api/all.h"
#include "api/crud.h"
#include "gen/stmt.h"

static bool is(const struct req *r, const char *name)
{
    return str_eq(rows_text(&r->facts->row, COL_ROLE_NAME), str_of(name));
}

static bool name_sane(struct str name)
{
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        bool letter = c >= 'a' && c <= 'z', more = (c >= '0' && c <= '9') || c == '_';
        if (!letter && (i == 0 || !more))
            return false;
    }
    return name.n >= 2;
}

static enum verdict role_adjust(struct req *r, struct value *row)
{
    if (r->facts && is(r, "admin"))
        return req_deny_for(r, ERR_CONFLICT, "the role admin cannot be changed");
    if (name_sane(row[COL_ROLE_NAME].text))
        return NEXT;
    req_fault(r, "name", "format", "Must be small letters, digits and _, a letter first.");
    return req_deny(r, ERR_INVALID);
}

static enum verdict role_delete(struct req *r)
{
    if (is(r, "admin") || is(r, "user"))
        return req_deny_for(r, ERR_CONFLICT, "the roles admin and user cannot be deleted");
    return crud_delete(r);
}

#define PERMIT_WORD(id, name) "|" name

static const struct field role_fields[] = {
    { "name",        TEXT,  .min = 2, .max = 31, .required = true, .fixed = true,
      .says = "Small letters, digits and _." },
    { "description", TEXT,  .max = 1000, .null = true },
    { "permissions", TEXTS, .oneof = &(PERMITS(PERMIT_WORD))[1], .max = PERMIT_COUNT, .required = true,
      .says = "What who has the role may do." },
};

static const struct action role_actions[] = {
    { GET, "/api/v1/roles",
      .permit = PERMIT_USERS_MANAGE,  .rate = RATE_DEFAULT, .list = true, .plain = true,
      .run    = crud_list,            .then = crud_listed,
      .says   = "List roles." },
    { POST, "/api/v1/roles",
      .permit = PERMIT_SYSTEM_CONFIG, .rate = RATE_ADMIN,
      .run    = crud_create,          .audit = "role.create", .status = 201,
      .says   = "Create a role." },
    { GET, "/api/v1/roles/{id}",
      .permit = PERMIT_USERS_MANAGE,  .access = ACCESS_READ, .rate = RATE_DEFAULT, .cache = CACHE_API, .plain = true,
      .run    = crud_get,
      .says   = "Read one role." },
    { PATCH, "/api/v1/roles/{id}",
      .permit = PERMIT_SYSTEM_CONFIG, .access = ACCESS_WRITE, .rate = RATE_ADMIN, .cache = CACHE_API,
      .run    = crud_update,          .audit = "role.update",
      .says   = "Change a role, for all who have it at once; 409 for admin." },
    { DELETE, "/api/v1/roles/{id}",
      .permit = PERMIT_SYSTEM_CONFIG, .access = ACCESS_DELETE, .rate = RATE_ADMIN, .cache = CACHE_API,
      .run    = role_delete,          .audit = "role.delete", .status = 204,
      .says   = "Delete a role that nobody has; 409 for admin and user." },
};

const struct resource roles = {
    .noun = "role", .plural = "roles",
    RESOURCE_FIELDS(role_fields), RESOURCE_ACTIONS(role_actions),
    .get = &stmt_role_get, .add = &stmt_role_add, .set = &stmt_role_set, .del = &stmt_role_del,
    .list = stmt_role_list, .sorts = stmt_role_list_sorts,
    .adjust = role_adjust,
};
