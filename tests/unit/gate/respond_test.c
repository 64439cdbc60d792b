/* What follows an anomaly, with a store that answers as the test wants: nothing is done that is not written down. */
#include "gate/respond.h"

#include "base/config.h"
#include "base/epoch.h"
#include "base/json.h"
#include "base/log.h"
#include "base/metric.h"
#include "gate/facts.h"
#include "gate/keyring.h"
#include "gen/stmt.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../../src/store/result.h"
#include "../base/nomem.h"

static struct {
    int asked, statements;
    struct rows *rows;
    struct wait *wait;
    struct uuid row, target; /* of the restraint, and of its audit row */
    char payload[500];       /* of the audit row */
    char correlation[200];
    int64_t sequence, until;
    struct uuid person; /* whose the audit row's key is, when it came */
    char said[4][60];   /* kind, subject, level and reason of the restraint */
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

static const struct value *param(const struct stmt *stmt, const struct value *params,
                                 const char *name)
{
    for (int i = 0; i < stmt->nparams; i++)
        if (strcmp(stmt->params[i].name, name) == 0)
            return &params[i];
    fail_msg("%s has no %s", stmt->name, name);
    return NULL;
}

static void keep(char *out, size_t size, struct str text)
{
    assert_true(text.n < size);
    snprintf(out, size, "%.*s", STR_ARG(text));
}

static void take_key(const struct stmt *stmt, const struct value *params)
{
    const struct value *person = param(stmt, params, "user_id");
    store.statements--;
    store.person = person->type == VALUE_UUID ? person->uuid : (struct uuid){ { 0 } };
    assert_true(nsubjects < 256);
    subjects[nsubjects].id = params[0].uuid;
    assert_int_equal(chain_subject_open(&opened, keyring_chain(ring), &params[0].uuid,
                                        params[2].text, subjects[nsubjects++].key),
                     OK);
}

static void take_audit(const struct stmt *stmt, const struct value *params)
{
    struct str payload;
    store.target = param(stmt, params, "target")->uuid;
    store.sequence = param(stmt, params, "sequence")->i;
    keep(store.correlation, sizeof(store.correlation), param(stmt, params, "correlation")->text);
    assert_int_equal(chain_payload_open(&opened, key_named(&param(stmt, params, "subject")->uuid),
                                        &params[0].uuid, param(stmt, params, "sealed")->text,
                                        &payload),
                     OK);
    keep(store.payload, sizeof(store.payload), payload);
}

static void take_restraint(const struct stmt *stmt, const struct value *params)
{
    static const char *const names[] = { "kind", "subject", "level", "reason" };
    store.row = param(stmt, params, "id")->uuid;
    store.until = param(stmt, params, "until")->i;
    for (int i = 0; i < COUNT(names); i++)
        keep(store.said[i], sizeof(store.said[i]), param(stmt, params, names[i])->text);
}

static void take(const struct stmt *stmt, const struct value *params)
{
    if (stmt == &stmt_audit_subject_add)
        take_key(stmt, params);
    else if (stmt == &stmt_audit_add)
        take_audit(stmt, params);
    else if (stmt == &stmt_restraint_add)
        take_restraint(stmt, params);
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
    assert_int_equal(out->count, 0);
    assert_false(nomem_happened()); /* half a row is none */
    nomem_after(-1);
    assert_ptr_equal(c->at[0].stmt, &stmt_restraint_add);
    for (int i = 0; i < c->n; i++)
        take(c->at[i].stmt, c->at[i].params);
    wait_open(w);
}

/* With a row, as an answer may have; and that nothing of it is held any longer. */
static void answers(enum err err)
{
    static const struct slot column = { "id", VALUE_INT, false };
    static const struct stmt stmt = { .columns = &column, .ncolumns = 1 };
    const struct value value = { .type = VALUE_INT, .i = 1 };
    struct rows *rows = store.rows;
    struct wait *w = store.wait;
    assert_non_null(w);
    store.wait = NULL;
    *rows = (struct rows){ .stmt = &stmt };
    assert_int_equal(rows_add(rows, &value), OK);
    rows->err = err;
    w->open = false;
    w->wake(w);
    assert_int_equal(rows->count, 0);
}

static int64_t lost(void)
{
    return metric_read(METRIC_LIMIT_RESTRAINTS_LOST, 0);
}

static int64_t ago;
static struct str correlation = { "request-1", 9 };

/* Of a user of its own, so that each is a first one. */
static struct held anomaly_of(uint8_t number, enum anomaly anomaly)
{
    struct req r = { .who = &me, .id = correlation, .now = clock_wall() - ago, .keyring = ring };
    assert_true(network_address(STR("192.0.2.7"), &r.address));
    me.user_id.b[10] = number;
    respond(&r, RESTRAINT_PRINCIPAL, anomaly);
    return restraint_look(restraint_user(&me.user_id), r.now);
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
    assert_true(respond_busy());
    answers(OK);
    assert_false(respond_busy());
    respond_retry();
    assert_int_equal(store.asked, 1);
}

/* What the audit row holds, of somebody at that address. */
static void expect_payload(const char *address)
{
    struct arena arena = { 0 };
    struct text t = text_new(&arena, 500);
    text_printf(
        &t,
        "{\"address\":\"%s\",\"detail\":{\"kind\":\"%s\",\"subject\":\"%s\",\"level\":\"%s\","
        "\"reason\":\"%s\",\"until\":",
        address, store.said[0], store.said[1], store.said[2], store.said[3]);
    json_put_time(&t, store.until);
    text_lit(&t, "}}");
    text_char(&t, '\0');
    assert_string_equal(store.payload, text_str(&t).p);
    arena_reset(&arena);
}

static void a_row_says_who_and_why(void **state)
{
    (void)state;
    char id[UUID_TEXT + 1] = "";
    anomaly_of(200, ANOMALY_RATE); /* the key comes with the first row about somebody */
    uuid_format(&me.user_id, id);
    assert_string_equal(store.said[0], "principal");
    assert_string_equal(store.said[1], id);
    assert_string_equal(store.said[2], "half");
    assert_string_equal(store.said[3], "rate");
    assert_int_equal(store.until, clock_wall() + HOUR);
    assert_string_equal(store.correlation, "request-1");
    assert_true(uuid_eq(&store.person, &me.user_id));
    expect_payload("192.0.2.7");
    answers(OK);
}

/* Of nobody who is signed in. */
static void of_an_address_it_names_the_network(void **state)
{
    (void)state;
    struct req r = { .id = STR("request-1"), .now = clock_wall(), .keyring = ring };
    assert_true(network_address(STR("2001:db8:1:2:3:4:5:6"), &r.address));
    respond(&r, RESTRAINT_ADDRESS, ANOMALY_PROBES);
    assert_int_equal(restraint_look(restraint_address(&r.address), r.now).level, RESTRAINT_BLOCK);
    assert_string_equal(store.said[0], "address");
    assert_string_equal(store.said[1], "2001:db8:1:2::/64");
    assert_string_equal(store.said[2], "block");
    assert_string_equal(store.said[3], "probes");
    expect_payload("2001:db8:1:2:3:4:5:6");
    answers(OK);
}

static void correlations_are_kept_up_to_a_length(void **state)
{
    (void)state;
    static char long_one[200];
    memset(long_one, 'i', sizeof(long_one));
    const struct str ids[] = {
        STR_NONE, STR("x"), { long_one, 127 }, { long_one, 128 }, { long_one, 200 }
    };
    for (int i = 0; i < COUNT(ids); i++) {
        correlation = ids[i];
        anomaly_of((uint8_t)i, ANOMALY_RATE);
        size_t n = ids[i].n < 128 ? ids[i].n : 128;
        assert_int_equal(strlen(store.correlation), n);
        assert_memory_equal(store.correlation, ids[i].p ? ids[i].p : "", n);
        answers(OK);
    }
    correlation = STR("request-1");
}

/* What the log says, by what the test does meanwhile. */
static int begin_log(void)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    log_open(ends[1], LOG_WARN, LOG_JSON);
    return ends[0];
}

