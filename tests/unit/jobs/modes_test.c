/* How a node keeps up with the mode, with a store that answers as the test wants. */
#include "../base/unit.h"
#undef COUNT /* route/resource.h has its own */

#include "base/clock.h"
#include "gen/stmt.h"

static int64_t clock_now;
#define clock_mono() (clock_now)
#include "../../../src/jobs/modes.c"
#undef clock_mono

#include "../../../src/store/result.h"

#include <stdlib.h>
#include <unistd.h>

static struct {
    bool broken;
    struct rows *row; /* of the ask that waits */
    struct wait *ask;
    struct rows *committed;
    struct wait *commit;
    int asks, commits, n; /* n: audit rows of the last commit */
    struct uuid first;    /* id of its first audit row */
    char detail[256];     /* of its last */
} store;
static struct keyring *ring;
static uint8_t subject_key[CHAIN_KEY]; /* of the rows of this process */
static struct arena opened;

static void take_key(const struct value *params)
{
    assert_int_equal(chain_subject_open(&opened, keyring_chain(ring), &params[0].uuid,
                                        params[2].text, subject_key),
                     OK);
}

static void take_row(const struct value *params)
{
    struct str detail;
    if (store.n++ == 0)
        store.first = params[0].uuid;
    assert_int_equal(
        chain_payload_open(&opened, subject_key, &params[0].uuid, params[14].text, &detail), OK);
    assert_true(detail.n < sizeof(store.detail));
    memcpy(store.detail, detail.p, detail.n);
    store.detail[detail.n] = '\0';
}

void store_ask(struct store *s, const struct stmt *stmt, const struct value *params,
               struct rows *out, struct wait *w)
{
    (void)s;
    (void)params;
    assert_ptr_equal(stmt, &stmt_mode_get);
    *out = (struct rows){ .stmt = stmt };
    store.asks++;
    store.row = out;
    store.ask = w;
    wait_open(w);
}

void store_commit(struct store *s, const struct change *c, struct rows *out, struct wait *w)
{
    (void)s;
    *out = (struct rows){ 0 };
    store.commits++;
    store.n = 0;
    for (int i = 0; i < c->n; i++) {
        if (c->at[i].stmt == &stmt_audit_subject_add) {
            take_key(c->at[i].params);
            continue;
        }
        assert_ptr_equal(c->at[i].stmt, &stmt_audit_add);
        take_row(c->at[i].params);
    }
    arena_reset(&opened);
    store.committed = out;
    store.commit = w;
    wait_open(w);
}

bool store_broken(const struct store *s)
{
    (void)s;
    return store.broken;
}

static void wake(struct wait **w)
{
    struct wait *woken = *w;
    assert_non_null(woken);
    *w = NULL;
    wait_done(woken);
    list_remove(&woken->node);
    woken->open = false;
    woken->wake(woken);
}

static void answer(enum err err, const char *mode, int64_t version)
{
    const struct value values[] = {
        { .type = VALUE_TEXT, .text = str_of(mode) },
        { .type = VALUE_TEXT, .null = true },
        { .type = VALUE_UUID, .null = true },
        { .type = VALUE_TIME },
        { .type = VALUE_INT, .i = version },
    };
    store.row->err = err;
    if (err == OK)
        assert_int_equal(rows_add(store.row, values), OK);
    wake(&store.ask);
}

static void committed(enum err err)
{
    store.committed->err = err;
    wake(&store.commit);
}

static void pass(int64_t time)
{
    clock_now += time;
    tick(NULL);
}

static struct jobs_setup use = { .node = { { 7 } }, .first = true };
static void *mode_room, *epoch_room, *metric_room;

static int begin(void **state)
{
    (void)state;
    memset(&modes, 0, sizeof(modes));
    ring = keyring_new(NULL, STR("0123456789012345678901234567890123456789"));
    use.keyring = ring;
    memset(&store, 0, sizeof(store));
    epoch_room = calloc(1, epoch_size());
    epoch_init(epoch_room);
    mode_room = calloc(1, mode_size());
    mode_init(mode_room);
    metric_room = calloc(1, metric_size(1));
    metric_init(metric_room, 1);
    metric_use(0);
    mode_worker(0);
    clock_now = HOUR;
    log_open(STDERR_FILENO, LOG_ERROR, LOG_JSON);
    assert_int_equal(loop_init(), OK);
    modes_start(&use);
    return 0;
}

static int end(void **state)
{
    (void)state;
    modes_stop();
    modes_fini();
    loop_fini();
    arena_trim();
    free(epoch_room);
    free(mode_room);
    free(metric_room);
    keyring_free(ring);
    return 0;
}

