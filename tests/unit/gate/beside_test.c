/* Where Redis is the second level of the cache: the row in the path, looked for there in the flush that looks for the
 * principal. Memory keeps nothing here, so that every look goes to Redis. */
#include "caller.h"

#include "../cache/own_server.h"
#include "api/all.h"
#include "api/crud.h"

#define ROW_TEXT "01890a5d-ac96-774b-bcce-b302099a8057"

static struct own_server server;
static struct redis *redis;

static void row_found(struct wait *w)
{
    struct asker *a = (struct asker *)(void *)LIST_OF(w, struct req, wait);
    a->v = gate_facts_known(&a->r);
}

/* Someone who asks for that row, at gate identity. */
static struct asker *arrives_for(const char *id, struct str who)
{
    struct asker *a = asker_new();
    a->r.authorization = who;
    a->r.resource = &startups;
    a->r.target_ids.text[0] = str_of(id);
    a->r.target_ids.n = 1;
    a->v = gate_identity(&a->r);
    return a;
}

/* On to gate facts, which says what is returned; at the end the facts are known. */
static enum verdict goes_on(struct asker *a)
{
    settle();
    assert_int_equal(a->v, NEXT);
    assert_int_equal(gate_uuid(&a->r), NEXT);
    a->r.wait.wake = row_found;
    enum verdict at_once = a->v = gate_facts(&a->r);
    settle();
    assert_int_equal(a->v, NEXT);
    assert_true(epochs_fresh(&a->r.carried[1]));
    return at_once;
}

static void let_go(struct asker *a)
{
    a->r.carried[1] = (struct epochs){ 0 }; /* gate facts has been here too */
    end(a);
}

/* Once it was read from the store Redis has it. */
static void load(struct str who)
{
    struct asker *a = arrives_for(ROW_TEXT, who);
    assert_int_equal(goes_on(a), WAIT);
    let_go(a);
}

static int begin(void **state)
{
    struct str value;
    struct epochs none = { 0 };
    struct wait w;
    enum cache_got got = CACHE_FILL;
    set_up(state);
    wheel_init();
    config.redis_timeout_ms = 2000;
    random_bytes(test_prefix, 8);
    for (int i = 0; i < 8; i++)
        test_prefix[i] = (char)('a' + (unsigned char)test_prefix[i] % 26);
    redis = connected_to(server.url);
    cache_free(cache);
    cache = cache_new(&(struct cache_setup){ .redis = redis });
    run("insert into startups values (x'01890a5dac96774bbcceb302099a8057', x'%s', 'n', null, null, 'active', '{}', 7, "
        "0, 0)",
        HEX(user));
    for (int i = 0; got != CACHE_WAIT && i < 100; i++) { /* until Redis is believed */
        wait_init(&w, woken);
        got = cache_get(cache, CACHE_RESULT, STR("settle"), &none, &f.arena, &value, &w);
        run_for(5000);
        cache_drop(cache, CACHE_RESULT, STR("settle"));
    }
    assert_int_equal(got, CACHE_WAIT);
    return 0;
}

static int finish(void **state)
{
    settle();
    cache_free(cache);
    cache = NULL;
    redis_close(redis);
    settle();
    wheel_fini();
    return tear_down(state);
}

/* ---- what is found ---- */

static void the_row_comes_with_the_principal(void **state)
{
    (void)state;
    load(token());
    int64_t before = asks();
    struct asker *a = arrives_for(ROW_TEXT, token());
    assert_int_equal(a->v, WAIT);
    assert_true(a->r.look->both.second.open); /* nothing goes on before both are answered */
    assert_int_equal(goes_on(a), NEXT);
    assert_int_equal(a->r.facts->version, 7);
    assert_true(uuid_eq(&a->r.facts->owner, &user));
    assert_int_equal(asks(), before);
    let_go(a);
}

static void it_comes_with_a_key_as_well(void **state)
{
    (void)state;
    load(key());
    int64_t before = asks();
    struct asker *a = arrives_for(ROW_TEXT, key());
    assert_int_equal(goes_on(a), NEXT);
    assert_int_equal(a->r.facts->version, 7);
    assert_int_equal(asks(), before);
    let_go(a);
}

