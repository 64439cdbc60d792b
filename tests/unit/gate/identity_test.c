/* Who asks: sessions and keys from memory and from the store, and that nothing stale is ever used. */
#include "../store/fixture.h"

#include "api/all.h"
#include "api/crud.h"
#include "cache/cache.h"
#include "gate/apikey.h"
#include "gate/facts.h"
#include "gate/keyring.h"

#define JWT_SECRET STR("0123456789abcdef0123456789abcdef")
#define ROLE_USER "[\"startup:read\",\"startup:create\"]"

static struct fixture f;
static struct cache *cache;
static struct keyring *keyring;
static struct uuid user, session, key_id;
static char key_text[APIKEY_TEXT];

/* One request at the stage. */
struct asker {
    struct req r;
    enum verdict v;
    bool early; /* went on without having been told to wait */
};

static void went_on(struct wait *w)
{
    struct asker *a = (struct asker *)(void *)LIST_OF(w, struct req, wait);
    a->early = a->early || a->v != WAIT;
    a->v = gate_identity_known(&a->r);
}

static struct asker *arrives(struct str authorization)
{
    struct asker *a = calloc(1, sizeof(*a));
    assert_non_null(a);
    clock_tick();
    a->r.store = f.store;
    a->r.cache = cache;
    a->r.keyring = keyring;
    a->r.now = clock_wall();
    a->r.authorization = authorization;
    wait_init(&a->r.wait, went_on);
    a->v = gate_identity(&a->r);
    return a;
}

static struct asker *answered(struct str authorization)
{
    struct asker *a = arrives(authorization);
    settle();
    return a;
}

static void end(struct asker *a)
{
    assert_false(a->early);
    assert_null(a->r.filling.key.p); /* whoever waits for a fill was told */
    rows_fini(&a->r.found);
    arena_reset(&a->r.arena);
    free(a);
}

static void expect_at(int line, struct asker *a, enum verdict v, enum err err)
{
    if (a->v != v || (v == DENY && a->r.err != err))
        fail_msg("line %d: verdict %d, error %s (%s)", line, a->v, err_info(a->r.err)->code,
                 a->r.reason ? a->r.reason : "");
    end(a);
}
#define expect(asker, verdict, err) expect_at(__LINE__, (asker), (verdict), (err))

__attribute__((format(printf, 1, 2))) static int64_t run(const char *format, ...)
{
    char text[1000];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return sql(&f, text);
}

static const char *hex(const void *bytes, size_t n)
{
    static char rooms[4][80];
    static int next;
    char *out = rooms[next++ & 3];
    for (size_t i = 0; i < n; i++)
        snprintf(out + 2 * i, 3, "%02x", ((const uint8_t *)bytes)[i]);
    return out;
}
#define HEX(id) hex((id).b, 16)

static struct str token_of(struct uuid sub, struct uuid sid, int64_t ver)
{
    struct str token;
    int64_t iat = clock_wall() - clock_wall() % SECOND;
    const struct claims c = { .sub = sub,
                              .sid = sid,
                              .jti = id_of(9),
                              .role = STR("user"),
                              .ver = ver,
                              .iat = iat,
                              .exp = iat + HOUR };
    assert_int_equal(jwt_sign(&f.arena, keyring_keys(keyring), &c, clock_wall(), &token), OK);
    struct text t = text_new(&f.arena, 8 + token.n);
    text_lit(&t, "Bearer ");
    text_add(&t, token);
    return text_str(&t);
}

static struct str token(void)
{
    return token_of(user, session, 1);
}

static struct str key(void)
{
    struct text t = text_new(&f.arena, 80);
    text_lit(&t, "Bearer ");
    text_add(&t, (struct str){ key_text, sizeof(key_text) });
    return text_str(&t);
}

static void woke(struct wait *w)
{
    w->wake = NULL;
}

