/* The signing keys of a worker, on a store of its own. */
#include "../store/fixture.h"

#include "../base/nomem.h"
#include "../base/stopped.h"

#include "gate/keyring.h"

#include <malloc.h>
#include <sys/resource.h>

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
    for (int i = 0; i < KEYS_MAX; i++)
        assert_int_equal(keyring_keys(k)->at[i].from, now + 3 + i);
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

static void a_key_ends_at_its_end(void **state)
{
    struct fixture *f = *state;
    struct keyring *k = ring(f);
    assert_int_equal(load(k), OK);
    int64_t now = clock_wall() + 10 * SECOND;
    rotate(f, k, now, now + 2);
    for (int i = 0; i < 4; i++) {
        clock_stop(now + i);
        assert_int_equal(load(k), OK);
        assert_int_equal(keyring_keys(k)->n, i < 2 ? 2 : 1);
    }
    clock_stop(0);
    keyring_free(k);
}

/* ---- a load that fails ---- */

static void a_first_key_that_cannot_be_written(void **state)
{
    struct fixture *f = *state;
    struct keyring *k = ring(f);
    sql(f,
        "create trigger refuses before insert on signing_keys begin select raise(abort, 'no'); end");
    assert_int_not_equal(load(k), OK);
    assert_int_not_equal(load(k), OK);
    assert_true(keyring_stale(k));
    sql(f, "drop trigger refuses");
    assert_int_equal(load(k), OK);
    assert_int_equal(keyring_keys(k)->n, 1);
    keyring_free(k);
}

static void a_first_key_that_was_written_and_is_not_there(void **state)
{
    struct fixture *f = *state;
    struct keyring *k = ring(f);
    sql(f, "create trigger takes after insert on signing_keys begin delete from signing_keys; end");
    assert_int_equal(load(k), ERR_INTERNAL);
    assert_true(keyring_stale(k) && keyring_moved(k));
    keyring_free(k);
}

static int64_t statements(void)
{
    return metric_read(METRIC_STORE_ASKS, 0) + metric_read(METRIC_STORE_ASKS, 2);
}

/* Changes of the keys wait for each other: the first key too is made behind the lock. */
static void the_first_key_takes_four_statements(void **state)
{
    struct fixture *f = *state;
    struct keyring *k = ring(f);
    int64_t before = statements();
    assert_int_equal(load(k), OK);
    assert_int_equal(statements() - before, 4); /* looks, locks, makes, looks */
    before = statements();
    assert_int_equal(load(k), OK);
    assert_int_equal(statements() - before, 1);
    keyring_free(k);
}

/* Without memory a load fails, whoever asked is told, and the next one is as if it had not been. */
static void without_memory_a_load_fails(void **state)
{
    struct fixture *f = *state;
    for (int exists = 0; exists < 2; exists++) {
        bool happened = true;
        for (long n = 0; happened; n++) {
            struct keyring *k = ring(f);
            struct load l;
            if (!exists)
                sql(f, "delete from signing_keys");
            arena_trim();
            nomem_after(n);
            load_begin(k, &l);
            settle();
            happened = nomem_happened();
            nomem_after(-1);
            assert_int_equal(l.woken, 1);
            assert_int_equal(l.err, happened ? ERR_NO_MEMORY : OK);
            assert_int_equal(keyring_stale(k), happened);
            assert_int_equal(load(k), OK);
            keyring_free(k);
        }
    }
}

static void who_asks_meanwhile_may_find_no_memory(void **state)
{
    struct fixture *f = *state;
    struct keyring *k = ring(f);
    enum { N = 1000 }; /* more than one block holds */
    static struct load all[N];
    int told = 0, failed = 0;
    load_begin(k, &all[0]);
    arena_trim();
    nomem_after(0);
    for (int i = 1; i < N; i++)
        load_begin(k, &all[i]);
    nomem_after(-1);
    settle();
    for (int i = 0; i < N; i++) {
        told += all[i].woken;
        failed += all[i].err != OK;
        assert_true(all[i].err == OK || all[i].err == ERR_NO_MEMORY);
    }
    assert_int_equal(told, N);
    assert_in_range(failed, 1, N - 1);
    assert_int_equal(all[0].err, OK);
    keyring_free(k);
}

