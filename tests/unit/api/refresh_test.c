/* Refresh tokens: one use each, a grace for who lost the reply, and the end of the family for a thief. */
#include "handler.h"

static struct uuid session;

/* Signs in; the first token of the family. */
static struct str sign_in(void)
{
    struct call *c = call(&auth, POST, "/api/v1/auth/login", NULL, CREDENTIALS);
    expect(c, 200);
    struct str token = member(c, "refresh_token");
    session = c->r.audit_target;
    done(c);
    return token;
}

static struct call *trade_begin(struct str token)
{
    return begin(&auth, POST, "/api/v1/auth/refresh", NULL,
                 text("{\"refresh_token\":\"%.*s\"}", STR_ARG(token)));
}

static struct call *trade(struct str token)
{
    struct call *c = trade_begin(token);
    settle();
    return c;
}

static struct str successor(struct str token)
{
    struct call *c = trade(token);
    expect(c, 200);
    struct str next = member(c, "refresh_token");
    done(c);
    return next;
}

static bool live(void)
{
    return run(text("select count(*) from sessions where id = x'%s' and revoked_at is null",
                    hex(&session))) == 1;
}

static void each_is_good_for_one_use(void **state)
{
    (void)state;
    struct str first = sign_in(), second = successor(first), third = successor(second);
    assert_false(str_eq(first, second) || str_eq(second, third));
    assert_int_equal(run("select count(*) from refresh_tokens"), 3);
    assert_int_equal(run("select count(*) from refresh_tokens where used_at is null"), 1);
    assert_true(live());
}

static void a_retry_gets_the_same_successor(void **state)
{
    (void)state;
    struct str first = sign_in(), second = successor(first);
    later = 9 * SECOND;
    assert_true(str_eq(successor(first), second));
    assert_int_equal(run("select count(*) from refresh_tokens"), 2);
    assert_true(live());
}

static void later_it_ends_the_family(void **state)
{
    (void)state;
    struct str first = sign_in(), second = successor(first);
    struct epochs under = { 0 };
    epochs_add(&under, EPOCH_SESSION, session.b, 16);
    later = 11 * SECOND;
    struct call *c = trade(first);
    expect(c, 401);
    assert_string_equal(c->r.audit_noun, "session.reuse");
    assert_true(uuid_eq(&c->r.audit_target, &session));
    done(c);
    assert_false(live());
    assert_false(epochs_fresh(&under)); /* its access tokens end on every worker */
    denied(trade(second), ERR_SESSION_ENDED);
}

/* Upkeep forgets successors: what is left of a used token is that it was used. */
static void so_it_does_without_its_successor(void **state)
{
    (void)state;
    struct str first = sign_in();
    successor(first);
    run("update refresh_tokens set successor = null");
    done(trade(first));
    assert_false(live());
}

static void of_many_at_once_all_get_one_successor(void **state)
{
    (void)state;
    struct str first = sign_in(), next = STR_NONE;
    struct call *all[12];
    for (int i = 0; i < 12; i++)
        all[i] = trade_begin(first);
    settle();
    for (int i = 0; i < 12; i++) {
        expect(all[i], 200);
        struct str got = member(all[i], "refresh_token");
        assert_true(i == 0 || str_eq(got, next));
        next = got;
        done(all[i]);
    }
    assert_int_equal(run("select count(*) from refresh_tokens"), 2);
    successor(next);
    assert_true(live());
}

static void the_session_lives_on_with_it(void **state)
{
    (void)state;
    struct str first = sign_in();
    later = 29 * DAY;
    struct str second = successor(first);
    later = 58 * DAY;
    successor(second);
    later = 89 * DAY;
    assert_true(live());
}

static void what_has_ended_is_not_traded(void **state)
{
    (void)state;
    struct str first = sign_in();
    later = 30 * DAY + SECOND;
    denied(trade(first), ERR_SESSION_ENDED);
    later = 0;
    run("update refresh_tokens set expires_at = 1");
    denied(trade(first), ERR_TOKEN_EXPIRED);
    run("update users set status = 'suspended'");
    denied(trade(first), ERR_SESSION_ENDED);
    run("update users set status = 'active'");
    run("update sessions set revoked_at = 1");
    denied(trade(first), ERR_SESSION_ENDED);
}

static void a_session_that_ends_meanwhile_is_not_revived(void **state)
{
    (void)state;
    struct str first = sign_in();
    struct call *c = trade_begin(first);
    run("create trigger ends after update of used_at on refresh_tokens begin update sessions set revoked_at = 1; end");
    settle();
    denied(c, ERR_SESSION_ENDED);
    run("drop trigger ends");
    assert_int_equal(run("select count(*) from refresh_tokens where used_at is not null"), 0);
}

static void what_is_no_token(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "x",
        "ghr_",
        "ghr_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", /* unknown */
        "ghr_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB", /* spare bits */
        "ghr_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "ghr_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "GHR_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    };
    for (int i = 0; i < COUNT(rows); i++)
        denied(trade(str_of(rows[i])), ERR_BAD_TOKEN);
}

static void the_store_holds_no_token(void **state)
{
    (void)state;
    struct str first = sign_in(), second = successor(first);
    struct str both[] = { first, second };
    for (int i = 0; i < 2; i++)
        assert_int_equal(run(text("select sum(instr(hash, t) + instr(coalesce(successor, x''), t)) "
                                  "from refresh_tokens, (select cast('%.*s' as blob) as t)",
                                  STR_ARG(both[i]))),
                         0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_is_good_for_one_use),
        TEST(a_retry_gets_the_same_successor),
        TEST(later_it_ends_the_family),
        TEST(so_it_does_without_its_successor),
        TEST(of_many_at_once_all_get_one_successor),
        TEST(the_session_lives_on_with_it),
        TEST(what_has_ended_is_not_traded),
        TEST(a_session_that_ends_meanwhile_is_not_revived),
        TEST(what_is_no_token),
        TEST(the_store_holds_no_token),
    };
    return cmocka_run_group_tests_name("api/refresh", tests, NULL, NULL);
}
