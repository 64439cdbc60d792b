/* A user's principal where he is not there himself: from the store and from memory, and never stale. */
#include "thing.h"

#include "../../../src/store/result.h"

#include "../base/nomem.h"

#include "gate/subject.h"

#define ROLE_USER "[\"startup:read\",\"startup:create\"]"

struct asker {
    struct req r;
    struct subject_look look;
    enum verdict v;
    bool early; /* went on without having been told to wait */
};

static void went_on(struct wait *w)
{
    struct asker *a = (struct asker *)(void *)LIST_OF(w, struct req, wait);
    a->early = a->early || a->v != WAIT;
    a->v = subject_again(&a->r, &a->look);
}

static struct asker *arrives(const struct uuid *user, bool afresh)
{
    struct asker *a = calloc(1, sizeof(*a));
    assert_non_null(a);
    clock_tick();
    a->r.store = f.store;
    a->r.cache = cache;
    wait_init(&a->r.wait, went_on);
    a->v = subject_begin(&a->r, &a->look, user, afresh);
    return a;
}

static struct asker *answered(const struct uuid *user)
{
    struct asker *a = arrives(user, false);
    settle();
    return a;
}

static void end(struct asker *a)
{
    assert_false(a->early);
    assert_null(a->r.filling.key.p); /* whoever waits for a fill was told */
    assert_null(a->r.found.held);
    arena_reset(&a->r.arena);
    free(a);
}

static void expect_at(int line, struct asker *a, enum err err, bool found)
{
    if (a->v != NEXT || a->look.err != err || a->look.found != found)
        fail_msg("line %d: verdict %d, error %s, found %d", line, a->v, err_info(a->look.err)->code,
                 a->look.found);
    end(a);
}
#define expect(asker, err, found) expect_at(__LINE__, (asker), (err), (found))

static void costs_at(int line, const struct uuid *user, int n, bool live)
{
    int64_t before = asks();
    struct asker *a = answered(user);
    if (asks() - before != n || a->look.who.live != live)
        fail_msg("line %d: %d asks, live %d", line, (int)(asks() - before), a->look.who.live);
    expect_at(line, a, OK, true);
}
#define costs(user, n, live) costs_at(__LINE__, (user), (n), (live))

static void add_user(const struct uuid *id)
{
    run("insert into users values (x'%s', '%s@example.com', 'x', 'user', 'active', 4, '{}', 1, 0, 0)",
        hex(id), hex(id));
}

static int set_up(void **state)
{
    world_make(state);
    run("update roles set permissions = '" ROLE_USER "' where name = 'user'");
    add_user(&me.user_id);
    add_user(&other);
    return 0;
}

static void add_team(const struct uuid *team, const struct uuid *member)
{
    run("insert into teams values (x'%s', x'%s', 'team', null, 10, '{}', 1, 0, 0)", hex(team),
        hex(&other));
    run("insert into team_members values (x'%s', x'%s', x'%s', 'editor', 1, 0, 0)", hex(team),
        hex(team), hex(member));
}

static void a_user_is_known_alike_from_the_store_and_from_memory(void **state)
{
    (void)state;
    struct uuid team = id_of(30);
    add_team(&team, &me.user_id);
    for (int i = 0; i < 3; i++) {
        int64_t before = asks();
        struct asker *a = answered(&me.user_id);
        const struct principal *who = &a->look.who;
        assert_int_equal(asks() - before, i == 0);
        assert_int_equal(who->kind, PRINCIPAL_USER);
        assert_true(uuid_eq(&who->user_id, &me.user_id) && uuid_nil(&who->session_id));
        assert_int_equal(who->token_version, 4);
        assert_true(who->live && who->expires == INT64_MAX);
        assert_int_equal(who->permits,
                         PERMIT_BIT(PERMIT_STARTUP_READ) | PERMIT_BIT(PERMIT_STARTUP_CREATE));
        assert_string_equal(who->role, "user");
        assert_int_equal(principal_team_access(who, &team), ACCESS_WRITE);
        assert_int_equal(a->look.under.n, 2);
        assert_true(epochs_fresh(&a->look.under));
        expect(a, OK, true);
    }
}

static void users_are_not_confused(void **state)
{
    (void)state;
    run("update users set status = 'suspended' where id = x'%s'", hex(&other));
    for (int i = 0; i < 2; i++) {
        costs(&me.user_id, i == 0, true);
        costs(&other, i == 0, false);
    }
}

