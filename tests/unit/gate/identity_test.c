/* Who asks: sessions and keys from memory and from the store, and that nothing stale is ever used. */
#include "caller.h"

/* ---- without credentials, or with what is none ---- */

static void nobody(void **state)
{
    (void)state;
    struct asker *a = answered(STR_NONE);
    assert_int_equal(a->r.who->kind, PRINCIPAL_ANONYMOUS);
    assert_int_equal(a->r.who->permits, 0);
    expect(a, NEXT, OK);
}

static void the_operator_of_this_machine(void **state)
{
    (void)state;
    struct asker *a = calloc(1, sizeof(*a));
    a->r.local = true;
    a->v = gate_identity(&a->r);
    assert_int_equal(a->r.who->kind, PRINCIPAL_OPERATOR);
    assert_int_equal(a->r.who->permits, PERMIT_ALL);
    assert_true(a->r.who->live && a->r.who->expires == INT64_MAX);
    assert_string_equal(a->r.who->role, "operator");
    expect(a, NEXT, OK);
}

static void what_is_present_and_bad_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *authorization, *reason; /* NULL: the token itself is none */
    } rows[] = {
        { "", "not a bearer token" },
        { "Bearer", "not a bearer token" },
        { "Basic YTpi", "not a bearer token" },
        { "bearer", "not a bearer token" },
        { "Bearergh_", "not a bearer token" },
        { "Digest x", "not a bearer token" },
        { "gh_", "not a bearer token" },
        { "Bearer ", NULL },
        { "Bearer x", NULL },
        { "bEARER  a.b.c ", NULL },
        { "Bearer gh_", "not a key" },
    };
    for (int i = 0; i < COUNT(rows); i++) {
        struct asker *a = answered(str_of(rows[i].authorization));
        if (!a->r.reason != !rows[i].reason ||
            (rows[i].reason && strcmp(a->r.reason, rows[i].reason) != 0))
            fail_msg("\"%s\": %s", rows[i].authorization, a->r.reason);
        expect(a, DENY, ERR_BAD_TOKEN);
    }
}

static void a_token_and_a_key_together_are_refused(void **state)
{
    (void)state;
    struct asker *a = calloc(1, sizeof(*a));
    a->r.authorization = token();
    a->r.api_key = (struct str){ key_text, sizeof(key_text) };
    a->v = gate_identity(&a->r);
    expect(a, DENY, ERR_BAD_HEADER);
}

/* ---- sessions ---- */

static void a_session(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct asker *a = answered(token());
        const struct principal *who = a->r.who;
        assert_int_equal(who->kind, PRINCIPAL_USER);
        assert_true(uuid_eq(&who->user_id, &user) && uuid_eq(&who->session_id, &session));
        assert_int_equal(who->permits,
                         PERMIT_BIT(PERMIT_STARTUP_READ) | PERMIT_BIT(PERMIT_STARTUP_CREATE));
        assert_string_equal(who->role, "user");
        assert_true(who->live && who->expires > clock_wall());
        assert_int_equal(a->r.carried[0].n, 3);
        assert_true(epochs_fresh(&a->r.carried[0]));
        expect(a, NEXT, OK);
    }
}

static void it_is_remembered_until_an_epoch_moves(void **state)
{
    (void)state;
    const struct {
        enum epoch_kind kind;
        const void *id;
        size_t n;
    } moves[] = { { EPOCH_USER, user.b, 16 },
                  { EPOCH_SESSION, session.b, 16 },
                  { EPOCH_ROLES, NULL, 0 } };

    for (int i = 0; i < COUNT(moves); i++) {
        run("update sessions set revoked_at = null");
        epoch_bump(EPOCH_USER, user.b, 16);
        expect(answered(token()), NEXT, OK);
        run("update sessions set revoked_at = 1"); /* behind our back: no epoch moves */
        struct asker *a = answered(token());
        assert_true(a->r.who->live);
        expect(a, NEXT, OK);
        epoch_bump(moves[i].kind, moves[i].id, moves[i].n);
        a = answered(token());
        assert_false(a->r.who->live);
        expect(a, NEXT, OK);
    }
}