static void until_the_row_is_read_it_is_lockdown(void **state)
{
    (void)state;
    assert_int_equal(store.asks, 1);
    answer(ERR_UNAVAILABLE, NULL, 0);
    assert_int_equal(mode_now(), MODE_LOCKDOWN);
    assert_int_equal(metric_read(METRIC_GATE_MODE, MODE_LOCKDOWN), 1);
    pass(SECOND / 10);
    assert_int_equal(store.asks, 1); /* not at once */
    pass(SECOND);
    assert_int_equal(store.asks, 2);
    answer(OK, "normal", 1);
    pass(SECOND);
    assert_int_equal(mode_now(), MODE_NORMAL);
    assert_int_equal(metric_read(METRIC_GATE_MODE, MODE_LOCKDOWN), 0);
    assert_int_equal(metric_read(METRIC_GATE_MODE, MODE_NORMAL), 1);
    assert_int_equal(store.asks, 2); /* and not again */
}

static void what_is_heard_is_read_at_once(void **state)
{
    (void)state;
    answer(OK, "normal", 1);
    modes_hear();
    assert_int_equal(store.asks, 1);
    epoch_bump(EPOCH_MODE, NULL, 0);
    modes_hear();
    assert_int_equal(store.asks, 2);
    epoch_bump(EPOCH_MODE, NULL, 0); /* while it is read: what comes may be older */
    modes_hear();
    assert_int_equal(store.asks, 2);
    answer(OK, "read_only", 2);
    assert_int_equal(mode_now(), MODE_READ_ONLY);
    assert_int_equal(store.asks, 3);
    answer(OK, "lockdown", 3);
    assert_int_equal(mode_now(), MODE_LOCKDOWN);
    assert_int_equal(store.asks, 3);
}

static void what_cannot_be_read_stays(void **state)
{
    (void)state;
    answer(OK, "lockdown", 3);
    epoch_bump_all();
    pass(SECOND / 10);
    answer(ERR_UNAVAILABLE, NULL, 0);
    assert_int_equal(mode_now(), MODE_LOCKDOWN);
    pass(SECOND);
    answer(OK, "party", 4);
    assert_int_equal(mode_now(), MODE_LOCKDOWN);
    pass(SECOND);
    answer(OK, "normal", 4);
    assert_int_equal(mode_now(), MODE_NORMAL);
}

static void breakers_are_audited_once_the_store_takes_it(void **state)
{
    (void)state;
    answer(OK, "normal", 1);
    store.broken = true;
    mode_breaker(DEPENDENCY_STORE, true);
    pass(SECOND / 10);
    pass(SECOND);
    assert_int_equal(metric_read(METRIC_GATE_MODE, MODE_READ_ONLY), 1);
    assert_int_equal(store.commits, 0);

    store.broken = false;
    mode_breaker(DEPENDENCY_STORE, false);
    pass(SECOND / 10);
    assert_int_equal(store.commits, 1);
    assert_int_equal(store.n, 2);
    assert_non_null(strstr(store.detail, "{\"mode\":\"normal\",\"was\":\"read_only\","));
    struct uuid first = store.first;

    committed(ERR_COMMIT_UNKNOWN);
    mode_breaker(DEPENDENCY_REDIS, true);
    pass(SECOND);
    assert_int_equal(store.n, 2); /* as it was sent */
    assert_true(uuid_eq(&store.first, &first));
    committed(ERR_EXISTS); /* it had been committed */
    pass(SECOND / 10);
    assert_int_equal(store.n, 1);
    assert_non_null(strstr(store.detail, "{\"mode\":\"degraded\",\"was\":\"normal\","));
    committed(OK);
    pass(SECOND);
    assert_int_equal(store.commits, 3);
}

static void what_the_audit_has_no_room_for_is_counted(void **state)
{
    (void)state;
    answer(OK, "normal", 1);
    store.broken = true;
    for (int i = 0; i < UNTOLD_MAX + 5; i++) {
        mode_breaker(DEPENDENCY_STORE, i % 2 == 0);
        pass(SECOND / 10);
    }
    store.broken = false;
    pass(SECOND / 10);
    assert_int_equal(store.n, UNTOLD_MAX);
    committed(OK);
    mode_breaker(DEPENDENCY_STORE, false);
    pass(SECOND / 10);
    assert_non_null(strstr(store.detail, "\"left_out\":5}"));
    committed(OK);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(until_the_row_is_read_it_is_lockdown),
        TEST(what_is_heard_is_read_at_once),
        TEST(what_cannot_be_read_stays),
        TEST(breakers_are_audited_once_the_store_takes_it),
        TEST(what_the_audit_has_no_room_for_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