static void nobody_is_not_remembered(void **state)
{
    (void)state;
    struct uuid unknown = id_of(77);
    for (int i = 0; i < 2; i++) {
        int64_t before = asks();
        expect(answered(&unknown), OK, false);
        assert_int_equal(asks() - before, 1);
    }
    struct asker *first = arrives(&unknown, false), *second = arrives(&unknown, false);
    settle();
    expect(first, OK, false);
    expect(second, OK, false);
    add_user(&unknown);
    costs(&unknown, 1, true);
}

static void it_is_forgotten_with_each_epoch(void **state)
{
    (void)state;
    const struct {
        enum epoch_kind kind;
        const void *id;
        size_t n;
    } moves[] = { { EPOCH_USER, me.user_id.b, 16 }, { EPOCH_ROLES, NULL, 0 } };
    for (int i = 0; i < COUNT(moves); i++) {
        run("update users set status = 'active'");
        epoch_bump(EPOCH_USER, me.user_id.b, 16);
        costs(&me.user_id, 1, true);
        run("update users set status = 'suspended'"); /* behind our back: no epoch moves */
        costs(&me.user_id, 0, true);
        epoch_bump(moves[i].kind, moves[i].id, moves[i].n);
        costs(&me.user_id, 1, false);
    }
}

static void what_moves_while_it_is_read_is_not_remembered(void **state)
{
    (void)state;
    struct asker *a = arrives(&me.user_id, false);
    assert_int_equal(a->v, WAIT);
    epoch_bump(EPOCH_USER, me.user_id.b, 16);
    settle();
    assert_false(epochs_fresh(&a->look.under));
    expect(a, OK, true);
    run("update users set status = 'suspended'");
    costs(&me.user_id, 1, false);
}

static void many_at_once_share_one_load(void **state)
{
    (void)state;
    struct asker *all[20];
    int64_t before = asks();
    for (int i = 0; i < COUNT(all); i++)
        all[i] = arrives(&me.user_id, false);
    settle();
    assert_int_equal(asks() - before, 1);
    for (int i = 0; i < COUNT(all); i++)
        expect(all[i], OK, true);
}

static void afresh_is_neither_from_memory_nor_for_it(void **state)
{
    (void)state;
    struct uuid unknown = id_of(77);
    costs(&me.user_id, 1, true);
    run("update users set status = 'suspended'");
    for (int i = 0; i < 2; i++) {
        int64_t before = asks();
        struct asker *a = arrives(i ? &unknown : &me.user_id, true);
        a->r.filling.key = STR("another's");
        settle();
        assert_int_equal(asks() - before, 1);
        assert_false(a->look.who.live);
        assert_true(str_eq(a->r.filling.key, STR("another's")));
        a->r.filling.key = STR_NONE;
        expect(a, OK, i == 0);
    }
    costs(&me.user_id, 0, true);
}

static void a_store_that_fails_is_503(void **state)
{
    (void)state;
    run("alter table users rename to hidden");
    struct asker *first = arrives(&me.user_id, false), *second = arrives(&me.user_id, false);
    settle();
    expect(first, ERR_UNAVAILABLE, false);
    expect(second, ERR_UNAVAILABLE, false);
    run("alter table hidden rename to users");
    costs(&me.user_id, 1, true);
}

/* ---- rows that the store does not give ---- */

/* What subject_again makes of a row; the ask before it was made and is forgotten. */
static struct asker *takes(const char *role, const char *teams, const char *permissions)
{
    struct asker *a = arrives(&me.user_id, true);
    settle();
    a->look = (struct subject_look){ .user = me.user_id, .asked = true, .afresh = true };
    const struct value row[] = {
        [COL_PRINCIPAL_BY_USER_STATUS] = { .type = VALUE_TEXT, .text = STR("active") },
        [COL_PRINCIPAL_BY_USER_ROLE] = { .type = VALUE_TEXT, .text = str_of(role) },
        [COL_PRINCIPAL_BY_USER_PERMISSIONS] = { .type = VALUE_JSON, .text = str_of(permissions) },
        [COL_PRINCIPAL_BY_USER_TOKEN_VERSION] = { .type = VALUE_INT, .i = 1 },
        [COL_PRINCIPAL_BY_USER_TEAMS] = { .type = VALUE_TEXT, .text = str_of(teams) },
    };
    a->r.found.stmt = &stmt_principal_by_user;
    assert_int_equal(rows_add(&a->r.found, row), OK);
    a->v = subject_again(&a->r, &a->look);
    return a;
}

