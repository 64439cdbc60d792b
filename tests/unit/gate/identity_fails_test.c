/* Who asks, where something is missing or wrong: memory, rows and entries that are not ours; and who signed a URL. */
#include "caller.h"

#include "../base/nomem.h"

#include "../../../src/store/result.h"

#include "gate/signature.h"

/* What comes with each way to ask. */
enum way { BY_TOKEN, BY_KEY, BY_SIGNATURE, WAYS };

static struct signature signature;

static struct asker *comes_by(enum way way)
{
    struct asker *a = asker_new();
    if (way == BY_SIGNATURE)
        a->r.signature = &signature;
    else
        a->r.authorization = way == BY_TOKEN ? token() : key();
    return a;
}

static struct asker *answered_by(enum way way)
{
    struct asker *a = comes_by(way);
    a->v = gate_identity(&a->r);
    settle();
    return a;
}

static int begin(void **state)
{
    set_up(state);
    signature = (struct signature){ .signer = user };
    return 0;
}

/* ---- who signed the URL ---- */

static void a_signer_is_known(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        int64_t before = asks();
        struct asker *a = comes_by(BY_SIGNATURE);
        a->r.authorization = STR("of somebody else"); /* what is signed counts */
        a->v = gate_identity(&a->r);
        settle();
        assert_int_equal(asks() - before, i == 0);
        assert_int_equal(a->r.who->kind, PRINCIPAL_USER);
        assert_true(uuid_eq(&a->r.who->user_id, &user) && uuid_nil(&a->r.who->session_id));
        assert_int_equal(a->r.who->permits,
                         PERMIT_BIT(PERMIT_STARTUP_READ) | PERMIT_BIT(PERMIT_STARTUP_CREATE));
        assert_int_equal(a->r.carried[0].n, 2);
        assert_true(epochs_fresh(&a->r.carried[0]));
        expect(a, NEXT, OK);
        epoch_bump(EPOCH_SESSION, session.b, 16); /* no session stands behind it */
    }
}

static void a_signer_who_is_not_active_is_none(void **state)
{
    (void)state;
    run("update users set status = 'suspended'");
    for (int i = 0; i < 2; i++)
        expect(answered_by(BY_SIGNATURE), DENY, ERR_NOT_FOUND);
    signature.signer = id_of(77);
    expect(answered_by(BY_SIGNATURE), DENY, ERR_NOT_FOUND);
}

static void a_signer_waits_for_who_loads_him(void **state)
{
    (void)state;
    struct asker *all[5];
    for (int i = 0; i < COUNT(all); i++) {
        all[i] = comes_by(BY_SIGNATURE);
        all[i]->v = gate_identity(&all[i]->r);
        assert_int_equal(all[i]->v, WAIT);
    }
    settle();
    for (int i = 0; i < COUNT(all); i++)
        expect(all[i], NEXT, OK);
}

static void a_signer_who_cannot_be_read_is_503(void **state)
{
    (void)state;
    run("alter table users rename to hidden");
    expect(answered_by(BY_SIGNATURE), DENY, ERR_UNAVAILABLE);
    run("alter table hidden rename to users");
    expect(answered_by(BY_SIGNATURE), NEXT, OK);
}

/* ---- memory ---- */

/* What others wait for is dropped when a request ends, as the pipeline does. */
static void let_go(struct req *r)
{
    if (r->filling.key.p)
        cache_drop(r->cache, r->filling.type, r->filling.key);
    r->filling.key = STR_NONE;
    rows_fini(&r->found);
}

