/* Addresses, and the change of a password. */
#include "handler.h"

#include "../../../src/api/account.h"

static void addresses(void **state)
{
    (void)state;
    static const struct {
        const char *email;
        bool valid;
    } rows[] = {
        { "a@b.c", true },
        { "first.last+tag@mail.example.com", true },
        { "o'brien!#$%&*/=?^_`{|}~-@x-y.example", true },
        { "1@2.3", true },
        { "", false },
        { "a", false },
        { "@", false },
        { "a@", false },
        { "@b.c", false },
        { "a@b", false },
        { "a@b.", false },
        { "a@.b", false },
        { "a@b..c", false },
        { ".a@b.c", false },
        { "a.@b.c", false },
        { "a..b@c.d", false },
        { "a@-b.c", false },
        { "a@b-.c", false },
        { "a@b_c.d", false },
        { "a@b@c.d", false },
        { "a b@c.d", false },
        { "a\n@c.d", false },
        { "\"a\"@c.d", false },
        { "a@[127.0.0.1]", false },
        { "A@b.c", false }, /* not folded */
        { "\xc3\xa9@b.c", false },
        { "a@b.c,d@e.f", false },
        { "a@b.c\r\nbcc:d", false },
        { "<a@b.c>", false },
    };
    for (int i = 0; i < COUNT(rows); i++)
        if (email_valid(str_of(rows[i].email)) != rows[i].valid)
            fail_msg("%s", rows[i].email);
    assert_false(email_valid((struct str){ "a\0b@c.d", 7 }));
}

static void lengths_of_addresses(void **state)
{
    (void)state;
    char local[66], label[66], email[400];
    memset(local, 'a', sizeof(local));
    memset(label, 'b', sizeof(label));
    for (int n = 63; n <= 65; n++) {
        snprintf(email, sizeof(email), "%.*s@b.c", n, local);
        assert_int_equal(email_valid(str_of(email)), n <= 64);
        snprintf(email, sizeof(email), "a@%.*s.c", n, label);
        assert_int_equal(email_valid(str_of(email)), n <= 63);
    }
    for (int n = 60; n <= 63; n++) { /* 254 at most */
        snprintf(email, sizeof(email), "%.*s@%.*s.%.*s.%.*s", 60, local, 63, label, 63, label, n,
                 label);
        assert_int_equal(email_valid(str_of(email)), strlen(email) <= EMAIL_MAX);
    }
}

static void folding_is_of_ascii_letters(void **state)
{
    (void)state;
    struct arena a = { 0 };
    struct str folded = email_fold(&a, STR("AZaz09.@\xc3\x89X"));
    assert_true(str_eq(folded, STR("azaz09.@\xc3\x89x")));
    arena_reset(&a);
}

/* ---- the change of a password ---- */

static struct call *change(const char *current, const char *next)
{
    who = (struct principal){ .kind = PRINCIPAL_USER, .user_id = user };
    return call(&auth, POST, "/api/v1/auth/password", NULL,
                text("{\"current_password\":\"%s\",\"new_password\":\"%s\"}", current, next));
}

static struct call *login(const char *password)
{
    return call(&auth, POST, "/api/v1/auth/login", NULL,
                text("{\"email\":\"a@example.com\",\"password\":\"%s\"}", password));
}

static void a_change_needs_the_current_one_and_ends_every_session(void **state)
{
    (void)state;
    did(login(PASSWORD), 200);
    did(login(PASSWORD), 200);
    denied(change("the wrong password", "another password"), ERR_BAD_LOGIN);
    assert_int_equal(run("select count(*) from sessions where revoked_at is null"), 2);
    did(change(PASSWORD, "another password"), 204);
    assert_int_equal(run("select count(*) from sessions where revoked_at is null"), 0);
    assert_int_equal(run("select token_version from users"), 2);
    denied(login(PASSWORD), ERR_BAD_LOGIN);
    did(login("another password"), 200);
}

static void wrong_ones_count_as_failed_sign_ins(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        denied(change("the wrong password", "another password"), ERR_BAD_LOGIN);
    for (int i = 0; i < 2; i++)
        denied(login("the wrong password"), ERR_BAD_LOGIN);
    denied(change(PASSWORD, "another password"), ERR_TOO_MANY_LOGINS);
    denied(login(PASSWORD), ERR_TOO_MANY_LOGINS);
}

static void lengths_of_passwords(void **state)
{
    (void)state;
    denied(change(PASSWORD, "7 bytes"), ERR_INVALID);
    denied(change(PASSWORD,
                  "0123456789012345678901234567890123456789012345678901234567890123456789012"),
           ERR_INVALID);
    did(change(PASSWORD,
               "012345678901234567890123456789012345678901234567890123456789012345678901"),
        204);
}

/* ---- sign-up ---- */

static struct call *sign_up(const char *email)
{
    return call(&auth, POST, "/api/v1/auth/register", NULL,
                text("{\"email\":\"%s\",\"password\":\"" PASSWORD "\"}", email));
}

static void sign_up_makes_a_user(void **state)
{
    (void)state;
    struct call *c = sign_up("New@Example.com");
    expect(c, 201);
    assert_true(str_eq(member(c, "role"), STR("user")));
    assert_true(str_eq(member(c, "email"), STR("new@example.com")));
    assert_false(memmem(c->r.reply.body.p, c->r.reply.body.n, "$2b$", 4));
    done(c);
    denied(sign_up("NEW@example.com"), ERR_EXISTS);
    denied(sign_up("no address"), ERR_INVALID);
}

static void sign_up_may_be_closed(void **state)
{
    (void)state;
    static const int64_t closed[] = { REGISTRATION_CLOSED, REGISTRATION_INVITE };
    for (int i = 0; i < 2; i++) {
        config.registration = closed[i];
        denied(sign_up("new@example.com"), ERR_REGISTRATION);
    }
    assert_int_equal(run("select count(*) from users"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses),
        cmocka_unit_test(lengths_of_addresses),
        cmocka_unit_test(folding_is_of_ascii_letters),
        TEST(a_change_needs_the_current_one_and_ends_every_session),
        TEST(wrong_ones_count_as_failed_sign_ins),
        TEST(lengths_of_passwords),
        TEST(sign_up_makes_a_user),
        TEST(sign_up_may_be_closed),
    };
    return cmocka_run_group_tests_name("api/account", tests, NULL, NULL);
}