static void a_load_holds_no_memory(void **state)
{
    struct fixture *f = *state;
    struct keyring *k = ring(f);
    assert_int_equal(load(k), OK);
    size_t held = arena_held();
    for (int i = 0; i < 30; i++)
        assert_int_equal(load(k), OK);
    assert_int_equal(arena_held(), held);
    keyring_free(k);
    keyring_free(NULL);
}

/* The table of tokens is large, the ring is not. */
static void a_ring_without_room_for_its_tokens_is_none(void **state)
{
#ifdef __SANITIZE_ADDRESS__
    (void)state;
    skip(); /* the sanitizer's own memory has no bound */
#else
    const struct fixture *f = *state;
    struct rlimit before;
    long pages = 0;
    FILE *statm = fopen("/proc/self/statm", "r");
    assert_non_null(statm);
    assert_int_equal(fscanf(statm, "%ld", &pages), 1);
    fclose(statm);
    assert_int_equal(getrlimit(RLIMIT_AS, &before), 0);
    size_t in_use = mallinfo2().uordblks;
    struct rlimit bound = { (rlim_t)(pages * sysconf(_SC_PAGESIZE)) + (1 << 20), before.rlim_max };
    assert_int_equal(setrlimit(RLIMIT_AS, &bound), 0);
    struct keyring *k = keyring_new(f->store, SECRET);
    assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
    assert_null(k);
    assert_int_equal(mallinfo2().uordblks, in_use);
#endif
}

/* What was signed or sealed yesterday must hold in the program that comes after this one. */
static void each_purpose_has_its_own_key(void **state)
{
    struct fixture *f = *state;
    struct keyring *k = ring(f);
    struct chain_keys chain;
    uint8_t key[SHA256_SIZE];
    derive_key(SECRET, "signing keys", key);
    assert_memory_equal(keyring_seal(k), key, sizeof(key));
    derive_key(SECRET, "signed urls", key);
    assert_memory_equal(keyring_urls(k), key, sizeof(key));
    chain_keys(SECRET, &chain);
    assert_memory_equal(keyring_chain(k), &chain, sizeof(chain));
    keyring_free(k);
}

/* ---- verifying ---- */

static void a_ring_knows_whether_its_keys_have_moved(void **state)
{
    struct fixture *f = *state;
    struct keyring *k = ring(f);
    assert_true(keyring_stale(k) && keyring_moved(k));
    assert_int_equal(load(k), OK);
    assert_false(keyring_stale(k) || keyring_moved(k));
    epoch_bump(EPOCH_KEYS, NULL, 0);
    assert_true(keyring_stale(k) && keyring_moved(k));
    keyring_free(k);
}

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
    int64_t refused = outcome(REFUSED), verified = outcome(VERIFIED);
    assert_int_equal(keyring_verify(k, &f->arena, token, now + 31 * MINUTE + SECOND, &c),
                     ERR_TOKEN_EXPIRED);
    assert_int_equal(outcome(REFUSED) - refused, 1);
    assert_int_equal(outcome(VERIFIED), verified);
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
    mallopt(M_MMAP_THRESHOLD, 1 << 20); /* what is large is given back when it is freed, */
    mallopt(M_ARENA_MAX, 1);            /* and none is set aside for threads */
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(workers_that_start_together_agree_on_one_key),
        TEST(the_first_key_signs_for_requests_under_way),
        TEST(many_may_ask_at_once),
        TEST(another_secret_does_not_open_the_keys),
        TEST(a_rotation_makes_it_stale_and_old_tokens_stay_good),
        TEST(ended_keys_are_left_out_and_of_too_many_the_newest_stay),
        TEST(a_store_that_fails_leaves_what_was_there),
        TEST(a_key_ends_at_its_end),
        TEST(a_first_key_that_cannot_be_written),
        TEST(a_first_key_that_was_written_and_is_not_there),
        TEST(the_first_key_takes_four_statements),
        TEST(without_memory_a_load_fails),
        TEST(who_asks_meanwhile_may_find_no_memory),
        TEST(a_load_holds_no_memory),
        TEST(a_ring_without_room_for_its_tokens_is_none),
        TEST(each_purpose_has_its_own_key),
        TEST(a_ring_knows_whether_its_keys_have_moved),
        TEST(a_token_is_verified_once_and_then_remembered),
        TEST(nothing_else_is_let_through_because_of_it),
    };
    return cmocka_run_group_tests_name("gate/keyring", tests, NULL, NULL);
}