static void a_users_end_ends_it(void **state)
{
    (void)state;
    run("update users set status = 'suspended'");
    struct asker *a = answered(token());
    assert_false(a->r.who->live);
    expect(a, NEXT, OK);
}

static void a_token_older_than_its_user_is_void(void **state)
{
    (void)state;
    run("update users set token_version = 2");
    expect(answered(token()), DENY, ERR_SESSION_ENDED);
    expect(answered(token()), DENY, ERR_SESSION_ENDED);
    expect(answered(token_of(user, session, 2)), NEXT, OK);
    expect(answered(token_of(user, session, 3)), DENY, ERR_SESSION_ENDED);
}

static void a_session_that_is_not_there(void **state)
{
    (void)state;
    expect(answered(token_of(user, id_of(77), 1)), DENY, ERR_SESSION_ENDED);
    expect(answered(token_of(user, id_of(77), 1)), DENY, ERR_SESSION_ENDED);
}

static void anothers_session(void **state)
{
    (void)state;
    expect(answered(token_of(id_of(88), session, 1)), DENY, ERR_SESSION_ENDED);
}

/* Nobody may be signed out because the store is not there. */
static void a_store_that_fails_is_503(void **state)
{
    (void)state;
    struct str bearer = token(), by_key = key();
    run("alter table users rename to hidden");
    expect(answered(bearer), DENY, ERR_UNAVAILABLE);
    expect(answered(by_key), DENY, ERR_UNAVAILABLE);
    run("alter table hidden rename to users");
    expect(answered(bearer), NEXT, OK);
    expect(answered(by_key), NEXT, OK);
}

static void keys_that_cannot_be_read_are_503(void **state)
{
    (void)state;
    struct str bearer = token();
    epoch_bump(EPOCH_KEYS, NULL, 0);
    run("alter table signing_keys rename to hidden");
    expect(answered(bearer), DENY, ERR_UNAVAILABLE);
    run("alter table hidden rename to signing_keys");
    expect(answered(bearer), NEXT, OK);
}

static void many_at_once_share_one_load(void **state)
{
    (void)state;
    struct asker *all[20];
    int64_t before = metric_read(METRIC_STORE_ASKS, 0);
    for (int i = 0; i < 20; i++)
        all[i] = arrives(token());
    settle();
    assert_int_equal(metric_read(METRIC_STORE_ASKS, 0) - before, 1);
    for (int i = 0; i < 20; i++)
        expect(all[i], NEXT, OK);
}

/* What was read before a change must not serve after it. */
static void what_moves_while_it_is_read_is_not_remembered(void **state)
{
    (void)state;
    struct asker *a = arrives(token());
    assert_int_equal(a->v, WAIT);
    epoch_bump(EPOCH_USER, user.b, 16);
    settle();
    assert_false(epochs_fresh(&a->r.carried[0])); /* the pipeline looks at this */
    expect(a, NEXT, OK);
    run("update sessions set revoked_at = 1");
    a = answered(token());
    assert_false(a->r.who->live);
    expect(a, NEXT, OK);
}

static void a_session_is_all_that_its_row_says(void **state)
{
    (void)state;
    struct uuid glass = id_of(40), team = id_of(30);
    run("insert into break_glass values (x'%s', x'%s', x'%s', 'fire', 777, null, 1, 0, 0)",
        HEX(glass), HEX(user), HEX(session));
    run("insert into teams values (x'%s', x'%s', 'team', null, 10, '{}', 1, 0, 0)", HEX(team),
        HEX(user));
    run("insert into team_members values (x'%s', x'%s', x'%s', 'editor', 1, 0, 0)", HEX(team),
        HEX(team), HEX(user));
    run("update sessions set address = '192.0.2.7', user_agent = 'curl/8', expires_at = 12345");
    const struct risk_place place = risk_place_kept(STR("192.0.2.7"), STR("curl/8"));
    for (int i = 0; i < 2; i++) {
        struct asker *a = answered(token());
        const struct principal *who = a->r.who;
        assert_true(uuid_eq(&who->break_glass, &glass));
        assert_int_equal(who->break_glass_until, 777);
        assert_int_equal(who->expires, 12345);
        assert_int_equal(who->token_version, 1);
        assert_int_equal(principal_team_access(who, &team), ACCESS_WRITE);
        assert_true(place.network && who->place.network == place.network &&
                    who->place.agent == place.agent);
        assert_true(a->r.until > clock_wall() + HOUR - 2 * SECOND);
        expect(a, NEXT, OK);
    }
}