static void make_rows(void)
{
    uint8_t hash[SHA256_SIZE];
    long long later = clock_wall() + DAY;
    user = id_of(1);
    session = id_of(2);
    key_id = id_of(3);
    apikey_make(key_text, hash);
    run("update roles set permissions = '" ROLE_USER "' where name = 'user'");
    run("insert into users values (x'%s', 'a@example.com', 'x', 'user', 'active', 1, '{}', 1, 0, "
        "0)",
        HEX(user));
    run("insert into sessions values (x'%s', x'%s', '', '', %lld, null, 1, 0, 0)", HEX(session),
        HEX(user), later);
    run("insert into api_keys values (x'%s', x'%s', 'k', '%.8s', x'%s', "
        "'[\"startup:read\",\"task:read\"]', null, null, '{}', 1, 0, 0)",
        HEX(key_id), HEX(user), key_text + 3, hex(hash, sizeof(hash)));
}

static int set_up(void **state)
{
    (void)state;
    enum err err;
    struct wait w;
    resources_init(api_resources);
    fixture_make(&f);
    fixture_open(&f, NULL);
    clock_tick();
    cache = cache_new(&(struct cache_setup){ .max_bytes = 1 << 20 });
    keyring = keyring_new(f.store, JWT_SECRET);
    wait_init(&w, woke);
    keyring_load(keyring, &err, &w);
    settle();
    assert_int_equal(err, OK);
    make_rows();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    settle();
    keyring_free(keyring);
    cache_free(cache);
    fixture_close(&f);
    fixture_remove(&f);
    return 0;
}

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
    expect(a, NEXT, OK);
}