static void without_memory_nobody_is_known(void **state)
{
    (void)state;
    struct uuid team = id_of(30);
    run("insert into teams values (x'%s', x'%s', 'team', null, 10, '{}', 1, 0, 0)", HEX(team),
        HEX(user));
    run("insert into team_members values (x'%s', x'%s', x'%s', 'editor', 1, 0, 0)", HEX(team),
        HEX(team), HEX(user));
    for (int way = 0; way < WAYS; way++)
        for (int remembered = 0; remembered < 2; remembered++) {
            bool happened = true;
            for (long n = 0; happened; n++) {
                struct asker *a = comes_by((enum way)way);
                if (!remembered)
                    epoch_bump(EPOCH_USER, user.b, 16);
                arena_trim();
                nomem_after(n);
                a->v = gate_identity(&a->r);
                settle();
                happened = nomem_happened();
                nomem_after(-1);
                if (happened)
                    let_go(&a->r);
                else
                    assert_int_equal(a->v, NEXT);
                if (a->v == NEXT) /* what could not be remembered is known all the same */
                    assert_int_equal(principal_team_access(a->r.who, &team), ACCESS_WRITE);
                else
                    assert_true(a->r.err == ERR_NO_MEMORY || a->r.err == ERR_UNAVAILABLE);
                end(a);
                if (!remembered && happened)
                    expect(answered_by((enum way)way), NEXT, OK);
            }
        }
}

/* ---- rows that the store does not give ---- */

static struct value text_value(const char *text)
{
    return (struct value){ .type = VALUE_TEXT, .text = str_of(text) };
}

/* Lets a session be asked for, then gives it this row instead. */
static struct asker *session_with(const char *role, const char *teams, bool revoked)
{
    struct asker *a = answered_by(BY_TOKEN);
    a->r.found.stmt = &stmt_principal_by_session;
    const struct value row[] = {
        [COL_PRINCIPAL_BY_SESSION_USER_ID] = { .type = VALUE_UUID, .uuid = user },
        [COL_PRINCIPAL_BY_SESSION_STATUS] = text_value("active"),
        [COL_PRINCIPAL_BY_SESSION_ROLE] = text_value(role),
        [COL_PRINCIPAL_BY_SESSION_PERMISSIONS] = { .type = VALUE_JSON, .text = STR("[]") },
        [COL_PRINCIPAL_BY_SESSION_TOKEN_VERSION] = { .type = VALUE_INT, .i = 1 },
        [COL_PRINCIPAL_BY_SESSION_EXPIRES_AT] = { .type = VALUE_TIME, .i = 1 },
        [COL_PRINCIPAL_BY_SESSION_REVOKED] = { .type = VALUE_BOOL, .i = revoked },
        [COL_PRINCIPAL_BY_SESSION_BREAK_GLASS] = { .type = VALUE_UUID, .null = true },
        [COL_PRINCIPAL_BY_SESSION_BREAK_GLASS_UNTIL] = { .type = VALUE_TIME, .null = true },
        [COL_PRINCIPAL_BY_SESSION_TEAMS] = text_value(teams),
        [COL_PRINCIPAL_BY_SESSION_ADDRESS] = text_value(""),
        [COL_PRINCIPAL_BY_SESSION_USER_AGENT] = text_value(""),
    };
    assert_int_equal(rows_add(&a->r.found, row), OK);
    a->v = gate_identity_known(&a->r);
    return a;
}

static void a_long_role_is_cut(void **state)
{
    (void)state;
    char role[41];
    memset(role, 'r', sizeof(role));
    for (size_t n = 30; n < sizeof(role); n++) {
        role[n] = '\0';
        epoch_bump(EPOCH_USER, user.b, 16);
        struct asker *a = session_with(role, "", false);
        assert_int_equal(a->r.who->role[sizeof(a->r.who->role) - 1], '\0');
        assert_int_equal(strlen(a->r.who->role), n < 31 ? n : 31);
        assert_true(a->r.who->live);
        expect(a, NEXT, OK);
        role[n] = 'r';
    }
}

static void teams_that_are_none_are_503(void **state)
{
    (void)state;
    expect(session_with("user", "v", false), DENY, ERR_UNAVAILABLE);
}

static void a_key_whose_hash_is_none_is_503(void **state)
{
    (void)state;
    for (int n = 31; n <= 33; n++) {
        run("update api_keys set hash = zeroblob(%d)", n);
        epoch_bump(EPOCH_USER, user.b, 16);
        expect(answered_by(BY_KEY), DENY, n == 32 ? ERR_BAD_TOKEN : ERR_UNAVAILABLE);
    }
}

/* ---- entries that are not ours ---- */

#define KNOWN (sizeof(struct principal) + SHA256_SIZE) /* bytes, without memberships */

