/* The signing keys of a worker, on a store of its own. */
#include "../store/fixture.h"

#include "gate/keyring.h"

#define SECRET STR("0123456789abcdef0123456789abcdef")
enum { REMEMBERED, VERIFIED, REFUSED };

struct load {
    struct wait wait;
    enum err err;
    int woken;
};

static void load_woken(struct wait *w)
{
    LIST_OF(w, struct load, wait)->woken++;
}

static void load_begin(struct keyring *k, struct load *l)
{
    *l = (struct load){ .err = ERR_INTERNAL };
    wait_init(&l->wait, load_woken);
    keyring_load(k, &l->err, &l->wait);
    assert_int_equal(l->woken, 0); /* never inside the call */
}

static enum err load(struct keyring *k)
{
    struct load l;
    load_begin(k, &l);
    settle();
    assert_int_equal(l.woken, 1);
    return l.err;
}

static struct keyring *ring(const struct fixture *f)
{
    clock_tick();
    struct keyring *k = keyring_new(f->store, SECRET);
    assert_non_null(k);
    return k;
}

static struct str sign(struct fixture *f, const struct keyring *k, int64_t now, const char *role)
{
    struct str token;
    struct claims c = {
        .sub = id_of(1), .sid = id_of(2), .jti = id_of(3), .role = str_of(role), .ver = 4
    };
    c.iat = now - now % SECOND;
    c.exp = c.iat + 30 * MINUTE;
    assert_int_equal(jwt_sign(&f->arena, keyring_keys(k), &c, now, &token), OK);
    return token;
}

/* What a rotation does: the new key signs from `from`, the others verify until `until`. */
static void rotate(struct fixture *f, const struct keyring *k, int64_t from, int64_t until)
{
    struct uuid id = uuid_new(clock_wall());
    struct asked a;
    struct change c;
    struct key key;
    struct str sealed;
    assert_int_equal(key_make(&f->arena, keyring_seal(k), id, &key, &sealed), OK);
    change_init(&c, &f->arena);
    add_key_add(&c, &id, sealed, from, clock_wall());
    add_key_retire(&c, &id, until);
    store_commit(f->store, &c, &asked_new(&a)->rows, &a.wait);
    settle();
    assert_int_equal(a.rows.err, OK);
    rows_fini(&a.rows);
}

static void workers_that_start_together_agree_on_one_key(void **state)
{
    struct fixture *f = *state;
    struct keyring *a = ring(f), *b = ring(f);
    struct load la, lb;
    assert_true(keyring_stale(a));
    load_begin(a, &la);
    load_begin(b, &lb);
    settle();
    assert_int_equal(la.err, OK);
    assert_int_equal(lb.err, OK);
    assert_int_equal(keyring_keys(a)->n, 1);
    assert_memory_equal(keyring_keys(a), keyring_keys(b), sizeof(struct keys));
    assert_int_equal(sql(f, "select count(*) from signing_keys"), 1);
    keyring_free(a);
    keyring_free(b);
}

/* A request that came before the key did has an earlier time. */
static void the_first_key_signs_for_requests_under_way(void **state)
{
    struct fixture *f = *state;
    struct keyring *k = ring(f);
    assert_int_equal(load(k), OK);
    sign(f, k, clock_wall() - 20 * SECOND, "user");
    keyring_free(k);
}

static void many_may_ask_at_once(void **state)
{
    struct fixture *f = *state;
    struct keyring *k = ring(f);
    static struct load all[200];
    for (int i = 0; i < 200; i++)
        load_begin(k, &all[i]);
    settle();
    for (int i = 0; i < 200; i++) {
        assert_int_equal(all[i].woken, 1);
        assert_int_equal(all[i].err, OK);
    }
    assert_int_equal(load(k), OK);
    keyring_free(k);
}

static void another_secret_does_not_open_the_keys(void **state)
{
    struct fixture *f = *state;
    struct keyring *k = ring(f);
    assert_int_equal(load(k), OK);
    keyring_free(k);
    k = keyring_new(f->store, STR("another secret of thirty-two byte"));
    assert_int_equal(load(k), ERR_INVALID);
    assert_true(keyring_stale(k));
    assert_int_equal(keyring_keys(k)->n, 0);
    keyring_free(k);
}

static void a_rotation_makes_it_stale_and_old_tokens_stay_good(void **state)
{
    struct fixture *f = *state;
    struct keyring *k = ring(f);
    struct claims c;
    assert_int_equal(load(k), OK);
    assert_false(keyring_stale(k));
    int64_t now = clock_wall();
    struct str old = sign(f, k, now, "user");
    rotate(f, k, now + 5 * SECOND, now + HOUR);
    assert_true(keyring_stale(k));
    assert_int_equal(load(k), OK);
    assert_false(keyring_stale(k));
    assert_int_equal(keyring_keys(k)->n, 2);
    assert_int_equal(keyring_verify(k, &f->arena, old, now, &c), OK);

    struct uuid first = keyring_keys(k)->at[0].id;
    struct str staged = sign(f, k, now, "user"), later = sign(f, k, now + 6 * SECOND, "user");
    assert_int_equal(keyring_verify(k, &f->arena, staged, now, &c), OK);
    assert_int_equal(keyring_verify(k, &f->arena, later, now + 6 * SECOND, &c), OK);
    assert_true(old.n == staged.n && memcmp(old.p, staged.p, 60) == 0); /* the header: the same kid */
    assert_memory_not_equal(old.p, later.p, 120);
    assert_memory_not_equal(&first, &keyring_keys(k)->at[1].id, sizeof(first));
    keyring_free(k);
}

