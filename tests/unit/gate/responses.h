/* responses.h: anomalies of principals, with a store that answers as the test wants. */
#ifndef GATE_RESPONSES_H
#define GATE_RESPONSES_H

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
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../../src/store/result.h"
#include "../base/nomem.h"
#include "unasked.h"

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

static inline const uint8_t *key_named(const struct uuid *id)
{
    for (int i = 0; i < nsubjects; i++)
        if (uuid_eq(&subjects[i].id, id))
            return subjects[i].key;
    fail_msg("the row's key never came");
    return NULL;
}

static inline const struct value *param(const struct stmt *stmt, const struct value *params,
                                        const char *name)
{
    for (int i = 0; i < stmt->nparams; i++)
        if (strcmp(stmt->params[i].name, name) == 0)
            return &params[i];
    fail_msg("%s has no %s", stmt->name, name);
    return NULL;
}

static inline void keep(char *out, size_t size, struct str text)
{
    assert_true(text.n < size);
    snprintf(out, size, "%.*s", STR_ARG(text));
}

static inline void take_key(const struct stmt *stmt, const struct value *params)
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

static inline void take_audit(const struct stmt *stmt, const struct value *params)
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

static inline void take_restraint(const struct stmt *stmt, const struct value *params)
{
    static const char *const names[] = { "kind", "subject", "level", "reason" };
    store.row = param(stmt, params, "id")->uuid;
    store.until = param(stmt, params, "until")->i;
    for (int i = 0; i < COUNT(names); i++)
        keep(store.said[i], sizeof(store.said[i]), param(stmt, params, names[i])->text);
}

static inline void take(const struct stmt *stmt, const struct value *params)
{
    if (stmt == &stmt_audit_subject_add)
        take_key(stmt, params);
    else if (stmt == &stmt_audit_add)
        take_audit(stmt, params);
    else if (stmt == &stmt_restraint_add)
        take_restraint(stmt, params);
    arena_reset(&opened);
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
static inline void answers(enum err err)
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

static inline int64_t lost(void)
{
    return metric_read(METRIC_LIMIT_RESTRAINTS_LOST, 0);
}

static int64_t ago;
static struct str correlation = { "request-1", 9 };

/* Of a user of its own, so that each is a first one. */
static inline struct held anomaly_of(uint8_t number, enum anomaly anomaly)
{
    struct req r = { .who = &me, .id = correlation, .now = clock_wall() - ago, .keyring = ring };
    assert_true(network_address(STR("192.0.2.7"), &r.address));
    me.user_id.b[10] = number;
    respond(&r, RESTRAINT_PRINCIPAL, anomaly);
    return restraint_look(restraint_user(&me.user_id), r.now);
}

static inline int set_up(void **state)
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

static inline int tear_down(void **state)
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

#endif
