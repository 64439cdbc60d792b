/* The row in the path, asked for together with the principal: when it is, when not, and what becomes of the answer. */
#include "thing.h"

#include "cache/redis.h"
#include "net/wheel.h"

#include "../base/nomem.h"

#define ROW_TEXT "01890a5d-ac96-774b-bcce-b302099a8057"
#define ROW_HEX "01890a5dac96774bbcceb302099a8057"

static struct uuid row;

struct asker {
    struct req r;
    bool known; /* the principal is */
    enum verdict v;
};

static void principal_here(struct wait *w)
{
    ((struct asker *)(void *)LIST_OF(w, struct req, wait))->known = true;
}

static void row_here(struct wait *w)
{
    struct asker *a = (struct asker *)(void *)LIST_OF(w, struct req, wait);
    a->v = gate_facts_known(&a->r);
}

static struct asker *asker_new(const struct resource *res, const char *id)
{
    struct asker *a = calloc(1, sizeof(*a));
    assert_non_null(a);
    clock_tick();
    a->r.store = f.store;
    a->r.cache = cache;
    a->r.who = &me;
    a->r.resource = res;
    a->r.target_ids.text[0] = str_of(id);
    a->r.target_ids.n = 1;
    wait_init(&a->r.wait, principal_here);
    return a;
}

/* Whether it is, where the principal has to be asked for. */
static bool is_asked_for(struct asker *a)
{
    struct wait *w = look_ahead(&a->r);
    assert_false(w->open);
    if (w == &a->r.wait)
        return false;
    assert_true(a->r.wait.open);
    wait_open(w);
    wait_done(w);
    return true;
}

static void end(struct asker *a)
{
    assert_null(a->r.filling.key.p);
    rows_fini(&a->r.ahead);
    arena_reset(&a->r.arena);
    free(a);
}

/* The gates are there: so many asks more, and what the row is called; NULL: there is none. */
static void finds_at(int line, struct asker *a, int n, const char *name)
{
    settle();
    int64_t before = asks();
    a->r.target_ids.id = row;
    a->r.wait.wake = row_here;
    a->v = gate_facts(&a->r);
    settle();
    if (a->v != (name ? NEXT : DENY) || asks() - before != n)
        fail_msg("line %d: verdict %d after %d asks", line, a->v, (int)(asks() - before));
    assert_null(a->r.ahead.held);
    assert_null(a->r.found.held);
    if (name) {
        const struct rows *is = &a->r.facts->row;
        struct str called = rows_text(is, resource_column(a->r.resource, "name"));
        if (!str_eq(called, str_of(name)))
            fail_msg("line %d: %.*s", line, STR_ARG(called));
        assert_true(epochs_fresh(&a->r.carried[1]));
    }
    end(a);
}
#define finds(a, n, name) finds_at(__LINE__, (a), (n), (name))

/* ---- when it is ---- */

static void it_is_asked_for_with_the_principal(void **state)
{
    (void)state;
    static const struct resource below = { .noun = "part", .get = &node_get, .under = &things };
    struct asker *a = asker_new(&things, ROW_TEXT);
    assert_true(is_asked_for(a));
    settle();
    assert_true(a->known);
    finds(a, 0, "thing 10");
    a = asker_new(&things, ROW_TEXT);
    assert_false(is_asked_for(a)); /* memory has it */
    finds(a, 0, "thing 10");
    epoch_bump(EPOCH_RESOURCE, row.b, sizeof(row.b));
    a = asker_new(&below, ROW_TEXT);
    assert_true(is_asked_for(a));
    settle();
    assert_int_equal(gate_facts(&a->r), NEXT);
    assert_true(uuid_eq(&a->r.facts->owner, &me.user_id));
    end(a);
}

static void what_is_never_remembered_is_too(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct asker *a = asker_new(&lists, ROW_TEXT);
        assert_true(is_asked_for(a));
        finds(a, 0, "thing 10");
    }
    assert_int_equal(cache_entries(cache), 0);
}

static void a_row_that_is_not_there(void **state)
{
    (void)state;
    run("delete from things");
    struct asker *a = asker_new(&things, ROW_TEXT);
    assert_true(is_asked_for(a));
    finds(a, 0, NULL);
}