static void what_is_remembered_and_not_ours_is_not_used(void **state)
{
    (void)state;
    char name[17] = "s", value[KNOWN + sizeof(struct membership)];
    memcpy(name + 1, session.b, 16);
    const struct {
        uint32_t memberships;
        size_t n;
        bool used;
    } cases[] = {
        { 0, 3, false },         { 0, KNOWN - 1, false },         { 0, KNOWN, true },
        { 0, KNOWN + 1, false }, { 1, KNOWN, false },             { 1, sizeof(value) - 1, false },
        { 1, sizeof(value), true },
    };
    for (int i = 0; i < COUNT(cases); i++) {
        struct epochs under = { 0 };
        struct principal known = { .kind = PRINCIPAL_USER, .user_id = user, .token_version = 1,
                                   .nmemberships = cases[i].memberships };
        memset(value, 0, sizeof(value));
        memcpy(value, &known, sizeof(known));
        epoch_bump(EPOCH_USER, user.b, 16);
        epochs_add(&under, EPOCH_USER, user.b, 16);
        epochs_add(&under, EPOCH_SESSION, session.b, 16);
        epochs_add(&under, EPOCH_ROLES, NULL, 0);
        cache_fill(cache, CACHE_SESSION, (struct str){ name, sizeof(name) }, &under,
                   (struct str){ value, cases[i].n });
        struct asker *a = comes_by(BY_TOKEN);
        a->v = gate_identity(&a->r);
        if (a->v != (cases[i].used ? NEXT : DENY))
            fail_msg("case %d: %d, %s", i, a->v, err_info(a->r.err)->code);
        assert_int_equal(a->r.err, cases[i].used ? OK : ERR_NO_MEMORY);
        end(a);
    }
}

/* What is found without the owner's epoch, as another node's may be, serves to know the owner and no further. */
static void a_key_that_does_not_stand_on_its_owner_is_read_again(void **state)
{
    (void)state;
    char name[9] = "k", value[KNOWN];
    const struct str key_name = { name, sizeof(name) };
    struct principal known = { .kind = PRINCIPAL_APIKEY, .user_id = user, .session_id = key_id,
                               .live = true, .expires = INT64_MAX };
    struct epochs under = { 0 };
    struct str none;
    struct wait w;
    cache_free(cache);
    cache = cache_new(&(struct cache_setup){ .max_bytes = 0 }); /* each has what is loaded, and it is gone */
    assert_non_null(cache);
    memcpy(name + 1, key_text + 3, 8);
    memcpy(value, &known, sizeof(known));
    sha256((struct str){ key_text + APIKEY_TEXT - APIKEY_SECRET, APIKEY_SECRET },
           (uint8_t *)value + sizeof(known));
    epochs_add(&under, EPOCH_APIKEY, key_text + 3, 8);
    epochs_add(&under, EPOCH_ROLES, NULL, 0);
    wait_init(&w, woke);
    assert_int_equal(cache_get(cache, CACHE_SESSION, key_name, &under, &f.arena, &none, &w),
                     CACHE_FILL);
    run("update users set status = 'suspended'");
    struct asker *a = arrives(key());
    assert_int_equal(a->v, WAIT);
    cache_fill(cache, CACHE_SESSION, key_name, &under, (struct str){ value, sizeof(value) });
    settle();
    assert_false(a->r.who->live);
    assert_int_equal(a->r.carried[0].n, 3);
    expect(a, NEXT, OK);
}

#undef TEST
#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_signer_is_known),
        TEST(a_signer_who_is_not_active_is_none),
        TEST(a_signer_waits_for_who_loads_him),
        TEST(a_signer_who_cannot_be_read_is_503),
        TEST(without_memory_nobody_is_known),
        TEST(a_long_role_is_cut),
        TEST(teams_that_are_none_are_503),
        TEST(a_key_whose_hash_is_none_is_503),
        TEST(what_is_remembered_and_not_ours_is_not_used),
        TEST(a_key_that_does_not_stand_on_its_owner_is_read_again),
    };
    return cmocka_run_group_tests_name("gate/identity_fails", tests, NULL, NULL);
}
