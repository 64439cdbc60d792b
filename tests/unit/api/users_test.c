/* Managing users, roles and keys: nobody gains by it, and the last admin stays. */
#include "handler.h"

#define HASH "$2b$10$abcdefghijklmnopqrstuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuu"
#define PERMITS_OF_CLERK (PERMIT_BIT(PERMIT_USERS_MANAGE) | PERMIT_BIT(PERMIT_STARTUP_READ))

static struct uuid admin;

static void as(uint64_t permits)
{
    who = (struct principal){
        .kind = PRINCIPAL_USER, .user_id = admin, .permits = permits, .live = true
    };
}

static void add_role(const char *name, const char *permissions)
{
    run(text("insert into roles values (randomblob(16), '%s', null, '%s', '{}', 1, 0, 0)", name,
             permissions));
}

static int set_up_admin(void **state)
{
    set_up(state);
    admin = id_of(2);
    add_user(&admin, "admin@example.com", "admin", HASH);
    add_role("clerk", "[\"users:manage\",\"startup:read\"]");
    add_role("reader", "[\"startup:read\"]");
    as(PERMIT_ALL);
    return 0;
}

static struct call *patch(const struct uuid *id, const char *body)
{
    return call(&users, PATCH, "/api/v1/users/{id}", id, body);
}

static struct call *create(const char *role)
{
    return call(&users, POST, "/api/v1/users", NULL,
                text("{\"email\":\"%s@new.example\",\"password\":\"" PASSWORD "\",\"role\":\"%s\"}",
                     role, role));
}

static struct call *remove_user(const struct uuid *id)
{
    return call(&users, DELETE, "/api/v1/users/{id}", id, "");
}

static struct call *set_password(const struct uuid *id)
{
    return call(&users, POST, "/api/v1/users/{id}/password", id,
                "{\"password\":\"set by another\"}");
}

static void a_role_is_given_by_who_may_all_that_it_may(void **state)
{
    (void)state;
    as(PERMITS_OF_CLERK);
    did(create("clerk"), 201);
    did(create("reader"), 201);
    denied(create("admin"), ERR_FORBIDDEN);
    denied(create("manager"), ERR_FORBIDDEN);
    denied(create("nothing"), ERR_INVALID);
    run(text("update users set role = 'reader' where id = x'%s'", hex(&user)));
    denied(patch(&user, "{\"role\":\"admin\"}"), ERR_FORBIDDEN);
    did(patch(&user, "{\"role\":\"clerk\"}"), 200);
}

static void who_may_more_is_not_touched(void **state)
{
    (void)state;
    as(PERMITS_OF_CLERK);
    denied(patch(&admin, "{\"metadata\":{}}"), ERR_FORBIDDEN);
    denied(patch(&admin, "{\"role\":\"reader\"}"), ERR_FORBIDDEN);
    denied(set_password(&admin), ERR_FORBIDDEN);
    denied(remove_user(&admin), ERR_FORBIDDEN);
    assert_int_equal(
        run("select count(*) from users where password_hash = '" HASH "' and status = 'active'"),
        1);
}

static void the_last_admin_stays(void **state)
{
    (void)state;
    denied(patch(&admin, "{\"role\":\"user\"}"), ERR_LAST_ADMIN);
    denied(patch(&admin, "{\"status\":\"suspended\"}"), ERR_LAST_ADMIN);
    denied(remove_user(&admin), ERR_LAST_ADMIN);
    did(patch(&admin, "{\"metadata\":{\"a\":1}}"), 200);
    did(patch(&user, "{\"role\":\"admin\"}"), 200);
    did(patch(&admin, "{\"role\":\"user\"}"), 200);
    denied(remove_user(&user), ERR_LAST_ADMIN);
}

/* Each sees the other as the one that stays. */
static void of_two_that_go_at_once_one_stays(void **state)
{
    (void)state;
    did(patch(&user, "{\"role\":\"admin\"}"), 200);
    struct call *a = begin(&users, DELETE, "/api/v1/users/{id}", &user, "");
    struct call *b = begin(&users, DELETE, "/api/v1/users/{id}", &admin, "");
    settle();
    assert_int_equal((a->v == NEXT) + (b->v == NEXT), 1);
    assert_int_equal((a->v == NEXT ? b : a)->r.err, ERR_LAST_ADMIN);
    done(a);
    done(b);
}