static void what_is_present_and_bad_is_refused(void **state)
{
    (void)state;
    static const char *const rows[] = { "", "Bearer", "Bearer ", "Bearer x", "Basic YTpi", "bearer", "Bearergh_",
                                        "Bearer gh_", "Bearer a.b.c", "Digest x", "gh_" };
    for (int i = 0; i < COUNT(rows); i++)
        expect(answered(str_of(rows[i])), DENY, ERR_BAD_TOKEN);
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

/* ---- the row in the path, asked for in the same flush ---- */

#define ROW_TEXT "01890a5d-ac96-774b-bcce-b302099a8057"

static void row_found(struct wait *w)
{
    struct asker *a = (struct asker *)(void *)LIST_OF(w, struct req, wait);
    a->v = gate_facts_known(&a->r);
}

static void make_row(void)
{
    run("insert into startups values (x'01890a5dac96774bbcceb302099a8057', x'%s', 'n', null, null, 'active', '{}', 7, "
        "0, 0)",
        HEX(user));
}

/* Someone who asks for that row. */
static struct asker *arrives_for(const char *id)
{
    struct asker *a = calloc(1, sizeof(*a));
    assert_non_null(a);
    clock_tick();
    a->r.store = f.store;
    a->r.cache = cache;
    a->r.keyring = keyring;
    a->r.now = clock_wall();
    a->r.authorization = token();
    a->r.resource = &startups;
    a->r.target_ids.text[0] = str_of(id);
    a->r.target_ids.n = 1;
    wait_init(&a->r.wait, went_on);
    a->v = gate_identity(&a->r);
    return a;
}

static int64_t reads_queued(void)
{
    return metric_read(METRIC_STORE_QUEUED, 0);
}

/* Walks on to its facts; how many reads that took. */
static int64_t facts_of(struct asker *a)
{
    int64_t before = metric_read(METRIC_STORE_ASKS, 0);
    assert_int_equal(a->v, NEXT);
    assert_int_equal(gate_uuid(&a->r), NEXT);
    a->r.wait.wake = row_found;
    a->v = gate_facts(&a->r);
    settle();
    assert_int_equal(a->v, NEXT);
    assert_int_equal(a->r.facts->version, 7);
    assert_true(epochs_fresh(&a->r.carried[1]));
    return metric_read(METRIC_STORE_ASKS, 0) - before;
}

static void let_go(struct asker *a)
{
    rows_fini(&a->r.ahead);
    end(a);
}

static void the_row_leaves_with_the_principal(void **state)
{
    (void)state;
    make_row();
    struct asker *a = arrives_for(ROW_TEXT);
    assert_int_equal(reads_queued(), 2);
    settle();
    assert_int_equal(facts_of(a), 0);
    let_go(a);
}

static void what_moves_behind_the_flush_is_read_again(void **state)
{
    (void)state;
    struct uuid row;
    assert_true(uuid_parse(STR(ROW_TEXT), &row));
    make_row();
    run("update startups set version = 6");
    struct asker *a = arrives_for(ROW_TEXT);
    settle();
    run("update startups set version = 7");
    epoch_bump(EPOCH_RESOURCE, row.b, sizeof(row.b));
    assert_int_equal(facts_of(a), 1);
    let_go(a);
}

static void what_is_remembered_is_not_asked_for(void **state)
{
    (void)state;
    make_row();
    struct asker *a = arrives_for(ROW_TEXT);
    settle();
    facts_of(a);
    let_go(a);

    epoch_bump(EPOCH_USER, user.b, 16); /* of both, only the row is remembered */
    a = arrives_for(ROW_TEXT);
    assert_int_equal(reads_queued(), 1);
    settle();
    assert_int_equal(facts_of(a), 0);
    let_go(a);

    a = arrives_for(ROW_TEXT); /* now both are */
    assert_int_equal(reads_queued(), 0);
    assert_int_equal(facts_of(a), 0);
    let_go(a);
}

static void an_id_that_gate_uuid_would_refuse_is_not_asked_for(void **state)
{
    (void)state;
    static const char *const ids[] = { "", "x", "' or 1=1", "00000000-0000-0000-0000-000000000000",
                                       "11111111-1111-4111-8111-111111111111" };
    for (int i = 0; i < COUNT(ids); i++) {
        epoch_bump(EPOCH_USER, user.b, 16);
        struct asker *a = arrives_for(ids[i]);
        assert_int_equal(reads_queued(), 1);
        settle();
        assert_int_equal(a->v, NEXT);
        assert_int_equal(gate_uuid(&a->r), DENY);
        let_go(a);
    }
}

static void who_is_denied_leaves_nothing_behind(void **state)
{
    (void)state;
    make_row();
    run("delete from sessions");
    struct asker *a = arrives_for(ROW_TEXT);
    assert_int_equal(reads_queued(), 2);
    settle();
    assert_int_equal(a->v, DENY);
    let_go(a);
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
        assert_true(who->live && who->expires == INT64_MAX);
        assert_int_equal(a->r.carried[0].n, 3);
        assert_true(epochs_fresh(&a->r.carried[0]));
        expect(a, NEXT, OK);
    }
}

static void a_key_in_its_own_header(void **state)
{
    (void)state;
    struct asker *a = calloc(1, sizeof(*a));
    a->r.store = f.store;
    a->r.cache = cache;
    a->r.now = clock_wall();
    a->r.api_key = (struct str){ key_text, sizeof(key_text) };
    wait_init(&a->r.wait, went_on);
    a->v = gate_identity(&a->r);
    settle();
    expect(a, NEXT, OK);
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
    settle();
    assert_int_equal(run("select count(*) from api_keys where last_used_at is not null"), 0);
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

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
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
        TEST(the_row_leaves_with_the_principal),
        TEST(what_moves_behind_the_flush_is_read_again),
        TEST(what_is_remembered_is_not_asked_for),
        TEST(an_id_that_gate_uuid_would_refuse_is_not_asked_for),
        TEST(who_is_denied_leaves_nothing_behind),
        TEST(a_key_does_what_its_scopes_and_its_owners_role_allow),
        TEST(a_key_in_its_own_header),
        TEST(a_wrong_secret_and_an_unknown_key),
        TEST(it_ends_with_each_of_its_epochs),
        TEST(its_owner_is_watched_from_before_the_read),
        TEST(its_expiry_is_the_principals),
    };
    return cmocka_run_group_tests_name("gate/identity", tests, NULL, NULL);
}
