/* The facts of the row in the path: from the store and from memory, and that nothing stale is ever used. */
#include "thing.h"

#include "../base/nomem.h"

struct asker {
    struct req r;
    struct look look; /* of those who look without the stage */
    bool bare;
    enum verdict v;
    bool early; /* went on without having been told to wait */
};

static void went_on(struct wait *w)
{
    struct asker *a = (struct asker *)(void *)LIST_OF(w, struct req, wait);
    a->early = a->early || a->v != WAIT;
    a->v = a->bare ? look_again(&a->r, &a->look) : gate_facts_known(&a->r);
}

static struct asker *asker_new(const struct resource *res, const struct uuid *id)
{
    struct asker *a = calloc(1, sizeof(*a));
    assert_non_null(a);
    clock_tick();
    a->r.store = f.store;
    a->r.cache = cache;
    a->r.who = &me;
    a->r.now = clock_wall();
    a->r.resource = res;
    a->r.target_ids.id = *id;
    a->r.target_ids.n = 1;
    wait_init(&a->r.wait, went_on);
    return a;
}

static struct asker *arrives(const struct resource *res, const struct uuid *id)
{
    struct asker *a = asker_new(res, id);
    a->v = gate_facts(&a->r);
    return a;
}

static struct asker *answered(const struct resource *res, const struct uuid *id)
{
    struct asker *a = arrives(res, id);
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

static void expect_at(int line, struct asker *a, enum verdict v, enum err err)
{
    if (a->v != v || (v == DENY && a->r.err != err))
        fail_msg("line %d: verdict %d, error %s", line, a->v, err_info(a->r.err)->code);
    assert_null(a->r.look);
    assert_true(v == NEXT || a->r.reason);
    end(a);
}
#define expect(asker, verdict, err) expect_at(__LINE__, (asker), (verdict), (err))

/* How many asks it takes to know a row, and what it is called then. */
static void costs_at(int line, const struct resource *res, const struct uuid *id, int n,
                     const char *name)
{
    int64_t before = asks();
    struct asker *a = answered(res, id);
    if (a->v != NEXT || asks() - before != n)
        fail_msg("line %d: verdict %d after %d asks", line, a->v, (int)(asks() - before));
    struct str is = rows_text(&a->r.facts->row, resource_column(res, "name"));
    if (!str_eq(is, str_of(name)))
        fail_msg("line %d: %.*s", line, STR_ARG(is));
    end(a);
}
#define costs(res, id, n, name) costs_at(__LINE__, (res), (id), (n), (name))

/* ---- whether there is anything to look up ---- */

static void a_path_without_a_row(void **state)
{
    (void)state;
    static const struct resource nowhere = { .noun = "nowhere" };
    struct uuid id = id_of(10);
    struct asker *a = asker_new(&things, &id);
    a->r.target_ids.n = 0;
    assert_int_equal(gate_facts(&a->r), NEXT);
    a->r.target_ids.n = 1;
    a->r.resource = &nowhere;
    assert_int_equal(gate_facts(&a->r), NEXT);
    assert_null(a->r.facts);
    end(a);
}

static void what_lies_below_is_looked_up_by_what_is_above(void **state)
{
    (void)state;
    static const struct resource below = { .noun = "part", .get = &node_get, .under = &things };
    struct uuid id = add_thing(10, &me.user_id);
    struct asker *a = answered(&below, &id);
    assert_true(uuid_eq(&a->r.facts->owner, &me.user_id));
    expect(a, NEXT, OK);
}

/* ---- what is found ---- */

static void a_row_is_known_alike_from_the_store_and_from_memory(void **state)
{
    (void)state;
    struct uuid id = add_thing(10, &me.user_id);
    for (int i = 0; i < 3; i++) {
        int64_t before = asks();
        struct asker *a = answered(&things, &id);
        const struct facts *facts = a->r.facts;
        assert_int_equal(asks() - before, i == 0);
        assert_true(uuid_eq(&facts->id, &id) && uuid_eq(&facts->owner, &me.user_id));
        assert_int_equal(facts->version, 5);
        const struct value *row = facts_row(&a->r);
        assert_true(str_eq(row[2].text, STR("thing 10")));
        struct text json = text_new(&a->r.arena, 200);
        resource_json(&json, &things, row);
        assert_true(str_eq(facts->json, text_str(&json)));
        assert_int_equal(a->r.carried[1].n, 1);
        assert_true(epochs_fresh(&a->r.carried[1]));
        expect(a, NEXT, OK);
    }
}

static void a_row_of_nobody_has_no_owner(void **state)
{
    (void)state;
    struct uuid id = add_thing(10, &me.user_id);
    struct asker *a = answered(&notes, &id);
    assert_true(uuid_nil(&a->r.facts->owner));
    expect(a, NEXT, OK);
}

static void what_the_gates_look_at_comes_with_it(void **state)
{
    (void)state;
    struct uuid project = id_of(50), root = id_of(51);
    struct uuid id =
        add_node(10, &me.user_id, &project, &root, ZEROS ZEROS ZEROS "9000000000000000 2;");
    for (int i = 0; i < 2; i++) {
        struct asker *a = answered(&nodes, &id);
        const struct facts *facts = a->r.facts;
        assert_true(uuid_eq(&facts->project, &project) && uuid_eq(&facts->project_owner, &other));
        assert_true(facts->shared);
        assert_int_equal(facts->nrestraints, 1);
        assert_int_equal(facts->restraints[0].accesses, 2);
        assert_int_equal(facts->version, 6);
        assert_true(str_starts(facts->json, STR("{")));
        assert_int_equal(a->r.carried[1].n, 3);
        assert_true(epochs_fresh(&a->r.carried[1]));
        expect(a, NEXT, OK);
    }
}

static void no_such_row(void **state)
{
    (void)state;
    struct uuid id = id_of(77);
    for (int i = 0; i < 2; i++) {
        int64_t before = asks();
        expect(answered(&things, &id), DENY, ERR_NOT_FOUND);
        assert_int_equal(asks() - before, 1); /* it may be made any time */
        struct asker *a = asker_new(&things, &id);
        a->r.who = &nobody;
        a->v = gate_facts(&a->r);
        settle();
        expect(a, DENY, ERR_NO_TOKEN);
        expect(answered(&nodes, &id), DENY, ERR_NOT_FOUND);
    }
    add_thing(77, &me.user_id);
    costs(&things, &id, 1, "thing 77");
}

/* ---- from memory ---- */

static void rows_of_one_id_are_not_confused(void **state)
{
    (void)state;
    struct uuid id = add_thing(10, &me.user_id), second = add_thing(11, &me.user_id);
    add_node(10, &me.user_id, NULL, NULL, "");
    for (int i = 0; i < 2; i++) {
        costs(&things, &id, i == 0, "thing 10");
        costs(&things, &second, i == 0, "thing 11");
        costs(&notes, &id, i == 0, "thing 10");
        costs(&nodes, &id, i == 0, "node 10");
    }
}

static void what_names_no_cache_type_is_never_remembered(void **state)
{
    (void)state;
    struct uuid id = add_thing(10, &me.user_id);
    for (int i = 0; i < 2; i++)
        costs(&lists, &id, 1, "thing 10");
    assert_int_equal(cache_entries(cache), 0);
}

static void a_row_is_forgotten_with_each_epoch_that_it_stands_on(void **state)
{
    (void)state;
    struct uuid project = id_of(50), root = id_of(51);
    struct uuid id = add_node(10, &me.user_id, &project, &root, "");
    const struct uuid *const moves[] = { &id, &project, &root };
    costs(&nodes, &id, 2, "node 10"); /* read twice: the first time tells what it stands on */
    for (int i = 0; i < COUNT(moves); i++) {
        costs(&nodes, &id, 0, "node 10");
        epoch_bump(EPOCH_RESOURCE, moves[i]->b, sizeof(moves[i]->b));
        costs(&nodes, &id, 2, "node 10");
    }
    struct uuid unrelated = id_of(52);
    epoch_bump(EPOCH_RESOURCE, unrelated.b, sizeof(unrelated.b));
    costs(&nodes, &id, 0, "node 10");
}

static void a_row_is_read_again_only_for_what_is_new(void **state)
{
    (void)state;
    struct uuid project = id_of(50), root = id_of(51);
    struct uuid own = add_node(10, &me.user_id, NULL, NULL, ""),
                in_project = add_node(11, &me.user_id, &project, NULL, ""),
                in_tree = add_node(12, &me.user_id, NULL, &root, ""),
                top = add_thing(13, &me.user_id);
    costs(&nodes, &own, 1, "node 10");
    costs(&nodes, &in_project, 2, "node 11");
    costs(&nodes, &in_tree, 2, "node 12");
    costs(&tops, &top, 1, "thing 13");
    costs(&leaves, &in_project, 1, "node 11");
}

/* What was read before a change must not serve after it. */
static void what_moves_while_it_is_read_is_not_remembered(void **state)
{
    (void)state;
    struct uuid project = id_of(50), root = id_of(51);
    struct uuid thing = add_thing(11, &me.user_id),
                node = add_node(10, &me.user_id, &project, &root, "");
    const struct {
        const struct resource *res;
        const struct uuid *id, *moved;
    } moves[] = { { &things, &thing, &thing },
                  { &nodes, &node, &project },
                  { &nodes, &node, &root } };
    for (int i = 0; i < COUNT(moves); i++) {
        struct asker *a = arrives(moves[i].res, moves[i].id);
        assert_int_equal(a->v, WAIT);
        run("update nodes set name = 'after %d'", i);
        run("update things set name = 'after %d'", i);
        epoch_bump(EPOCH_RESOURCE, moves[i].moved->b, sizeof(moves[i].moved->b));
        settle();
        char after[20];
        snprintf(after, sizeof(after), "after %d", i);
        bool old = !str_eq(rows_text(&a->r.facts->row, resource_column(moves[i].res, "name")),
                           str_of(after));
        assert_false(old && epochs_fresh(&a->r.carried[1])); /* the pipeline looks at this */
        expect(a, NEXT, OK);
        a = answered(moves[i].res, moves[i].id);
        assert_true(str_eq(rows_text(&a->r.facts->row, resource_column(moves[i].res, "name")),
                           str_of(after)));
        end(a);
        epoch_bump(EPOCH_RESOURCE, moves[i].id->b, sizeof(moves[i].id->b));
    }
}

static void many_at_once_share_one_load(void **state)
{
    (void)state;
    struct uuid id = add_thing(10, &me.user_id);
    struct asker *all[20];
    int64_t before = asks();
    for (int i = 0; i < COUNT(all); i++)
        all[i] = arrives(&things, &id);
    settle();
    assert_int_equal(asks() - before, 1);
    for (int i = 0; i < COUNT(all); i++)
        expect(all[i], NEXT, OK);
}

/* Whoever has read it once, and looks again, may find that another is reading it meanwhile. */
static void many_at_once_learn_what_it_stands_on(void **state)
{
    (void)state;
    struct uuid project = id_of(50), root = id_of(51);
    struct uuid id = add_node(10, &me.user_id, &project, &root, "");
    struct asker *all[20];
    for (int i = 0; i < COUNT(all); i++)
        all[i] = arrives(&nodes, &id);
    settle();
    for (int i = 0; i < COUNT(all); i++) {
        assert_int_equal(all[i]->r.carried[1].n, 3);
        expect(all[i], NEXT, OK);
    }
    costs(&nodes, &id, 0, "node 10");
}

static void who_waits_for_a_row_that_is_not_there_is_told(void **state)
{
    (void)state;
    struct uuid id = id_of(77);
    struct asker *all[5];
    for (int i = 0; i < COUNT(all); i++)
        all[i] = arrives(&things, &id);
    settle();
    for (int i = 0; i < COUNT(all); i++)
        expect(all[i], DENY, ERR_NOT_FOUND);
}

/* ---- what cannot be known ---- */

static void a_store_that_fails_is_503(void **state)
{
    (void)state;
    struct uuid id = add_thing(10, &me.user_id);
    run("alter table things rename to hidden");
    struct asker *first = arrives(&things, &id), *second = arrives(&things, &id);
    settle();
    expect(first, DENY, ERR_UNAVAILABLE);
    expect(second, DENY, ERR_UNAVAILABLE);
    run("alter table hidden rename to things");
    costs(&things, &id, 1, "thing 10");
}

static void what_is_stored_and_not_ours_is_503(void **state)
{
    (void)state;
    struct uuid id = add_node(10, &me.user_id, NULL, NULL, "whatever");
    for (int i = 0; i < 2; i++)
        expect(answered(&nodes, &id), DENY, ERR_UNAVAILABLE);
    run("update nodes set restraints = ''");
    costs(&nodes, &id, 1, "node 10");
}

static struct str key_of(const char *noun, const struct uuid *id, char key[40])
{
    memcpy(key, id->b, sizeof(id->b));
    memcpy(key + sizeof(id->b), noun, strlen(noun));
    return (struct str){ key, sizeof(id->b) + strlen(noun) };
}

static void what_is_remembered_and_not_ours_is_not_judged(void **state)
{
    (void)state;
    struct uuid id = id_of(10);
    char key[40];
    struct epochs under = { 0 };
    epochs_add(&under, EPOCH_RESOURCE, id.b, sizeof(id.b));
    cache_fill(cache, CACHE_API, key_of("node", &id, key), &under, STR("too short"));
    expect(answered(&nodes, &id), DENY, ERR_NO_MEMORY);
}

/* A copy of what is remembered of a thing. */
static struct str remembered(const struct uuid *id, struct epochs *under)
{
    char key[40];
    struct str lent;
    assert_true(cache_recall(cache, CACHE_API, key_of("thing", id, key), under, &lent));
    return str_copy(&f.arena, lent);
}

/* Its row must be whole, its JSON is what is left. */
static void what_is_remembered_is_used_up_to_its_last_byte(void **state)
{
    (void)state;
    struct uuid id = add_thing(10, &me.user_id);
    char key[40];
    struct epochs under;
    struct asker *a = answered(&things, &id);
    size_t json = a->r.facts->json.n;
    assert_true(json > 2);
    expect(a, NEXT, OK);
    struct str whole = remembered(&id, &under);
    for (size_t less = 0; less < whole.n; less++) {
        cache_fill(cache, CACHE_API, key_of("thing", &id, key), &under,
                   (struct str){ whole.p, whole.n - less });
        a = answered(&things, &id);
        if (less <= json)
            assert_int_equal(a->r.facts->json.n, json - less);
        expect(a, less <= json ? NEXT : DENY, less <= json ? OK : ERR_NO_MEMORY);
    }
}

static void what_is_remembered_with_a_row_of_another_length_is_not_judged(void **state)
{
    (void)state;
    struct uuid id = add_thing(10, &me.user_id);
    char key[40];
    struct epochs under;
    struct asker *a = answered(&things, &id);
    size_t behind = a->r.facts->json.n + rows_bytes(&a->r.facts->row).n;
    expect(a, NEXT, OK);
    struct str whole = remembered(&id, &under);
    ((char *)whole.p)[whole.n - behind] ^= 1; /* the lowest byte of the length that the row says itself */
    cache_fill(cache, CACHE_API, key_of("thing", &id, key), &under, whole);
    expect(answered(&things, &id), DENY, ERR_NO_MEMORY);
}

static void without_memory_nothing_is_judged(void **state)
{
    (void)state;
    struct uuid project = id_of(50), root = id_of(51);
    struct uuid id = add_node(10, &me.user_id, &project, &root, "");
    for (int remembered = 0; remembered < 2; remembered++) {
        bool happened = true;
        for (long n = 0; happened; n++) {
            struct asker *a = asker_new(&nodes, &id);
            if (!remembered)
                epoch_bump(EPOCH_RESOURCE, id.b, sizeof(id.b));
            arena_trim();
            nomem_after(n);
            a->v = gate_facts(&a->r);
            settle();
            happened = nomem_happened();
            nomem_after(-1);
            if (happened)
                let_go(&a->r);
            assert_int_equal(a->v, happened ? DENY : NEXT);
            assert_int_equal(a->r.err, happened ? ERR_NO_MEMORY : OK);
            end(a);
        }
    }
}

/* ---- afresh ---- */

static void afresh_is_neither_from_memory_nor_for_it(void **state)
{
    (void)state;
    struct uuid project = id_of(50), root = id_of(51);
    struct uuid id = add_node(10, &me.user_id, &project, &root, "");
    costs(&nodes, &id, 2, "node 10");
    run("update nodes set name = 'later'"); /* behind our back: no epoch moves */
    for (int i = 0; i < 2; i++) {
        int64_t before = asks();
        struct asker *a = asker_new(&nodes, &id);
        a->bare = true;
        a->r.filling.key = STR("another's");
        a->v = look_begin_afresh(&a->r, &a->look, &nodes, &id);
        settle();
        assert_int_equal(asks() - before, 1);
        assert_int_equal(a->v, NEXT);
        assert_int_equal(a->look.err, OK);
        assert_true(
            str_eq(rows_text(&a->look.facts->row, resource_column(&nodes, "name")), STR("later")));
        assert_true(str_eq(a->r.filling.key, STR("another's")));
        a->r.filling.key = STR_NONE;
        end(a);
    }
    costs(&nodes, &id, 0, "node 10");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_path_without_a_row),
        TEST(what_lies_below_is_looked_up_by_what_is_above),
        TEST(a_row_is_known_alike_from_the_store_and_from_memory),
        TEST(a_row_of_nobody_has_no_owner),
        TEST(what_the_gates_look_at_comes_with_it),
        TEST(no_such_row),
        TEST(rows_of_one_id_are_not_confused),
        TEST(what_names_no_cache_type_is_never_remembered),
        TEST(a_row_is_forgotten_with_each_epoch_that_it_stands_on),
        TEST(a_row_is_read_again_only_for_what_is_new),
        TEST(what_moves_while_it_is_read_is_not_remembered),
        TEST(many_at_once_share_one_load),
        TEST(many_at_once_learn_what_it_stands_on),
        TEST(who_waits_for_a_row_that_is_not_there_is_told),
        TEST(a_store_that_fails_is_503),
        TEST(what_is_stored_and_not_ours_is_503),
        TEST(what_is_remembered_and_not_ours_is_not_judged),
        TEST(what_is_remembered_is_used_up_to_its_last_byte),
        TEST(what_is_remembered_with_a_row_of_another_length_is_not_judged),
        TEST(without_memory_nothing_is_judged),
        TEST(afresh_is_neither_from_memory_nor_for_it),
    };
    return cmocka_run_group_tests_name("gate/facts", tests, NULL, NULL);
}