static void role_and_status_end_what_was_given_before(void **state)
{
    (void)state;
    run(text(
        "insert into sessions values (randomblob(16), x'%s', '', '', 9999999999999999, null, 1, 0, 0)",
        hex(&user)));
    struct epochs under = { 0 };
    epochs_add(&under, EPOCH_USER, user.b, 16);
    did(patch(&user, "{\"metadata\":{\"a\":1}}"), 200);
    assert_int_equal(run("select token_version from users where role = 'user'"), 1);
    did(patch(&user, "{\"role\":\"viewer\"}"), 200);
    assert_int_equal(run("select token_version from users where role = 'viewer'"), 2);
    assert_false(epochs_fresh(&under));
    assert_int_equal(run("select count(*) from sessions where revoked_at is null"), 1);
    did(patch(&user, "{\"status\":\"suspended\"}"), 200);
    assert_int_equal(run("select token_version from users where role = 'viewer'"), 3);
    assert_int_equal(run("select count(*) from sessions where revoked_at is null"), 0);
}

static void a_deleted_user_is_gone_and_its_address_taken(void **state)
{
    (void)state;
    denied(patch(&user, "{\"status\":\"deleted\"}"), ERR_INVALID);
    did(remove_user(&user), 204);
    denied(remove_user(&user), ERR_NOT_FOUND);
    denied(patch(&user, "{\"status\":\"active\"}"), ERR_NOT_FOUND);
    denied(set_password(&user), ERR_NOT_FOUND);
    denied(call(&auth, POST, "/api/v1/auth/register", NULL, CREDENTIALS), ERR_EXISTS);
    denied(call(&auth, POST, "/api/v1/auth/login", NULL, CREDENTIALS), ERR_BAD_LOGIN);
}

static void a_change_says_what_version_it_is_of(void **state)
{
    (void)state;
    struct call *c = begin(&users, DELETE, "/api/v1/users/{id}", &user, "");
    c->r.if_match = STR("\"v7\"");
    settle();
    denied(c, ERR_STALE);
    c = begin(&users, DELETE, "/api/v1/users/{id}", &user, "");
    c->r.if_match = STR("\"v1\"");
    settle();
    did(c, 204);
}

/* ---- roles ---- */

/* As 0002_roles.sql made it. */
static struct uuid role_id(const char *text_form)
{
    struct uuid id;
    assert_true(uuid_parse(str_of(text_form), &id));
    return id;
}

static void two_roles_stay(void **state)
{
    (void)state;
    struct uuid a = role_id("019a9f3c-0000-77f2-b70d-9e260e271365");
    struct uuid u = role_id("019a9f3c-0001-7016-9a67-036f9b540d6b");
    run(text("delete from users where id = x'%s'", hex(&user))); /* no longer held by anybody */
    denied(call(&roles, PATCH, "/api/v1/roles/{id}", &a, "{\"permissions\":[]}"), ERR_CONFLICT);
    denied(call(&roles, DELETE, "/api/v1/roles/{id}", &a, ""), ERR_CONFLICT);
    denied(call(&roles, DELETE, "/api/v1/roles/{id}", &u, ""), ERR_CONFLICT);
    did(call(&roles, PATCH, "/api/v1/roles/{id}", &u, "{\"permissions\":[]}"), 200);
}

static void names_of_roles(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "a", "A", "Ab", "1a", "_a", "a-b", "a b", "abcdefghijklmnopqrstuvwxyz012345",
    };
    for (int i = 0; i < COUNT(bad); i++)
        denied(call(&roles, POST, "/api/v1/roles", NULL,
                    text("{\"name\":\"%s\",\"permissions\":[]}", bad[i])),
               ERR_INVALID);
    did(call(&roles, POST, "/api/v1/roles", NULL,
             "{\"name\":\"abcdefghijklmnopqrstuvwxyz01234\",\"permissions\":[]}"),
        201);
    denied(call(&roles, POST, "/api/v1/roles", NULL,
                "{\"name\":\"empty_word\",\"permissions\":[\"\"]}"),
           ERR_INVALID);
}

/* ---- API keys ---- */

static struct call *make_key(const char *more)
{
    return call(&api_keys, POST, "/api/v1/api-keys", NULL, text("{\"name\":\"k\"%s}", more));
}

