/* What follows an anomaly, with a store that answers as the test wants: nothing is done that is not written down. */
#include "gate/respond.h"

#include "base/config.h"
#include "base/epoch.h"
#include "base/log.h"
#include "base/metric.h"
#include "gate/facts.h"
#include "gate/keyring.h"
#include "gen/stmt.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static struct {
    int asked, statements;
    struct rows *rows;
    struct wait *wait;
    struct uuid row, target; /* of the restraint, and of its audit row */
    char detail[300];
} store;

static void *metrics, *restraints, *epochs;
static struct principal me = { .kind = PRINCIPAL_USER, .user_id = { { 1, [15] = 9 } } };

static struct keyring *ring;
static struct arena opened;
/* The key of each person comes with the first row about them. */
static struct {
    struct uuid id;
    uint8_t key[CHAIN_KEY];
} subjects[256];
static int nsubjects;

static const uint8_t *key_named(const struct uuid *id)
{
    for (int i = 0; i < nsubjects; i++)
        if (uuid_eq(&subjects[i].id, id))
            return subjects[i].key;
    fail_msg("the row's key never came");
    return NULL;
}

static void take_audit(const struct stmt *stmt, const struct value *params)
{
    struct str detail;
    if (stmt == &stmt_audit_subject_add) {
        store.statements--;
        assert_true(nsubjects < 256);
        subjects[nsubjects].id = params[0].uuid;
        assert_int_equal(chain_subject_open(&opened, keyring_chain(ring), &params[0].uuid,
                                            params[2].text, subjects[nsubjects++].key),
                         OK);
    } else if (stmt == &stmt_audit_add) {
        assert_string_equal(stmt->params[8].name, "target");
        store.target = params[8].uuid;
        assert_int_equal(chain_payload_open(&opened, key_named(&params[13].uuid), &params[0].uuid,
                                            params[14].text, &detail),
                         OK);
        assert_true(detail.n < sizeof(store.detail));
        memcpy(store.detail, detail.p, detail.n);
        store.detail[detail.n] = '\0';
    }
    arena_reset(&opened);
}

/* The ring that the audit's keys come from reads none of its own. */
void store_ask(struct store *s, const struct stmt *stmt, const struct value *params,
               struct rows *out, struct wait *w)
{
    (void)s;
    (void)params;
    (void)out;
    (void)w;
    fail_msg("%s was asked", stmt->name);
}

void store_commit(struct store *s, const struct change *c, struct rows *out, struct wait *w)
{
    (void)s;
    store.asked++;
    store.statements = c->n;
    store.rows = out;
    store.wait = w;
    store.row = c->at[0].params[0].uuid;
    for (int i = 0; i < c->n; i++)
        take_audit(c->at[i].stmt, c->at[i].params);
    wait_open(w);
}

static void answers(enum err err)
{
    struct wait *w = store.wait;
    assert_non_null(w);
    store.wait = NULL;
    store.rows->err = err;
    w->open = false;
    w->wake(w);
}

static int64_t ago;

/* Of a user of its own, so that each is a first one. */
static struct held anomaly_of(uint8_t number, enum anomaly anomaly)
{
    struct req r = { .who = &me, .id = STR("request-1"), .now = clock_wall() - ago,
                     .keyring = ring };
    assert_true(network_address(STR("192.0.2.7"), &r.address));
    me.user_id.b[10] = number;
    respond(&r, RESTRAINT_PRINCIPAL, anomaly);
    return restraint_look(restraint_user(&me.user_id), r.now);
}

static int64_t lost(void)
{
    return metric_read(METRIC_LIMIT_RESTRAINTS_LOST, 0);
}

static void it_is_in_force_before_it_is_written(void **state)
{
    (void)state;
    struct held held = anomaly_of(1, ANOMALY_RATE);
    assert_int_equal(held.level, RESTRAINT_HALF);
    assert_int_equal(held.until, clock_wall() + HOUR);
    assert_int_equal(store.asked, 1);
    assert_int_equal(store.statements, 2);
    assert_true(uuid_eq(&store.row, &store.target));
    assert_non_null(strstr(store.detail, "\"kind\":\"principal\""));
    assert_non_null(strstr(store.detail, "\"level\":\"half\""));
    assert_non_null(strstr(store.detail, "\"reason\":\"rate\""));
    assert_true(respond_busy());
    answers(OK);
    assert_false(respond_busy());
    respond_retry();
    assert_int_equal(store.asked, 1);
}

static void events_are_handed_on_where_they_are(void **state)
{
    (void)state;
    config.redis_url = "redis://somewhere";
    anomaly_of(1, ANOMALY_RATE);
    assert_int_equal(store.statements, 3);
    answers(OK);
}

