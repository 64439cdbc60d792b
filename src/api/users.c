/* Users, as those who manage them see them. Deleting one leaves the row, so that what it owns and did keeps its
 * name; its address stays taken. Nobody gains by managing others: a role is only given, and who has it only
 * changed, by who may do all that it may.
 */
#include "account.h"
#include "api/all.h"
#include "api/crud.h"
#include "gate/permits.h"
#include "gen/stmt.h"
#include "http/reply.h"

struct managing {
    struct str wanted; /* the role that the user is to have */
    struct str email;
    struct hashing hashing;
};

static struct str present(const struct req *r, int column)
{
    return rows_text(&r->facts->row, column);
}

static struct value text_value(struct str text)
{
    return (struct value){ .type = VALUE_TEXT, .text = text };
}

/* ---- list ---- */

/* Addresses are stored folded. */
static enum verdict user_list(struct req *r)
{
    struct value *email = &r->page->filters[resource_field(&users, "email") - users.fields];
    if (!email->null)
        email->text = email_fold(&r->arena, email->text);
    return r->arena.failed ? req_deny(r, ERR_NO_MEMORY) : crud_list(r);
}

/* ---- role: the step in front of every change ---- */

static enum verdict ask_roles(struct req *r, struct str wanted, struct str now)
{
    struct managing *m = ARENA_NEW(&r->arena, struct managing);
    if (!m)
        return req_deny(r, ERR_NO_MEMORY);
    r->work = m;
    m->wanted = wanted;
    ask_role_pair(r->store, &r->arena, wanted, now, &r->rows, &r->wait);
    return WAIT;
}

/* Of a user to be made. */
static enum verdict role_given(struct req *r)
{
    struct str wanted = input_text(r, "role");
    return ask_roles(r, wanted, wanted);
}

/* Of a user that is there, and may get another. */
static enum verdict role_patched(struct req *r)
{
    struct str now = present(r, COL_USER_ROLE);
    return ask_roles(r, input_given(r, "role") ? input_text(r, "role") : now, now);
}

static enum verdict role_present(struct req *r)
{
    struct str now = present(r, COL_USER_ROLE);
    return ask_roles(r, now, now);
}

static enum verdict roles_known(struct req *r)
{
    const struct managing *m = r->work;
    bool found = false;
    if (r->rows.err != OK)
        return req_deny(r, r->rows.err);
    while (rows_next(&r->rows)) {
        struct str names = rows_text(&r->rows, COL_ROLE_PAIR_PERMISSIONS);
        uint64_t permits;
        enum err err = permits_read(&r->arena, names, &permits);
        if (err != OK)
            return req_deny(r, err);
        if (permits & ~r->who->permits)
            return req_deny_for(r, ERR_FORBIDDEN, "a role that may more than the caller");
        found = found || str_eq(rows_text(&r->rows, COL_ROLE_PAIR_NAME), m->wanted);
    }
    rows_fini(&r->rows);
    if (found)
        return NEXT;
    req_fault(r, "role", "reference", "There is no such role.");
    return req_deny(r, ERR_INVALID);
}

/* ---- what a user may become ---- */

/* Deleted is what DELETE makes of a user, with all that follows. */
static enum err status_allowed(struct req *r, struct str status)
{
    if (!str_eq(status, STR("deleted")))
        return OK;
    req_fault(r, "status", "oneof", "Must be one of active|suspended; DELETE deletes.");
    return ERR_INVALID;
}

static enum verdict user_adjust(struct req *r, struct value *row)
{
    enum err err = status_allowed(r, row[COL_USER_STATUS].text);
    if (err == OK && input_given(r, "email"))
        err = email_read(r, &row[COL_USER_EMAIL].text);
    return err == OK ? NEXT : req_deny(r, err);
}

/* Behind the statement that changes the user in the path: access that is gone ends at once, and one admin stays. */
static void follow(struct req *r, const struct value *row)
{
    bool was_active = str_eq(present(r, COL_USER_STATUS), STR("active"));
    bool is_active = str_eq(row[COL_USER_STATUS].text, STR("active"));
    bool was_admin = was_active && str_eq(present(r, COL_USER_ROLE), STR("admin"));
    bool is_admin = is_active && str_eq(row[COL_USER_ROLE].text, STR("admin"));

    if (was_active && !is_active)
        add_session_end_all(&r->change, &r->facts->id, r->now);
    if (was_admin && !is_admin) {
        add_user_admin_lock(&r->change); /* of two who go at once the second must see that the first has gone */
        add_user_admin_left(&r->change);
    }
}

/* ---- create ---- */

enum verdict user_make(struct req *r, const struct new_user *user)
{
    struct value *row = ARENA_ARRAY(&r->arena, struct value, COL_USER_UPDATED_AT + 1);
    if (!row)
        return req_deny(r, ERR_NO_MEMORY);
    row[COL_USER_ID] = (struct value){ .type = VALUE_UUID, .uuid = uuid_new(r->now) };
    row[COL_USER_EMAIL] = text_value(user->email);
    row[COL_USER_ROLE] = text_value(user->role);
    row[COL_USER_STATUS] = text_value(user->status);
    row[COL_USER_METADATA] = (struct value){ .type = VALUE_JSON, .text = user->metadata };
    row[COL_USER_VERSION] = (struct value){ .type = VALUE_INT, .i = 1 };
    row[COL_USER_CREATED_AT] = (struct value){ .type = VALUE_TIME, .i = r->now };
    row[COL_USER_UPDATED_AT] = row[COL_USER_CREATED_AT];

    add_user_add(&r->change, &row[COL_USER_ID].uuid, user->email, str_of(user->hash), user->role,
                 user->status, user->metadata, r->now);
    r->row = row;
    r->audit_target = row[COL_USER_ID].uuid;
    return reply_row(r, 201, &users, row);
}

