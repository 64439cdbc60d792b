/* Signing in: what looks alike, what counts, and what a success leaves. */
#include "handler.h"

#define LOGIN "/api/v1/auth/login"

static struct call *try_begin(const char *email, const char *password)
{
    return begin(&auth, POST, LOGIN, NULL,
                 text("{\"email\":\"%s\",\"password\":\"%s\"}", email, password));
}

static struct call *try(const char *email, const char *password)
{
    struct call *c = try_begin(email, password);
    settle();
    return c;
}

static int64_t cost_of_hash(void)
{
    return run("select cast(substr(password_hash, 5, 2) as integer) from users");
}

static void a_success_makes_a_session(void **state)
{
    (void)state;
    struct call *c = try("A@Example.COM", PASSWORD);
    expect(c, 200);
    assert_true(str_starts(member(c, "refresh_token"), STR("ghr_")));
    const char *session = hex(&c->r.audit_target);
    assert_int_equal(run(text("select count(*) from sessions where id = x'%s'", session)), 1);
    assert_int_equal(run("select count(*) from refresh_tokens where used_at is null"), 1);
    assert_int_equal(run("select count(*) from sign_ins where address = '192.0.2.1'"), 1);

    struct claims claims;
    assert_int_equal(
        keyring_verify(keyring, &f.arena, member(c, "access_token"), c->r.now, &claims), OK);
    assert_true(uuid_eq(&claims.sub, &user) && uuid_eq(&claims.sid, &c->r.audit_target));
    assert_int_equal(claims.exp - claims.iat, 30 * MINUTE);
    assert_int_equal(claims.ver, 1);
    done(c);
}

static void unknown_wrong_and_inactive_fail_alike(void **state)
{
    (void)state;
    denied(try("nobody@example.com", PASSWORD), ERR_BAD_LOGIN);
    denied(try("a@example.com", "the wrong password"), ERR_BAD_LOGIN);
    run("update users set status = 'suspended'");
    denied(try("a@example.com", PASSWORD), ERR_BAD_LOGIN);
    assert_int_equal(run("select count(*) from sessions"), 0);
}

/* Found by reading: a hash of another length was taken for `nothing to check`. */
static void a_row_without_a_hash_lets_nobody_in(void **state)
{
    (void)state;
    static const char *const hashes[] = {
        "", "x", "$2b$10$", "*", "$2b$10$aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    };
    for (int i = 0; i < COUNT(hashes); i++) {
        run(text("update users set password_hash = '%s'", hashes[i]));
        denied(try("a@example.com", ""), ERR_INVALID);
        denied(try("a@example.com", "x"), ERR_BAD_LOGIN);
    }
}

static void the_sixth_failure_is_refused(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++)
        denied(try("a@example.com", "the wrong password"), ERR_BAD_LOGIN);
    struct call *c = try("a@example.com", PASSWORD);
    expect_denied(c, ERR_TOO_MANY_LOGINS);
    assert_true(c->r.spent.reset > 0 && c->r.spent.reset <= 61 * SECOND);
    done(c);
    denied(try("A@EXAMPLE.com", PASSWORD), ERR_TOO_MANY_LOGINS);
}

static void successes_do_not_count(void **state)
{
    (void)state;
    for (int i = 0; i < 8; i++)
        did(try("a@example.com", PASSWORD), 200);
    for (int i = 0; i < 4; i++)
        denied(try("a@example.com", "the wrong password"), ERR_BAD_LOGIN);
    did(try("a@example.com", PASSWORD), 200);
}

/* Spent ahead: those that are still being checked count as failed. */
static void guesses_at_once_do_not_slip_through(void **state)
{
    (void)state;
    struct call *all[6];
    for (int i = 0; i < 6; i++)
        all[i] = try_begin("a@example.com", "the wrong password");
    expect_denied(all[5], ERR_TOO_MANY_LOGINS);
    settle();
    for (int i = 0; i < 6; i++)
        done(all[i]);
}

/* What was not looked at must not count: the pool takes 2 + 4. */
static void a_full_pool_refuses_and_gives_back(void **state)
{
    (void)state;
    struct call *all[10];
    struct in6_addr all_from;
    int busy = 0;
    for (int i = 0; i < 10; i++)
        all[i] = try_begin(text("user%d@example.com", i), "the wrong password");
    settle();
    for (int i = 0; i < 10; i++) {
        assert_int_equal(all[i]->v, DENY);
        all_from = all[i]->r.address;
        busy += all[i]->r.err == ERR_BUSY;
        assert_true(all[i]->r.err == ERR_BUSY || all[i]->r.err == ERR_BAD_LOGIN);
        done(all[i]);
    }
    assert_in_range(busy, 1, 4);
    struct signin s;
    struct spent left;
    signin_windows(&s, STR("x"), &all_from, false);
    assert_true(window_look(windows, &s.windows[1], 1, clock_mono(), &left, NULL));
    assert_int_equal(left.left, 20 - (10 - busy)); /* of the address */
}

static void an_older_cost_is_raised_with_the_password_at_hand(void **state)
{
    (void)state;
    config.bcrypt_cost = 11;
    denied(try("a@example.com", "the wrong password"), ERR_BAD_LOGIN);
    assert_int_equal(cost_of_hash(), 10);
    did(try("a@example.com", PASSWORD), 200);
    assert_int_equal(cost_of_hash(), 11);
    assert_int_equal(run("select token_version from users"), 1); /* nobody is signed out by it */
    did(try("a@example.com", PASSWORD), 200);
}

static void a_user_agent_that_is_no_text_is_left_out(void **state)
{
    (void)state;
    static char agent[300];
    struct call *c = begin(&auth, POST, LOGIN, NULL, CREDENTIALS);
    c->r.user_agent = STR("\xff\xfe");
    settle();
    did(c, 200);
    memset(agent, 'a', sizeof(agent));
    memcpy(agent + 255, "\xc3\xa9", 2); /* over the end */
    c = begin(&auth, POST, LOGIN, NULL, CREDENTIALS);
    c->r.user_agent = (struct str){ agent, sizeof(agent) };
    settle();
    did(c, 200);
    assert_int_equal(run("select count(*) from sessions where user_agent = ''"), 1);
    assert_int_equal(run("select max(length(user_agent)) from sessions"), 255);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_success_makes_a_session),
        TEST(unknown_wrong_and_inactive_fail_alike),
        TEST(a_row_without_a_hash_lets_nobody_in),
        TEST(the_sixth_failure_is_refused),
        TEST(successes_do_not_count),
        TEST(guesses_at_once_do_not_slip_through),
        TEST(a_full_pool_refuses_and_gives_back),
        TEST(an_older_cost_is_raised_with_the_password_at_hand),
        TEST(a_user_agent_that_is_no_text_is_left_out),
    };
    return cmocka_run_group_tests_name("api/login", tests, NULL, NULL);
}