static void keys_that_move_while_they_are_read_are_read_again(void **state)
{
    (void)state;
    struct str bearer = token();
    epoch_bump(EPOCH_KEYS, NULL, 0);
    int64_t before = asks();
    struct asker *a = arrives(bearer);
    assert_int_equal(a->v, WAIT);
    epoch_bump(EPOCH_KEYS, NULL, 0);
    settle();
    assert_int_equal(asks() - before, 3); /* the keys, once more, the session */
    assert_false(keyring_stale(keyring));
    expect(a, NEXT, OK);
}

/* ---- API keys ---- */

static void a_key_does_what_its_scopes_and_its_owners_role_allow(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct asker *a = answered(key());
        const struct principal *who = a->r.who;
        assert_int_equal(who->kind, PRINCIPAL_APIKEY);
        assert_true(uuid_eq(&who->user_id, &user) && uuid_eq(&who->session_id, &key_id));
        assert_int_equal(who->permits, PERMIT_BIT(PERMIT_STARTUP_READ));
        assert_string_equal(who->role, "user");
        assert_true(who->live && who->expires == INT64_MAX);
        assert_int_equal(a->r.carried[0].n, 3);
        assert_true(epochs_fresh(&a->r.carried[0]));
        expect(a, NEXT, OK);
    }
}

static void a_key_in_its_own_header(void **state)
{
    (void)state;
    struct asker *a = asker_new();
    a->r.api_key = (struct str){ key_text, sizeof(key_text) };
    a->v = gate_identity(&a->r);
    settle();
    expect(a, NEXT, OK);
    a = asker_new(); /* and nothing else there */
    a->r.api_key = token();
    a->r.api_key = (struct str){ a->r.api_key.p + 7, a->r.api_key.n - 7 };
    a->v = gate_identity(&a->r);
    settle();
    expect(a, DENY, ERR_BAD_TOKEN);
}

static void a_wrong_secret_and_an_unknown_key(void **state)
{
    (void)state;
    char right = key_text[APIKEY_TEXT - 1];
    key_text[APIKEY_TEXT - 1] = right == 'A' ? 'B' : 'A';
    expect(answered(key()), DENY, ERR_BAD_TOKEN);
    expect(answered(key()), DENY, ERR_BAD_TOKEN); /* the right hash is remembered by now */
    key_text[APIKEY_TEXT - 1] = right;
    expect(answered(key()), NEXT, OK);
    key_text[4] = key_text[4] == 'A' ? 'B' : 'A';
    expect(answered(key()), DENY, ERR_BAD_TOKEN);
}

static void it_ends_with_each_of_its_epochs(void **state)
{
    (void)state;
    const struct {
        enum epoch_kind kind;
        const void *id;
        size_t n;
    } moves[] = { { EPOCH_USER, user.b, 16 },
                  { EPOCH_APIKEY, key_text + 3, 8 },
                  { EPOCH_ROLES, NULL, 0 } };

    for (int i = 0; i < COUNT(moves); i++) {
        run("update users set status = 'active'");
        epoch_bump(EPOCH_USER, user.b, 16);
        expect(answered(key()), NEXT, OK);
        run("update users set status = 'suspended'");
        struct asker *a = answered(key());
        assert_true(a->r.who->live);
        expect(a, NEXT, OK);
        epoch_bump(moves[i].kind, moves[i].id, moves[i].n);
        a = answered(key());
        assert_false(a->r.who->live);
        expect(a, NEXT, OK);
    }
}

/* Its owner is only known once it is read: a suspension in between must not be missed. */
static void its_owner_is_watched_from_before_the_read(void **state)
{
    (void)state;
    struct asker *a = arrives(key());
    run("update users set status = 'suspended'");
    epoch_bump(EPOCH_USER, user.b, 16);
    settle();
    bool fresh = epochs_fresh(&a->r.carried[0]);
    assert_true(!a->r.who->live || !fresh);
    expect(a, NEXT, OK);
    a = answered(key());
    assert_false(a->r.who->live);
    expect(a, NEXT, OK);
}