static enum verdict create_hash(struct req *r)
{
    struct managing *m = r->work;
    enum err err = status_allowed(r, input_text(r, "status"));
    if (err == OK)
        err = email_read(r, &m->email);
    return err == OK ? hashing_make(r, &m->hashing, input_text(r, "password")) : req_deny(r, err);
}

static enum verdict create_hashed(struct req *r)
{
    const struct managing *m = r->work;
    if (m->hashing.err != OK)
        return req_deny(r, m->hashing.err);
    const struct new_user user = {
        .email = m->email,
        .role = m->wanted,
        .status = input_text(r, "status"),
        .metadata = input_text(r, "metadata"),
        .hash = m->hashing.hash,
    };
    enum verdict v = user_make(r, &user);
    if (v == NEXT)
        crud_location(r, &r->audit_target);
    return v;
}

static const struct stage create_steps[] = {
    { "role", role_given, roles_known },
    { "hash", create_hash, create_hashed },
    { 0 },
};

/* ---- update, delete ---- */

static enum verdict update_follow(struct req *r)
{
    follow(r, r->row);
    return NEXT;
}

static const struct stage update_steps[] = {
    { "role", role_patched, roles_known },
    { "update", crud_update, NULL },
    { "follow", update_follow, NULL },
    { 0 },
};

static enum verdict user_delete(struct req *r)
{
    enum err err = crud_match(r);
    if (err != OK)
        return req_deny(r, err);
    struct value *row = facts_row(r);
    if (!row)
        return req_deny(r, ERR_NO_MEMORY);
    row[COL_USER_STATUS] = text_value(STR("deleted"));
    crud_change(r, &stmt_user_set, row);
    follow(r, row);
    r->row = row;
    reply_empty(r, 204);
    return NEXT;
}

static const struct stage delete_steps[] = {
    { "role", role_present, roles_known },
    { "delete", user_delete, NULL },
    { 0 },
};

/* ---- password ---- */

static enum verdict set_hash(struct req *r)
{
    struct managing *m = r->work;
    enum err err = crud_match(r);
    return err == OK ? hashing_make(r, &m->hashing, input_text(r, "password")) : req_deny(r, err);
}

static enum verdict set_hashed(struct req *r)
{
    const struct managing *m = r->work;
    if (m->hashing.err != OK)
        return req_deny(r, m->hashing.err);
    add_user_set_password(&r->change, &r->facts->id, str_of(m->hashing.hash), r->now);
    add_session_end_all(&r->change, &r->facts->id, r->now);
    reply_empty(r, 204);
    return NEXT;
}

static const struct stage password_set_steps[] = {
    { "role", role_present, roles_known },
    { "hash", set_hash, set_hashed },
    { 0 },
};

/* ---- the table ---- */

#define PASSWORD "password", TEXT, .min = PASSWORD_MIN, .max = PASSWORD_MAX, .required = true, .says = "8 to 72 bytes."

static const struct field user_fields[] = {
    { "email",    TEXT,  .max = EMAIL_MAX, .required = true, .filter = true, .says = "Kept in small letters; unique." },
    { PASSWORD,   .hidden = true, .fixed = true },
    { "role",     TEXT,  .max = 31, .standard = "\"user\"", .filter = true, .says = "The name of a role." },
    { "status",   ONEOF, .oneof = "active|suspended|deleted", .standard = "\"active\"", .filter = true,
      .says = "Set to active or suspended; DELETE makes it deleted." },
};
static const struct field password_input[] = {
    { PASSWORD },
};

#define USERS .permit = PERMIT_USERS_MANAGE

static const struct action user_actions[] = {
    { GET, "/api/v1/users", USERS,
      .rate   = RATE_DEFAULT,    .list = true, .plain = true,
      .run    = user_list,       .then = crud_listed,
      .says   = "List users; the deleted only when asked for by status." },
    /* plain: with an Idempotency-Key a fast hash of the password would be kept. The address is unique anyway. */
    { POST, "/api/v1/users", USERS,
      .rate   = RATE_ADMIN,      .plain = true,
      .steps  = create_steps,    .audit = "user.create", .status = 201,
      .says   = "Create a user." },
    { GET, "/api/v1/users/{id}", USERS,
      .access = ACCESS_READ,     .rate = RATE_DEFAULT, .cache = CACHE_API, .plain = true,
      .run    = crud_get,
      .says   = "Read one user." },
    { PATCH, "/api/v1/users/{id}", USERS,
      .access = ACCESS_WRITE,    .rate = RATE_ADMIN, .cache = CACHE_API,
      .steps  = update_steps,    .audit = "user.update",
      .says   = "Change a user; another role or status ends the tokens given before." },
    { DELETE, "/api/v1/users/{id}", USERS,
      .access = ACCESS_DELETE,   .rate = RATE_ADMIN, .cache = CACHE_API,
      .steps  = delete_steps,    .audit = "user.delete", .status = 204,
      .says   = "Delete a user; its sessions and keys end at once." },
    { POST, "/api/v1/users/{id}/password", USERS,
      .access = ACCESS_WRITE,    .rate = RATE_ADMIN, .cache = CACHE_API, .plain = true,
      .input  = password_input,  .ninput = COUNT(password_input),
      .steps  = password_set_steps, .audit = "user.password", .status = 204,
      .says   = "Set a user's password; its sessions end at once." },
};

const struct resource users = {
    .noun = "user", .plural = "users",
    RESOURCE_FIELDS(user_fields), RESOURCE_ACTIONS(user_actions),
    .get = &stmt_user_get, .set = &stmt_user_set,
    .list = stmt_user_list, .sorts = stmt_user_list_sorts,
    .adjust = user_adjust,
};