static void many_at_once_have_it_all(void **state)
{
    (void)state;
    struct asker *all[20];
    load(token());
    int64_t before = asks();
    for (int i = 0; i < COUNT(all); i++)
        all[i] = arrives_for(ROW_TEXT, i % 2 ? token() : key());
    settle();
    for (int i = 0; i < COUNT(all); i++) {
        assert_int_equal(goes_on(all[i]), NEXT);
        let_go(all[i]);
    }
    /* The key nobody had loaded: it is read to know its owner, then again. */
    assert_int_equal(asks(), before + 2);
}

static void what_moves_meanwhile_is_read_again(void **state)
{
    (void)state;
    struct uuid row;
    assert_true(uuid_parse(STR(ROW_TEXT), &row));
    load(token());
    struct asker *a = arrives_for(ROW_TEXT, token());
    settle();
    run("update startups set version = 8");
    epoch_bump(EPOCH_RESOURCE, row.b, sizeof(row.b));
    assert_int_equal(goes_on(a), WAIT);
    assert_int_equal(a->r.facts->version, 8);
    let_go(a);
}

/* What memory and Redis do not have is read under the epochs of then, not of when Redis was asked. */
static void who_moves_meanwhile_is_read_anew(void **state)
{
    (void)state;
    load(key());
    struct asker *a = arrives_for(ROW_TEXT, token());
    epoch_bump(EPOCH_USER, user.b, sizeof(user.b));
    settle();
    assert_int_equal(a->v, NEXT);
    assert_true(epochs_fresh(&a->r.carried[0]));
    end(a);
}

/* ---- what is not ---- */

static void of_both_only_the_principal_is_there(void **state)
{
    (void)state;
    end(answered(token()));
    int64_t before = asks();
    struct asker *a = arrives_for(ROW_TEXT, token());
    assert_int_equal(goes_on(a), WAIT);
    assert_int_equal(a->r.facts->version, 7);
    assert_int_equal(asks(), before + 1);
    let_go(a);
}

static void of_both_only_the_row_is_there(void **state)
{
    (void)state;
    load(key());
    int64_t before = asks();
    struct asker *a = arrives_for(ROW_TEXT, token());
    assert_int_equal(goes_on(a), NEXT);
    assert_int_equal(asks(), before + 1);
    let_go(a);
}

static void who_is_denied_leaves_nothing_behind(void **state)
{
    (void)state;
    load(key());
    run("delete from sessions");
    struct asker *a = arrives_for(ROW_TEXT, token());
    settle();
    assert_int_equal(a->v, DENY);
    let_go(a);
    a = arrives_for(ROW_TEXT, key());
    assert_int_equal(goes_on(a), NEXT);
    let_go(a);
}

static void an_id_that_gate_uuid_would_refuse_is_not_looked_for(void **state)
{
    (void)state;
    end(answered(token()));
    struct asker *a = arrives_for("11111111-1111-4111-8111-111111111111", token());
    settle();
    assert_int_equal(a->v, NEXT);
    assert_null(a->r.look);
    assert_int_equal(gate_uuid(&a->r), DENY);
    let_go(a);
}

static void a_redis_that_is_gone_is_a_miss_of_both(void **state)
{
    (void)state;
    load(token());
    struct asker *a = arrives_for(ROW_TEXT, token());
    own_kill(&server);
    assert_int_equal(goes_on(a), WAIT);
    assert_int_equal(a->r.facts->version, 7);
    let_go(a);
    own_start(&server, "", false);
}

#define BESIDE(f) cmocka_unit_test_setup_teardown(f, begin, finish)

static int start(void **state)
{
    (void)state;
    own_new(&server, "", false);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    own_free(&server);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BESIDE(the_row_comes_with_the_principal),
        BESIDE(it_comes_with_a_key_as_well),
        BESIDE(many_at_once_have_it_all),
        BESIDE(what_moves_meanwhile_is_read_again),
        BESIDE(who_moves_meanwhile_is_read_anew),
        BESIDE(of_both_only_the_principal_is_there),
        BESIDE(of_both_only_the_row_is_there),
        BESIDE(who_is_denied_leaves_nothing_behind),
        BESIDE(an_id_that_gate_uuid_would_refuse_is_not_looked_for),
        BESIDE(a_redis_that_is_gone_is_a_miss_of_both),
    };
    resources_init(api_resources);
    return cmocka_run_group_tests_name("gate/beside", tests, start, stop);
}