static void its_expiry_is_the_principals(void **state)
{
    (void)state;
    run("update api_keys set expires_at = 12345");
    struct asker *a = answered(key());
    assert_int_equal(a->r.who->expires, 12345);
    expect(a, NEXT, OK);
}

static const struct {
    const char *says, *status;
    int64_t left; /* until it ends */
    bool noted;
} uses[] = {
    { "in force", "active", 1, true },
    { "ended just now", "active", 0, false },
    { "of somebody who is suspended", "suspended", 1, false },
    { "both", "suspended", 0, false },
};

static void the_use_of_a_key_in_force_is_noted(void **state)
{
    (void)state;
    for (int i = 0; i < COUNT(uses); i++) {
        struct asker *a = asker_new();
        a->r.now += (1 + i) * DAY; /* none meets the minute of another */
        run("update users set status = '%s'", uses[i].status);
        run("update api_keys set last_used_at = null, expires_at = %lld",
            (long long)(a->r.now + uses[i].left));
        epoch_bump(EPOCH_USER, user.b, 16);
        a->r.authorization = key();
        a->v = gate_identity(&a->r);
        settle();
        expect(a, NEXT, OK);
        settle();
        if (run("select count(*) from api_keys where last_used_at is not null") != uses[i].noted)
            fail_msg("%s", uses[i].says);
    }
}

static void its_use_is_noted_once_a_minute(void **state)
{
    (void)state;
    expect(answered(key()), NEXT, OK);
    settle();
    assert_true(run("select last_used_at from api_keys") > clock_wall() - MINUTE);
    run("update api_keys set last_used_at = 1");
    expect(answered(key()), NEXT, OK);
    settle();
    assert_int_equal(run("select last_used_at from api_keys"), 1);
}

/* Its entry stands on its owner's epoch already. */
static void a_key_in_memory_is_looked_at_once(void **state)
{
    (void)state;
    const unsigned hits = CACHE_SESSION * 4; /* cells within a type: src/cache/cache.c */
    expect(answered(key()), NEXT, OK);
    int64_t before = metric_read(METRIC_CACHE_LOOKUPS, hits);
    expect(answered(key()), NEXT, OK);
    assert_int_equal(metric_read(METRIC_CACHE_LOOKUPS, hits) - before, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(its_use_is_noted_once_a_minute), /* first: that minute is the process' */
        TEST(nobody),
        TEST(the_operator_of_this_machine),
        TEST(what_is_present_and_bad_is_refused),
        TEST(a_token_and_a_key_together_are_refused),
        TEST(a_session),
        TEST(it_is_remembered_until_an_epoch_moves),
        TEST(a_users_end_ends_it),
        TEST(a_token_older_than_its_user_is_void),
        TEST(a_session_that_is_not_there),
        TEST(anothers_session),
        TEST(a_store_that_fails_is_503),
        TEST(keys_that_cannot_be_read_are_503),
        TEST(many_at_once_share_one_load),
        TEST(what_moves_while_it_is_read_is_not_remembered),
        TEST(a_key_does_what_its_scopes_and_its_owners_role_allow),
        TEST(a_key_in_its_own_header),
        TEST(a_wrong_secret_and_an_unknown_key),
        TEST(it_ends_with_each_of_its_epochs),
        TEST(its_owner_is_watched_from_before_the_read),
        TEST(its_expiry_is_the_principals),
        TEST(the_use_of_a_key_in_force_is_noted),
        TEST(a_session_is_all_that_its_row_says),
        TEST(keys_that_move_while_they_are_read_are_read_again),
        TEST(a_key_in_memory_is_looked_at_once),
    };
    static const char *types[CACHE_TYPE_COUNT];
    for (int i = 0; i < CACHE_TYPE_COUNT; i++)
        types[i] = cache_type_name((enum cache_type)i);
    metric_labels(METRIC_CACHE_LOOKUPS, "type", types, CACHE_TYPE_COUNT);
    return cmocka_run_group_tests_name("gate/identity", tests, NULL, NULL);
}