static void ended_keys_are_left_out_and_of_too_many_the_newest_stay(void **state)
{
    struct fixture *f = *state;
    struct keyring *k = ring(f);
    assert_int_equal(load(k), OK);
    rotate(f, k, clock_wall(), clock_wall() - 1);
    assert_int_equal(load(k), OK);
    assert_int_equal(keyring_keys(k)->n, 1);
    int64_t now = clock_wall();
    for (int i = 1; i <= KEYS_MAX + 2; i++)
        rotate(f, k, now + i, now + HOUR);
    assert_int_equal(load(k), OK);
    assert_int_equal(keyring_keys(k)->n, KEYS_MAX);
    assert_int_equal(keyring_keys(k)->at[0].from, now + 3);
    assert_int_equal(keyring_keys(k)->at[KEYS_MAX - 1].from, now + KEYS_MAX + 2);
    keyring_free(k);
}

static void a_store_that_fails_leaves_what_was_there(void **state)
{
    struct fixture *f = *state;
    struct keyring *k = ring(f);
    assert_int_equal(load(k), OK);
    epoch_bump(EPOCH_KEYS, NULL, 0);
    sql(f, "alter table signing_keys rename to hidden");
    assert_int_not_equal(load(k), OK);
    assert_true(keyring_stale(k));
    assert_int_equal(keyring_keys(k)->n, 1);
    sql(f, "alter table hidden rename to signing_keys");
    assert_int_equal(load(k), OK);
    assert_false(keyring_stale(k));
    keyring_free(k);
}

/* ---- verifying ---- */

static int64_t outcome(int cell)
{
    return metric_read(METRIC_AUTH_TOKENS, (unsigned)cell);
}

static void a_token_is_verified_once_and_then_remembered(void **state)
{
    struct fixture *f = *state;
    struct keyring *k = ring(f);
    struct claims c;
    struct uuid sid = id_of(2);
    assert_int_equal(load(k), OK);
    int64_t now = clock_wall(), verified = outcome(VERIFIED), remembered = outcome(REMEMBERED);
    struct str token = sign(f, k, now, "analyst");
    for (int i = 0; i < 3; i++) {
        assert_int_equal(keyring_verify(k, &f->arena, token, now, &c), OK);
        assert_int_equal(c.ver, 4);
        assert_true(str_eq(c.role, STR("analyst")));
        assert_true(uuid_eq(&c.sid, &sid));
    }
    assert_int_equal(outcome(VERIFIED) - verified, 1);
    assert_int_equal(outcome(REMEMBERED) - remembered, 2);
    epoch_bump(EPOCH_KEYS, NULL, 0);
    assert_int_equal(load(k), OK);
    assert_int_equal(keyring_verify(k, &f->arena, token, now, &c), OK);
    assert_int_equal(outcome(VERIFIED) - verified, 2);
    keyring_free(k);
}

static void nothing_else_is_let_through_because_of_it(void **state)
{
    struct fixture *f = *state;
    struct keyring *k = ring(f);
    struct claims c;
    assert_int_equal(load(k), OK);
    int64_t now = clock_wall();
    struct str token = sign(f, k, now, "user");
    assert_int_equal(keyring_verify(k, &f->arena, token, now, &c), OK);
    for (size_t i = 0; i < token.n; i++) {
        char *altered = arena_copy(&f->arena, token.p, token.n);
        altered[i] = altered[i] == 'A' ? 'B' : 'A';
        if (memcmp(altered, token.p, token.n) != 0)
            assert_int_equal(
                keyring_verify(k, &f->arena, (struct str){ altered, token.n }, now, &c),
                ERR_BAD_TOKEN);
    }
    assert_int_equal(keyring_verify(k, &f->arena, token, now + 31 * MINUTE + SECOND, &c),
                     ERR_TOKEN_EXPIRED);
    keyring_free(k);
}

static int set_up(void **state)
{
    static struct fixture f;
    fixture_make(&f);
    fixture_open(&f, NULL);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    fixture_close(*state);
    fixture_remove(*state);
    return 0;
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(workers_that_start_together_agree_on_one_key),
        TEST(the_first_key_signs_for_requests_under_way),
        TEST(many_may_ask_at_once),
        TEST(another_secret_does_not_open_the_keys),
        TEST(a_rotation_makes_it_stale_and_old_tokens_stay_good),
        TEST(ended_keys_are_left_out_and_of_too_many_the_newest_stay),
        TEST(a_store_that_fails_leaves_what_was_there),
        TEST(a_token_is_verified_once_and_then_remembered),
        TEST(nothing_else_is_let_through_because_of_it),
    };
    return cmocka_run_group_tests_name("gate/keyring", tests, NULL, NULL);
}
