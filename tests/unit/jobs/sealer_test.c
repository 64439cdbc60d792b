/* Committed rows get their place in the chain; a second sealer cannot fork it. */
#include "../store/fixture.h"

#include "gate/audit.h"
#include "gate/keyring.h"
#include "jobs/jobs.h"

#include "../../../src/jobs/each.h"

#include <sys/stat.h>

static struct keyring *ring;
static struct offload *pool;
static struct jobs_setup use;

/* ---- letting time pass ---- */

struct pause {
    struct wait wait;
    struct ticker *ticker;
};

static void over(void *owner)
{
    struct pause *p = owner;
    ticker_free(p->ticker);
    p->ticker = NULL;
    wait_done(&p->wait);
}

static void woken(struct wait *w)
{
    (void)w;
}

static void pass(uint64_t ms)
{
    struct pause p = { .ticker = NULL };
    wait_init(&p.wait, woken);
    wait_open(&p.wait);
    p.ticker = ticker_new(ms, over, &p);
    settle();
}

static void until(const struct fixture *f, const char *question, int64_t answer)
{
    for (int i = 0; i < 40 && sql(f, question) != answer; i++)
        pass(50);
    assert_int_equal(sql(f, question), answer);
}

/* ---- rows ---- */

static void write_rows(struct fixture *f, int n)
{
    for (int i = 0; i < n; i++) {
        struct change c;
        struct asked asked;
        struct audited written;
        const struct audit_row row = {
            .id = uuid_new(clock_wall_now()), .at = clock_wall_now(), .decision = id_of(1),
            .action = STR("startup.create"), .correlation = STR("x"),
            .outcome = "made", .risk = "green", .payload = STR("{}"),
        };
        change_init(&c, &f->arena);
        assert_int_equal(audit_add(&c, &f->arena, keyring_chain(ring), &row, &written), OK);
        store_commit(f->store, &c, &asked_new(&asked)->rows, &asked.wait);
        settle();
        assert_int_equal(asked.rows.err, OK);
        audit_settle(&written, OK);
        rows_fini(&asked.rows);
    }
}

static int64_t in_chain(const struct fixture *f)
{
    return sql(f, "select count(*) from audit_chain");
}

static void rows_are_linked_in_their_order(void **state)
{
    struct fixture *f = *state;
    write_rows(f, 5);
    until(f, "select count(*) from audit_tail", 0);
    assert_int_equal(in_chain(f), 5);
    assert_int_equal(sql(f, "select max(number) from audit_chain"), 5);
    assert_int_equal(
        sql(f, "select count(*) from audit_chain a join audit_chain b on b.number = a.number + 1 "
               "where b.id > a.id"),
        4);
    write_rows(f, 600); /* more than a batch */
    until(f, "select count(*) from audit_tail", 0);
    assert_int_equal(sql(f, "select max(number) from audit_chain"), 605);
    assert_int_equal(sql(f, "select number from audit_heads order by minute desc limit 1"), 605);
}

static void the_head_is_the_operators_alone(void **state)
{
    struct fixture *f = *state;
    char path[300], line[4096];
    struct stat st;
    struct chain_head head = { 0 };
    pass(400);
    snprintf(path, sizeof(path), "%s/audit.heads", f->dir);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    FILE *file = fopen(path, "r");
    while (fgets(line, sizeof(line), file))
        assert_true(chain_head_read((struct str){ line, strlen(line) - 1 }, &head));
    fclose(file);
    assert_int_equal(head.number, sql(f, "select max(number) from audit_chain"));
}

/* Another node sealed behind our back: our transaction fails, and we go on behind its end. */
static void a_second_sealer_cannot_fork_the_chain(void **state)
{
    struct fixture *f = *state;
    int64_t last = sql(f, "select max(number) from audit_chain");
    sql(f,
        "insert into audit_chain select max(number) + 1, randomblob(16), randomblob(32) from audit_chain");
    write_rows(f, 3);
    until(f, "select count(*) from audit_tail", 0);
    assert_int_equal(sql(f, "select max(number) from audit_chain"), last + 4);
    assert_int_equal(in_chain(f), last + 4);
}

static void a_row_that_is_gone_leaves_its_place(void **state)
{
    struct fixture *f = *state;
    int64_t last = in_chain(f);
    sql(f, "insert into audit_tail values (randomblob(16))");
    until(f, "select count(*) from audit_tail", 0);
    assert_int_equal(in_chain(f), last + 1);
}

static int set_up(void **state)
{
    static struct fixture f;
    fixture_make(&f);
    fixture_open(&f, NULL);
    config.data_dir = f.dir;
    ring = keyring_new(f.store, STR("0123456789012345678901234567890123456789"));
    pool = offload_new(1, 16, 0);
    use = (struct jobs_setup){
        .store = f.store, .keyring = ring, .pool = pool, .node = id_of(9), .first = true
    };
    clock_tick();
    duty_turn(&use);
    sealer_start(&use);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    char path[300];
    sealer_stop();
    settle();
    sealer_fini();
    duty_fini();
    offload_free(pool);
    keyring_free(ring);
    fixture_close(f);
    snprintf(path, sizeof(path), "%s/audit.heads", f->dir);
    unlink(path);
    fixture_remove(f);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_linked_in_their_order),
        cmocka_unit_test(the_head_is_the_operators_alone),
        cmocka_unit_test(a_second_sealer_cannot_fork_the_chain),
        cmocka_unit_test(a_row_that_is_gone_leaves_its_place),
    };
    return cmocka_run_group_tests_name("jobs/sealer", tests, set_up, tear_down);
}