static void a_key_may_no_more_than_its_maker(void **state)
{
    (void)state;
    as(PERMIT_BIT(PERMIT_STARTUP_READ) | PERMIT_BIT(PERMIT_TASK_READ));
    denied(make_key(",\"scopes\":[\"startup:read\",\"startup:create\"]"), ERR_INVALID);
    denied(make_key(",\"expires_at\":\"2001-01-01T00:00:00Z\""), ERR_INVALID);
    did(make_key(",\"scopes\":[\"startup:read\"]"), 201);
    did(make_key(""), 201);
    assert_int_equal(run("select count(*) from api_keys where scopes = '[\"startup:read\"]'"), 1);
    assert_int_equal(
        run("select count(*) from api_keys where scopes = '[\"startup:read\",\"task:read\"]'"), 1);
}

static void a_key_is_shown_once_and_kept_as_a_hash(void **state)
{
    (void)state;
    struct call *c = make_key("");
    expect(c, 201);
    struct str key = member(c, "key");
    assert_true(str_starts(key, STR("gh_")) && key.n == 55);
    struct uuid id = c->r.audit_target;
    done(c);
    assert_int_equal(run("select length(hash) from api_keys"), 32);
    assert_int_equal(run(text("select instr(hash, '%.43s') from api_keys", key.p + 12)), 0);
    c = call(&api_keys, GET, "/api/v1/api-keys/{id}", &id, "");
    expect(c, 200);
    assert_null(memmem(c->r.reply.body.p, c->r.reply.body.n, key.p + 12, 43));
    assert_null(memmem(c->r.reply.body.p, c->r.reply.body.n, "\"hash\"", 6));
    done(c);
}

static struct call *rotate(const struct uuid *id, int seconds)
{
    return call(&api_keys, POST, "/api/v1/api-keys/{id}/rotate", id,
                text("{\"overlap_seconds\":%d}", seconds));
}

static void a_rotated_key_ends_after_the_overlap(void **state)
{
    (void)state;
    struct call *c =
        make_key(",\"scopes\":[\"startup:read\"],\"expires_at\":\"2100-01-01T00:00:00Z\"");
    struct uuid id = c->r.audit_target;
    done(c);
    c = rotate(&id, 60);
    expect(c, 201);
    assert_true(str_eq(member(c, "expires_at"), STR("2100-01-01T00:00:00.000000Z")));
    int64_t now = c->r.now;
    done(c);
    assert_int_equal(run(text("select expires_at from api_keys where id = x'%s'", hex(&id))),
                     now + 60 * SECOND);
    assert_int_equal(run("select count(*) from api_keys where scopes = '[\"startup:read\"]'"), 2);

    c = rotate(&id, 3600); /* it never lives longer by that */
    expect(c, 201);
    done(c);
    assert_int_equal(run(text("select expires_at from api_keys where id = x'%s'", hex(&id))),
                     now + 60 * SECOND);
    later = 2 * MINUTE;
    denied(rotate(&id, 60), ERR_CONFLICT);
}

/* ---- signing keys ---- */

static void a_ring_that_is_full_is_not_rotated(void **state)
{
    (void)state;
    for (int i = 1; i < KEYS_MAX; i++)
        did(call(&signing_keys, POST, "/api/v1/signing-keys/rotate", NULL, ""), 201);
    denied(call(&signing_keys, POST, "/api/v1/signing-keys/rotate", NULL, ""), ERR_CONFLICT);
    assert_int_equal(run("select count(*) from signing_keys where until_at is null"), 1);
    later = 32 * MINUTE;
    did(call(&signing_keys, POST, "/api/v1/signing-keys/rotate", NULL, ""), 201);
}

#define ADMIN_TEST(f) cmocka_unit_test_setup_teardown(f, set_up_admin, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ADMIN_TEST(a_role_is_given_by_who_may_all_that_it_may),
        ADMIN_TEST(who_may_more_is_not_touched),
        ADMIN_TEST(the_last_admin_stays),
        ADMIN_TEST(of_two_that_go_at_once_one_stays),
        ADMIN_TEST(role_and_status_end_what_was_given_before),
        ADMIN_TEST(a_deleted_user_is_gone_and_its_address_taken),
        ADMIN_TEST(a_change_says_what_version_it_is_of),
        ADMIN_TEST(two_roles_stay),
        ADMIN_TEST(names_of_roles),
        ADMIN_TEST(a_key_may_no_more_than_its_maker),
        ADMIN_TEST(a_key_is_shown_once_and_kept_as_a_hash),
        ADMIN_TEST(a_rotated_key_ends_after_the_overlap),
        ADMIN_TEST(a_ring_that_is_full_is_not_rotated),
    };
    return cmocka_run_group_tests_name("api/users", tests, NULL, NULL);
}
