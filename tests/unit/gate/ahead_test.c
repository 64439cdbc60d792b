/* The row in the path, asked for in the flush that asks for the principal. */
#include "caller.h"

#include "api/all.h"
#include "api/crud.h"

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
    struct asker *a = asker_new();
    a->r.authorization = token();
    a->r.resource = &startups;
    a->r.target_ids.text[0] = str_of(id);
    a->r.target_ids.n = 1;
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
    a->r.carried[1] = (struct epochs){ 0 }; /* gate facts has been here too */
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_row_leaves_with_the_principal),
        TEST(what_is_remembered_is_not_asked_for),
        TEST(who_is_denied_leaves_nothing_behind),
    };
    resources_init(api_resources);
    return cmocka_run_group_tests_name("gate/ahead", tests, NULL, NULL);
}