static void a_long_role_is_cut(void **state)
{
    (void)state;
    char role[41];
    memset(role, 'r', sizeof(role));
    for (size_t n = 30; n < sizeof(role); n++) {
        role[n] = '\0';
        struct asker *a = takes(role, "", "[]");
        assert_int_equal(a->look.who.role[sizeof(a->look.who.role) - 1], '\0');
        assert_int_equal(strlen(a->look.who.role), n < 31 ? n : 31);
        expect(a, OK, true);
        role[n] = 'r';
    }
}

static void what_is_stored_and_not_ours_is_503(void **state)
{
    (void)state;
    expect(takes("user", "v", "[]"), ERR_UNAVAILABLE, false);
    expect(takes("user", "", "[]"), OK, true);
}

static void what_is_remembered_and_not_ours_is_not_used(void **state)
{
    (void)state;
    char key[17] = "u", value[sizeof(struct principal) + sizeof(struct membership)];
    memcpy(key + 1, me.user_id.b, 16);
    const struct {
        uint32_t memberships;
        size_t n;
        bool found;
    } cases[] = {
        { 0, 3, false },
        { 0, sizeof(struct principal) - 1, false },
        { 0, sizeof(struct principal), true },
        { 0, sizeof(value), false },
        { 1, sizeof(struct principal), false },
        { 1, sizeof(value) - 1, false },
        { 1, sizeof(value), true },
    };
    for (int i = 0; i < COUNT(cases); i++) {
        struct epochs under = { 0 };
        struct principal who = { .kind = PRINCIPAL_USER, .nmemberships = cases[i].memberships };
        memset(value, 0, sizeof(value));
        memcpy(value, &who, sizeof(who));
        epoch_bump(EPOCH_USER, me.user_id.b, 16);
        epochs_add(&under, EPOCH_USER, me.user_id.b, 16);
        epochs_add(&under, EPOCH_ROLES, NULL, 0);
        cache_fill(cache, CACHE_SESSION, (struct str){ key, sizeof(key) }, &under,
                   (struct str){ value, cases[i].n });
        struct asker *a = arrives(&me.user_id, false);
        if (a->v != NEXT || a->look.err != (cases[i].found ? OK : ERR_NO_MEMORY))
            fail_msg("case %d: %s", i, err_info(a->look.err)->code);
        end(a);
    }
}

static void without_memory_nobody_is_known(void **state)
{
    (void)state;
    add_team(&(struct uuid){ { 30 } }, &me.user_id);
    for (int remembered = 0; remembered < 2; remembered++) {
        bool happened = true;
        for (long n = 0; happened; n++) {
            if (!remembered)
                epoch_bump(EPOCH_USER, me.user_id.b, 16);
            arena_trim();
            nomem_after(n);
            struct asker *a = answered(&me.user_id);
            happened = nomem_happened();
            nomem_after(-1);
            assert_int_equal(a->v, NEXT);
            assert_true(a->look.err == ERR_NO_MEMORY || (a->look.err == OK && a->look.who.live));
            assert_true(happened || a->look.err == OK);
            assert_true(!remembered || !happened || a->look.err == ERR_NO_MEMORY);
            end(a);
            if (!remembered && happened)
                costs(&me.user_id, 1, true); /* nothing half is remembered */
        }
    }
}

#undef TEST
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, world_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_user_is_known_alike_from_the_store_and_from_memory),
        TEST(users_are_not_confused),
        TEST(nobody_is_not_remembered),
        TEST(it_is_forgotten_with_each_epoch),
        TEST(what_moves_while_it_is_read_is_not_remembered),
        TEST(many_at_once_share_one_load),
        TEST(afresh_is_neither_from_memory_nor_for_it),
        TEST(a_store_that_fails_is_503),
        TEST(a_long_role_is_cut),
        TEST(what_is_stored_and_not_ours_is_503),
        TEST(what_is_remembered_and_not_ours_is_not_used),
        TEST(without_memory_nobody_is_known),
    };
    return cmocka_run_group_tests_name("gate/subject", tests, NULL, NULL);
}