static void one_after_the_other(void **state)
{
    (void)state;
    anomaly_of(1, ANOMALY_RATE);
    struct uuid first = store.row;
    anomaly_of(2, ANOMALY_ERRORS);
    assert_int_equal(store.asked, 1);
    answers(OK);
    assert_int_equal(store.asked, 2);
    assert_false(uuid_eq(&store.row, &first));
    answers(OK);
    assert_false(respond_busy());
}

static void a_store_that_is_away_is_tried_again(void **state)
{
    (void)state;
    static const enum err away[] = { ERR_UNAVAILABLE, ERR_OVERLOADED, ERR_COMMIT_UNKNOWN };
    anomaly_of(1, ANOMALY_RATE);
    struct uuid row = store.row;
    for (int i = 0; i < 3; i++) {
        answers(away[i]);
        assert_false(respond_busy()); /* not at once */
        respond_retry();
        assert_int_equal(store.asked, i + 2);
        assert_true(uuid_eq(&store.row, &row));
    }
    answers(ERR_EXISTS); /* the one of unknown outcome was made */
    respond_retry();
    assert_int_equal(store.asked, 4);
    assert_int_equal(lost(), 0);
}

static enum restraint_level level_of(uint8_t number)
{
    me.user_id.b[10] = number;
    return restraint_look(restraint_user(&me.user_id), clock_wall()).level;
}

static void what_can_never_be_written_is_let_go(void **state)
{
    (void)state;
    anomaly_of(1, ANOMALY_RATE);
    anomaly_of(2, ANOMALY_RATE);
    answers(ERR_INTERNAL);
    assert_int_equal(lost(), 1);
    assert_int_equal(level_of(1), RESTRAINT_RECORDED);
    assert_int_equal(store.asked, 2);
    answers(OK);
    assert_int_equal(lost(), 1);
    assert_int_equal(level_of(2), RESTRAINT_HALF);
}

static void a_minute_without_the_store_is_the_end_of_it(void **state)
{
    (void)state;
    ago = MINUTE + SECOND;
    anomaly_of(1, ANOMALY_RATE);
    ago = 0;
    assert_int_equal(level_of(1), RESTRAINT_HALF);
    answers(ERR_UNAVAILABLE);
    assert_int_equal(lost(), 1);
    assert_int_equal(level_of(1), RESTRAINT_RECORDED);
    respond_retry();
    assert_int_equal(store.asked, 1);
}

static void what_finds_no_room_is_not_done(void **state)
{
    (void)state;
    for (int i = 0; i < 64; i++)
        assert_int_equal(anomaly_of((uint8_t)i, ANOMALY_PROBES).level, RESTRAINT_BLOCK);
    assert_int_equal(anomaly_of(64, ANOMALY_PROBES).level, RESTRAINT_RECORDED);
    assert_int_equal(lost(), 1);
    for (int i = 0; i < 64; i++)
        answers(OK);
    assert_false(respond_busy());
    assert_int_equal(store.asked, 64);
    assert_int_equal(anomaly_of(64, ANOMALY_PROBES).level, RESTRAINT_BLOCK);
    answers(OK);
}

static void who_is_blocked_stays_so(void **state)
{
    (void)state;
    struct held held = anomaly_of(1, ANOMALY_PROBES);
    answers(OK);
    assert_int_equal(anomaly_of(1, ANOMALY_RATE).until, held.until);
    assert_int_equal(store.asked, 1);
    assert_int_equal(metric_read(METRIC_LIMIT_ANOMALIES, ANOMALY_RATE - 1), 1); /* but it is counted */
    assert_int_equal(metric_read(METRIC_LIMIT_RESTRAINTS, RESTRAINT_BLOCK), 1);
}

static int set_up(void **state)
{
    (void)state;
    metrics = calloc(1, metric_size(1));
    restraints = calloc(1, restraint_size());
    epochs = calloc(1, epoch_size());
    assert_true(metrics && restraints && epochs);
    epoch_init(epochs);
    ring = keyring_new(NULL, STR("0123456789012345678901234567890123456789"));
    metric_init(metrics, 1);
    metric_use(0);
    restraint_init(restraints);
    memset(&store, 0, sizeof(store));
    config.redis_url = "";
    config.rate_limit_profile = PROFILE_STANDARD;
    log_open(STDERR_FILENO, LOG_ERROR, LOG_JSON);
    clock_tick();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    respond_fini();
    restraint_init(NULL);
    free(restraints);
    keyring_free(ring);
    free(epochs);
    free(metrics);
    return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_is_in_force_before_it_is_written),
        TEST(events_are_handed_on_where_they_are),
        TEST(one_after_the_other),
        TEST(a_store_that_is_away_is_tried_again),
        TEST(what_can_never_be_written_is_let_go),
        TEST(a_minute_without_the_store_is_the_end_of_it),
        TEST(what_finds_no_room_is_not_done),
        TEST(who_is_blocked_stays_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
