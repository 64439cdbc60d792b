/* The rows that a body names: hidden looks like absent, each is judged as if the path named it. */
#include "thing.h"

#include "../base/nomem.h"

#include "route/input.h"

static const struct field fields[] = {
    { "thing_id", UUID, .refers = "things" },
    { "name", TEXT },
    { "list_id", UUID, .refers = "lists" },
    { "kept_list_id", UUID, .refers = "lists", .needs = ACCESS_WRITE },
    { "node_id", UUID, .refers = "nodes", .needs = ACCESS_WRITE },
    { "next_id", UUID, .refers = "things" },
    { "beyond", UUID, .refers = "things" }, /* not of the input */
};
enum { THING, NAME, LIST, KEPT_LIST, NODE, AFTER, BEYOND };

struct asker {
    struct req r;
    struct input input;
    enum verdict v;
    bool early; /* went on without having been told to wait */
};

static void went_on(struct wait *w)
{
    struct asker *a = (struct asker *)(void *)LIST_OF(w, struct req, wait);
    a->early = a->early || a->v != WAIT;
    a->v = gate_references_known(&a->r);
}

static struct asker *asker_new(void)
{
    struct asker *a = calloc(1, sizeof(*a));
    assert_non_null(a);
    clock_tick();
    a->r.store = f.store;
    a->r.cache = cache;
    a->r.who = &me;
    a->r.now = clock_wall();
    a->r.input = &a->input;
    a->input.fields = fields;
    a->input.n = BEYOND;
    a->input.given[BEYOND] = true;
    wait_init(&a->r.wait, went_on);
    return a;
}

static void name(struct asker *a, int field, struct uuid id)
{
    a->input.given[field] = true;
    a->input.at[field] = (struct value){ .type = VALUE_UUID, .uuid = id };
}

static void answer(struct asker *a)
{
    a->v = gate_references(&a->r);
    settle();
}

static void end(struct asker *a)
{
    assert_false(a->early);
    assert_null(a->r.filling.key.p);
    rows_fini(&a->r.found);
    arena_reset(&a->r.arena);
    free(a);
}

static void what_names_no_row_is_not_looked_up(void **state)
{
    (void)state;
    struct asker *a = asker_new();
    a->input.given[NAME] = true;
    a->input.given[THING] = true;
    a->input.at[THING].null = true;
    a->input.at[LIST].uuid = id_of(77); /* not given */
    assert_int_equal(gate_references(&a->r), NEXT);
    assert_int_equal(asks(), 0);
    assert_null(a->r.referred);
    assert_null(referred(&a->r, "thing_id"));
    end(a);
    a = asker_new();
    a->r.input = NULL;
    assert_int_equal(gate_references(&a->r), NEXT);
    end(a);
}

static void each_row_is_known_by_its_field(void **state)
{
    (void)state;
    struct uuid first = add_thing(10, &me.user_id), second = add_thing(11, &me.user_id);
    for (int i = 0; i < 2; i++) { /* from the store, then from memory */
        struct asker *a = asker_new();
        int64_t before = asks();
        name(a, THING, first);
        name(a, AFTER, second);
        answer(a);
        assert_int_equal(a->v, NEXT);
        assert_int_equal(asks() - before, i ? 0 : 2);
        assert_true(uuid_eq(&referred(&a->r, "thing_id")->id, &first));
        assert_true(uuid_eq(&referred(&a->r, "next_id")->id, &second));
        assert_null(referred(&a->r, "name"));
        assert_null(referred(&a->r, "list_id"));
        assert_null(referred(&a->r, "no_such_field"));
        assert_null(referred(&a->r, "beyond"));
        assert_null(a->r.look);
        assert_int_equal(a->r.nfaults, 0);
        end(a);
    }
}

#define RESTRICTED(accesses) ZEROS "07000000000000000200000000000000" ZEROS "9000000000000000 " accesses ";"

static const struct {
    const char *says;
    int field;
    bool mine;              /* else the other's */
    const char *restraints; /* of a node; NULL: a thing */
    bool there;
    enum err err;
} cases[] = {
    { "one's own", THING, true, NULL, true, OK },
    { "another's", THING, false, NULL, true, ERR_INVALID },
    { "none", THING, true, NULL, false, ERR_INVALID },
    { "another's that all may read", LIST, false, NULL, true, OK },
    { "to write to it is more", KEPT_LIST, false, NULL, true, ERR_FORBIDDEN },
    { "one's own to write to", KEPT_LIST, true, NULL, true, OK },
    { "one's own in a tree", NODE, true, "", true, OK },
    { "that an ancestor keeps from being written", NODE, true, RESTRICTED("8"), true, ERR_FORBIDDEN },
    { "that an ancestor hides", NODE, true, RESTRICTED("2"), true, ERR_INVALID },
    { "that an ancestor keeps from being deleted", NODE, true, RESTRICTED("16"), true, OK },
};