static void expect_logged(int reading, const char *wanted)
{
    char said[1000] = "";
    ssize_t n = read(reading, said, sizeof(said) - 1);
    close(reading);
    log_open(STDERR_FILENO, LOG_ERROR, LOG_JSON);
    if (n < 0 || !strstr(said, wanted))
        fail_msg("%s is not in %s", wanted, said);
}

static void operators_are_told(void **state)
{
    (void)state;
    char wanted[300], id[UUID_TEXT + 1] = "";
    int reading = begin_log();
    anomaly_of(1, ANOMALY_RATE);
    uuid_format(&me.user_id, id);
    snprintf(wanted, sizeof(wanted),
             "\"event\":\"anomaly\",\"reason\":\"rate\",\"kind\":\"principal\",\"subject\":\"%s\","
             "\"level\":\"half\",\"correlation_id\":\"request-1\"}\n",
             id);
    expect_logged(reading, wanted);
    reading = begin_log();
    answers(ERR_INTERNAL);
    snprintf(wanted, sizeof(wanted), "a response could not be written: %s",
             err_info(ERR_INTERNAL)->code);
    expect_logged(reading, wanted);
}

/* The number of a row that was not written is the next row's; otherwise rows would seem to be missing. */
static void numbers_have_no_gap(void **state)
{
    (void)state;
    anomaly_of(1, ANOMALY_RATE);
    int64_t number = store.sequence;
    answers(ERR_UNAVAILABLE);
    respond_retry();
    assert_int_equal(store.sequence, number);
    answers(OK);
    anomaly_of(2, ANOMALY_RATE);
    assert_int_equal(store.sequence, number + 1);
    answers(OK);
}