/* The first answer tells what else it stands on; only the second is under all of that. */
static void a_row_in_a_project_is_read_once_more(void **state)
{
    (void)state;
    struct uuid project = id_of(50), root = id_of(51);
    add_node(11, &me.user_id, &project, &root, "");
    run("update nodes set id = x'" ROW_HEX "'");
    struct asker *a = asker_new(&nodes, ROW_TEXT);
    assert_true(is_asked_for(a));
    finds(a, 1, "node 11");
}

static void what_moves_meanwhile_is_given_back_and_read_again(void **state)
{
    (void)state;
    struct asker *a = asker_new(&things, ROW_TEXT);
    assert_true(is_asked_for(a));
    settle();
    assert_non_null(a->r.ahead.held);
    run("update things set name = 'later'");
    epoch_bump(EPOCH_RESOURCE, row.b, sizeof(row.b));
    finds(a, 1, "later");
}

/* ---- when not ---- */

static void not_where_the_path_names_no_row(void **state)
{
    (void)state;
    static const struct resource nowhere = { .noun = "nowhere" };
    struct asker *a = asker_new(NULL, ROW_TEXT);
    assert_false(is_asked_for(a));
    a->r.resource = &nowhere;
    assert_false(is_asked_for(a));
    a->r.resource = &things;
    a->r.target_ids.n = 0;
    assert_false(is_asked_for(a));
    assert_null(a->r.look);
    end(a);
}

static void not_where_gate_uuid_will_refuse_it(void **state)
{
    (void)state;
    static const char *const ids[] = { "", "x", "00000000-0000-0000-0000-000000000000",
                                       "11111111-1111-4111-8111-111111111111" };
    for (int i = 0; i < COUNT(ids); i++) {
        struct asker *a = asker_new(&things, ids[i]);
        assert_false(is_asked_for(a));
        assert_null(a->r.look);
        end(a);
    }
}

/* Of a key the principal is asked for twice. */
static void not_a_second_time(void **state)
{
    (void)state;
    struct asker *a = asker_new(&things, ROW_TEXT);
    assert_true(is_asked_for(a));
    settle();
    assert_false(is_asked_for(a));
    finds(a, 0, "thing 10");
}

static void not_where_others_may_have_it(void **state)
{
    (void)state;
    struct redis *redis;
    struct cache *own = cache;
    wheel_init();
    assert_int_equal(redis_open(&redis, "redis://127.0.0.1:1", "none:"), OK);
    cache = cache_new(&(struct cache_setup){ .max_bytes = 1 << 20, .redis = redis });
    assert_non_null(cache);
    struct asker *a = asker_new(&things, ROW_TEXT);
    assert_false(is_asked_for(a));
    assert_null(a->r.look);
    finds(a, 1, "thing 10");
    cache_free(cache);
    redis_close(redis);
    settle();
    wheel_fini();
    cache = own;
}

static void not_without_memory(void **state)
{
    (void)state;
    struct asker *a = asker_new(&things, ROW_TEXT);
    arena_trim();
    nomem_after(0);
    assert_false(is_asked_for(a));
    nomem_after(-1);
    finds(a, 1, "thing 10");
}

static int begin(void **state)
{
    world_make(state);
    assert_true(uuid_parse(STR(ROW_TEXT), &row));
    add_thing(10, &me.user_id);
    run("update things set id = x'" ROW_HEX "'");
    return 0;
}

#undef TEST
#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, world_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_is_asked_for_with_the_principal),
        TEST(what_is_never_remembered_is_too),
        TEST(a_row_that_is_not_there),
        TEST(a_row_in_a_project_is_read_once_more),
        TEST(what_moves_meanwhile_is_given_back_and_read_again),
        TEST(not_where_the_path_names_no_row),
        TEST(not_where_gate_uuid_will_refuse_it),
        TEST(not_a_second_time),
        TEST(not_where_others_may_have_it),
        TEST(not_without_memory),
    };
    return cmocka_run_group_tests_name("gate/facts_ahead", tests, NULL, NULL);
}
