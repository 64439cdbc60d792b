#include "restrictions.h"

#include "base/clock.h"
#include "base/json.h"
#include "gen/stmt.h"
#include "route/resource.h"

static enum err bad(struct req *r, const char *field, const char *message)
{
    req_fault(r, field, "format", message);
    return ERR_INVALID;
}

static bool read_until(const struct json *v, int64_t *out)
{
    return v && json_type(v) == JSON_TEXT && clock_parse(json_text(v), out);
}

static enum access access_of(struct str name)
{
    for (int access = ACCESS_READ; access <= ACCESS_ADMIN; access++)
        if (access != ACCESS_CREATE && str_eq(name, str_of(access_name((enum access)access))))
            return (enum access)access;
    return ACCESS_NONE;
}

static bool read_accesses(const struct json *v, uint64_t *bits)
{
    struct json_walk w = json_walk(v);
    if (json_type(v) != JSON_ARRAY || json_count(v) == 0)
        return false;
    while (json_next(&w)) {
        enum access access =
            json_type(w.value) == JSON_TEXT ? access_of(json_text(w.value)) : ACCESS_NONE;
        if (access == ACCESS_NONE)
            return false;
        *bits |= (uint64_t)1 << access;
    }
    return true;
}

static bool read_users(const struct json *v, struct restriction *out)
{
    struct json_walk w = json_walk(v);
    if (json_type(v) != JSON_ARRAY || json_count(v) == 0 || json_count(v) > RESTRICTED_MAX)
        return false;
    while (json_next(&w)) {
        struct uuid *user = &out->users[out->nusers];
        if (json_type(w.value) != JSON_TEXT || !uuid_parse(json_text(w.value), user) ||
            !uuid_acceptable(user))
            return false;
        out->nusers++;
    }
    return true;
}

enum err restriction_read(struct req *r, struct value v, struct restriction *out)
{
    const struct json *whole;
    *out = (struct restriction){ .any = !v.null };
    if (v.null)
        return OK;
    TRY(json_read(&r->arena, v.text, &whole));
    const struct json *access = json_get(whole, "access"), *users = json_get(whole, "users");
    size_t known = 1 + (access != NULL) + (users != NULL);
    if (!read_until(json_get(whole, "until"), &out->until))
        return bad(r, "restrictions.until", "A time, RFC 3339 in UTC.");
    if (json_count(whole) != known)
        return bad(r, "restrictions", "Only until, access and users.");
    if (access && !read_accesses(access, &out->accesses))
        return bad(r, "restrictions.access", "Some of read, write, delete, share, admin.");
    if (!access)
        out->accesses = ((uint64_t)1 << (ACCESS_ADMIN + 1)) - ((uint64_t)1 << ACCESS_READ);
    if (users && !read_users(users, out))
        return bad(r, "restrictions.users", "1 to 8 ids of users.");
    return OK;
}

enum verdict restriction_add(struct req *r, const struct value *row)
{
    const struct uuid *id = &row[COL_GENERATION_ID].uuid, *root = &row[COL_GENERATION_ROOT_ID].uuid;
    const struct uuid *owner = &row[COL_GENERATION_OWNER_ID].uuid;
    struct restriction x;
    enum err err = restriction_read(r, row[COL_GENERATION_RESTRICTIONS], &x);
    if (err != OK)
        return req_deny(r, err);
    int64_t bits = (int64_t)x.accesses;
    if (x.any && x.nusers == 0)
        add_generation_restrictions_add(&r->change, id, root, owner, NULL, x.until, bits);
    for (int i = 0; i < x.nusers; i++)
        add_generation_restrictions_add(&r->change, id, root, owner, &x.users[i], x.until, bits);
    return NEXT;
}