static void each_is_judged_as_if_the_path_named_it(void **state)
{
    (void)state;
    for (int i = 0; i < COUNT(cases); i++) {
        const struct uuid *owner = cases[i].mine ? &me.user_id : &other;
        struct uuid id = id_of(100 + i);
        if (cases[i].there && cases[i].restraints)
            add_node(100 + i, owner, NULL, NULL, cases[i].restraints);
        else if (cases[i].there)
            add_thing(100 + i, owner);
        for (int again = 0; again < 2; again++) {
            struct asker *a = asker_new();
            name(a, cases[i].field, id);
            answer(a);
            if (a->v != (cases[i].err ? DENY : NEXT) || a->r.err != cases[i].err)
                fail_msg("%s: %s", cases[i].says, err_info(a->r.err)->code);
            assert_int_equal(a->r.nfaults, cases[i].err == ERR_INVALID);
            assert_true(!a->r.nfaults ||
                        strcmp(a->r.faults[0].field, fields[cases[i].field].name) == 0);
            assert_true(!cases[i].err || a->r.reason);
            end(a);
        }
    }
}

/* Whoever may read a row is told that it is not his to change; from whom an ancestor hides it, not even that. */
static void what_is_hidden_is_not_forbidden(void **state)
{
    (void)state;
    const struct {
        const char *restraints;
        enum err err;
    } shown[] = { { "", ERR_FORBIDDEN }, { RESTRICTED("2"), ERR_INVALID } };
    for (int i = 0; i < COUNT(shown); i++) {
        struct asker *a = asker_new();
        add_node(20 + i, &other, NULL, NULL, shown[i].restraints);
        run("update nodes set project_visibility = 'public_read'");
        name(a, NODE, id_of(20 + i));
        answer(a);
        assert_int_equal(a->v, DENY);
        assert_int_equal(a->r.err, shown[i].err);
        end(a);
    }
}

static void one_bad_name_among_good_ones(void **state)
{
    (void)state;
    struct uuid good = add_thing(10, &me.user_id);
    const struct {
        int good, bad;
    } orders[] = { { THING, AFTER }, { AFTER, THING } };
    for (int i = 0; i < COUNT(orders); i++)
        for (int again = 0; again < 2; again++) {
            struct asker *a = asker_new();
            name(a, orders[i].good, good);
            name(a, orders[i].bad, id_of(77));
            answer(a);
            assert_int_equal(a->v, DENY);
            assert_int_equal(a->r.err, ERR_INVALID);
            assert_string_equal(a->r.faults[0].field, fields[orders[i].bad].name);
            end(a);
        }
}

/* A node is read twice: the first time tells what its facts stand on. */
static void what_is_read_twice_is_waited_for_twice(void **state)
{
    (void)state;
    struct uuid project = id_of(50), id = add_node(10, &me.user_id, &project, NULL, "");
    struct asker *a = asker_new();
    name(a, NODE, id);
    answer(a);
    assert_int_equal(asks(), 2);
    assert_int_equal(a->v, NEXT);
    assert_true(uuid_eq(&referred(&a->r, "node_id")->project, &project));
    end(a);
}

static void a_store_that_fails_is_503(void **state)
{
    (void)state;
    struct asker *a = asker_new();
    name(a, THING, add_thing(10, &me.user_id));
    run("alter table things rename to hidden");
    answer(a);
    assert_int_equal(a->v, DENY);
    assert_int_equal(a->r.err, ERR_UNAVAILABLE);
    assert_int_equal(a->r.nfaults, 0);
    end(a);
}

static void without_memory_nothing_is_done(void **state)
{
    (void)state;
    struct uuid id = add_node(10, &me.user_id, &other, NULL, "");
    bool happened = true;
    for (long n = 0; happened; n++) {
        struct asker *a = asker_new();
        epoch_bump(EPOCH_RESOURCE, id.b, sizeof(id.b));
        name(a, NODE, id);
        arena_trim();
        nomem_after(n);
        answer(a);
        happened = nomem_happened();
        nomem_after(-1);
        if (happened)
            let_go(&a->r);
        assert_int_equal(a->v, happened ? DENY : NEXT);
        assert_int_equal(a->r.err, happened ? ERR_NO_MEMORY : OK);
        end(a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_names_no_row_is_not_looked_up),
        TEST(each_row_is_known_by_its_field),
        TEST(each_is_judged_as_if_the_path_named_it),
        TEST(what_is_hidden_is_not_forbidden),
        TEST(one_bad_name_among_good_ones),
        TEST(what_is_read_twice_is_waited_for_twice),
        TEST(a_store_that_fails_is_503),
        TEST(without_memory_nothing_is_done),
    };
    return cmocka_run_group_tests_name("gate/references", tests, NULL, NULL);
}