static void what_finds_no_memory_is_written_later(void **state)
{
    (void)state;
    anomaly_of(0, ANOMALY_RATE);
    int64_t number = store.sequence;
    answers(OK);
    bool happened = true;
    for (long n = 0; happened; n++) {
        int asked = store.asked;
        arena_trim();
        nomem_after(n);
        assert_int_equal(anomaly_of((uint8_t)(n + 1), ANOMALY_RATE).level, RESTRAINT_HALF);
        happened = nomem_happened();
        nomem_after(-1);
        assert_int_equal(store.asked, asked + !happened);
        assert_int_equal(respond_busy(), !happened);
        respond_retry();
        assert_int_equal(store.asked, asked + 1);
        assert_int_equal(store.sequence, ++number);
        answers(OK);
    }
    assert_int_equal(lost(), 0);
}

/* Each write's memory is given back; where tests have each allocation apart, that is seen. */
static void memory_is_given_back(void **state)
{
    (void)state;
    anomaly_of(1, ANOMALY_RATE);
    answers(OK);
    size_t held = arena_held();
    for (uint8_t i = 2; i < 10; i++) {
        anomaly_of(i, ANOMALY_RATE);
        answers(OK);
    }
    assert_int_equal(arena_held(), held);
}

static void in_the_end_nothing_waits(void **state)
{
    (void)state;
    anomaly_of(1, ANOMALY_RATE);
    answers(ERR_UNAVAILABLE);
    respond_fini();
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
    assert_string_equal(store.said[3], "errors");
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

static void less_than_a_minute_is_not(void **state)
{
    (void)state;
    static const struct {
        int64_t ago;
        int lost;
    } rows[] = { { MINUTE - 1, 0 }, { MINUTE, 1 } };
    for (int i = 0; i < COUNT(rows); i++) {
        ago = rows[i].ago;
        anomaly_of((uint8_t)i, ANOMALY_RATE);
        ago = 0;
        answers(ERR_UNAVAILABLE);
        assert_int_equal(lost(), rows[i].lost);
        respond_fini();
    }
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
        TEST(a_row_says_who_and_why),
        TEST(of_an_address_it_names_the_network),
        TEST(correlations_are_kept_up_to_a_length),
        TEST(operators_are_told),
        TEST(numbers_have_no_gap),
        TEST(what_finds_no_memory_is_written_later),
        TEST(memory_is_given_back),
        TEST(in_the_end_nothing_waits),
        TEST(events_are_handed_on_where_they_are),
        TEST(one_after_the_other),
        TEST(a_store_that_is_away_is_tried_again),
        TEST(what_can_never_be_written_is_let_go),
        TEST(a_minute_without_the_store_is_the_end_of_it),
        TEST(less_than_a_minute_is_not),
        TEST(what_finds_no_room_is_not_done),
        TEST(who_is_blocked_stays_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
