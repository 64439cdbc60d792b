/* Gate 8: which rows and events a change carries, and what they say. */
#include "../base/nomem.h"

#include "base/config.h"
#include "base/epoch.h"
#include "base/metric.h"
#include "gate/audit.h"
#include "gate/keyring.h"
#include "gen/stmt.h"
#include "route/input.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define NOW (1000 * DAY)

static struct keyring *keyring;
static void *metrics, *epochs;
static uint8_t persons; /* each request is another person's, so that each brings its key */

static const struct uuid session = { { 2 } }, row_id = { { 3 } }, other_row = { { 4 } },
                         decision = { { 5 } }, glass = { { 6 } };
static const struct resource startups = { .noun = "startup" };
static const struct action changes = { .audit = "startup.create" },
                           reads = { .access = ACCESS_READ };

static char no_url[] = "", short_url[] = "r", long_url[] = "redis://127.0.0.1";

static const struct field fields[] = { { "name", TEXT },
                                       { "email", TEXT },
                                       { "status", TEXT },
                                       { "beyond", TEXT } /* not of the input */ };
#define FIELDS 3

static struct principal me;

static struct req request(const struct action *action)
{
    me = (struct principal){ .kind = PRINCIPAL_USER,
                             .user_id = { { 1, ++persons } },
                             .session_id = session,
                             .live = true,
                             .expires = INT64_MAX,
                             .permits = PERMIT_ALL };
    struct req r = { .who = &me, .action = action, .resource = &startups, .keyring = keyring,
                     .now = NOW, .method = POST, .path = STR("/api/v1/startups"), .id = STR("correlation"),
                     .decision = decision };
    r.target_ids.id = row_id;
    assert_true(network_address(STR("192.0.2.7"), &r.address));
    return r;
}

static void break_glass(struct req *r)
{
    r->who->break_glass = glass;
    r->who->break_glass_until = NOW + 1;
}

/* ---- what a change carries ---- */

/* By the parameters of audit_add and outbox_add. */
enum {
    ID,
    WRITER,
    SEQUENCE,
    AT,
    KIND,
    PRINCIPAL,
    SESSION,
    ACTION,
    TARGET,
    OUTCOME,
    DECISION,
    RISK,
    CORRELATION,
    SUBJECT,
    SEALED
};
enum { EVENT_ID, EVENT_AT, EVENT, EVENT_TARGET, EVENT_PRINCIPAL, EVENT_PAYLOAD };

/* The parameters of the nth statement of that kind; NULL behind the last. */
static const struct value *added(const struct req *r, const struct stmt *stmt, int n)
{
    for (int i = 0; i < r->change.n; i++)
        if (r->change.at[i].stmt == stmt && n-- == 0)
            return r->change.at[i].params;
    return NULL;
}

/* What is sealed in a row. */
static struct str payload(struct req *r, const struct value *row)
{
    uint8_t key[CHAIN_KEY];
    struct str plain;
    const struct value *subject = added(r, &stmt_audit_subject_add, 0);
    assert_non_null(subject);
    assert_true(uuid_eq(&subject[0].uuid, &row[SUBJECT].uuid));
    assert_int_equal(chain_subject_open(&r->arena, keyring_chain(keyring), &subject[0].uuid,
                                        subject[2].text, key),
                     OK);
    assert_int_equal(chain_payload_open(&r->arena, key, &row[ID].uuid, row[SEALED].text, &plain),
                     OK);
    return plain;
}

static bool says(const struct value *v, const char *text)
{
    return str_eq(v->text, str_of(text));
}

static enum verdict audits(struct req *r, int rows)
{
    change_init(&r->change, &r->arena);
    for (int i = 0; i < rows; i++)
        add_key_lock(&r->change);
    return gate_audit(r);
}

static void done(struct req *r)
{
    r->work = r; /* what lies behind them */
    audit_settle_all(r, ERR_STALE);
    assert_ptr_equal(r->work, r);
    for (int i = 0; i < COUNT(r->audited); i++)
        assert_int_equal(r->audited[i].sequence, 0);
    arena_reset(&r->arena);
}

static const struct {
    const char *says;
    const struct action *action;
    int rows; /* that the request changes */
    const char *noun;
    bool glass, signs_in;
    enum err err;
    const char *first, *outcome, *second; /* the rows of the audit; NULL: none */
    bool only_used, event;
} cases[] = {
    { "a read", &reads, 0, NULL, false, false, OK, NULL, NULL, NULL, true, false },
    { "of what may change rows", &changes, 0, NULL, false, false, OK, NULL, NULL, NULL, true, false },
    { "a change", &changes, 1, NULL, false, false, OK, "startup.create", "made", NULL, false, true },
    { "that is called otherwise", &changes, 1, "startup.adopt", false, false, OK, "startup.adopt", "made", NULL,
      false, true },
    { "that has no name", &reads, 1, NULL, false, false, ERR_INTERNAL, NULL, NULL, NULL, false, false },
    { "that only the request names", &reads, 1, "startup.adopt", false, false, OK, "startup.adopt", "made", NULL,
      false, true },
    { "a read that is written down", &reads, 0, "startup.export", false, false, OK, "startup.export", "read", NULL,
      false, false },
    { "a sign-in", &changes, 1, NULL, false, true, OK, "startup.create", "signed_in", NULL, false, true },
    { "a read under break-glass", &reads, 0, NULL, true, false, OK, "break_glass.use", "used", NULL, true, false },
    { "a change under it", &changes, 1, NULL, true, false, OK, "startup.create", "made", "break_glass.use", false,
      true },
    { "without a name", &reads, 1, NULL, true, false, ERR_INTERNAL, NULL, NULL, NULL, false, false },
};

static void a_change_carries_its_rows(void **state)
{
    (void)state;
    for (int i = 0; i < COUNT(cases); i++) {
        struct req r = request(cases[i].action);
        config.redis_url = i % 2 ? short_url : long_url;
        r.audit_noun = cases[i].noun;
        if (cases[i].glass)
            break_glass(&r);
        if (cases[i].signs_in)
            r.audit_subject = (struct uuid){ { 100, persons } };
        enum verdict v = audits(&r, cases[i].rows);
        if (v != (cases[i].err ? DENY : NEXT) || r.err != cases[i].err)
            fail_msg("%s: %s", cases[i].says, err_info(r.err)->code);
        const struct value *first = added(&r, &stmt_audit_add, 0),
                           *second = added(&r, &stmt_audit_add, 1);
        if (!first != !cases[i].first || !second != !cases[i].second ||
            r.only_used != cases[i].only_used || !added(&r, &stmt_outbox_add, 0) != !cases[i].event)
            fail_msg("%s", cases[i].says);
        if (first &&
            (!says(&first[ACTION], cases[i].first) || !says(&first[OUTCOME], cases[i].outcome)))
            fail_msg("%s: %.*s", cases[i].says, STR_ARG(first[ACTION].text));
        if (second)
            assert_true(says(&second[ACTION], cases[i].second) && says(&second[OUTCOME], "used"));
        done(&r);
    }
}

static void a_row_says_who_did_what_to_which(void **state)
{
    (void)state;
    for (int rated = 0; rated < 2; rated++) {
        struct req r = request(&changes);
        r.rated = rated;
        r.risk = RISK_ORANGE;
        assert_int_equal(audits(&r, 1), NEXT);
        const struct value *row = added(&r, &stmt_audit_add, 0);
        assert_true(uuid_eq(&row[WRITER].uuid, audit_writer()));
        assert_int_equal(row[SEQUENCE].i, r.audited[0].sequence);
        assert_int_equal(r.audited[1].sequence, 0);
        assert_int_equal(row[AT].i, NOW);
        assert_true(says(&row[KIND], "user") && says(&row[CORRELATION], "correlation"));
        assert_true(uuid_eq(&row[PRINCIPAL].uuid, &me.user_id) &&
                    uuid_eq(&row[SESSION].uuid, &session));
        assert_true(uuid_eq(&row[TARGET].uuid, &row_id) && uuid_eq(&row[DECISION].uuid, &decision));
        assert_true(says(&row[RISK], rated ? "orange" : "unrated"));
        assert_true(uuid_eq(&r.audited[0].person, &me.user_id));
        done(&r);
    }
}

static void what_the_handler_says_counts(void **state)
{
    (void)state;
    struct uuid subject = { { 101 } };
    struct req r = request(&changes);
    me.user_id = (struct uuid){ 0 };
    r.audit_subject = subject;
    r.audit_target = other_row;
    r.audit_detail = STR("{\"more\":1}");
    config.redis_url = short_url;
    assert_int_equal(audits(&r, 1), NEXT);
    const struct value *row = added(&r, &stmt_audit_add, 0),
                       *event = added(&r, &stmt_outbox_add, 0);
    assert_true(uuid_eq(&row[PRINCIPAL].uuid, &subject) && uuid_eq(&row[TARGET].uuid, &other_row));
    assert_true(uuid_eq(&r.audited[0].person, &subject));
    assert_true(
        str_eq(payload(&r, row), STR("{\"address\":\"192.0.2.7\",\"detail\":{\"more\":1}}")));
    assert_true(says(&event[EVENT_PAYLOAD], "{\"more\":1}"));
    assert_true(uuid_eq(&event[EVENT_TARGET].uuid, &other_row));
    assert_true(event[EVENT_PRINCIPAL].null);
    done(&r);
}

static void a_change_is_an_event_where_events_are_handed_on(void **state)
{
    (void)state;
    struct req r = request(&changes);
    config.redis_url = no_url;
    assert_int_equal(audits(&r, 1), NEXT);
    assert_null(added(&r, &stmt_outbox_add, 0));
    done(&r);
    r = request(&changes);
    config.redis_url = short_url;
    r.target_ids.id = (struct uuid){ 0 };
    assert_int_equal(audits(&r, 1), NEXT);
    const struct value *event = added(&r, &stmt_outbox_add, 0);
    assert_false(uuid_nil(&event[EVENT_ID].uuid));
    assert_int_equal(event[EVENT_AT].i, NOW);
    assert_true(says(&event[EVENT], "startup.create"));
    assert_true(event[EVENT_TARGET].null && uuid_eq(&event[EVENT_PRINCIPAL].uuid, &me.user_id));
    assert_true(says(&event[EVENT_PAYLOAD], "{\"fields\":[]}"));
    done(&r);
}

/* ---- what is personal in a row ---- */

static void only_the_names_of_the_fields_are_kept(void **state)
{
    (void)state;
    static const struct {
        bool given[FIELDS];
        const char *detail;
    } rows[] = {
        { { false, false, false }, "{\"fields\":[]}" },
        { { true, false, false }, "{\"fields\":[\"name\"]}" },
        { { false, false, true }, "{\"fields\":[\"status\"]}" },
        { { true, true, true }, "{\"fields\":[\"name\",\"email\",\"status\"]}" },
    };
    config.redis_url = short_url;
    for (int i = 0; i < COUNT(rows); i++) {
        struct input input = { .fields = fields, .n = FIELDS };
        struct req r = request(&changes);
        memcpy(input.given, rows[i].given, sizeof(rows[i].given));
        input.given[FIELDS] = true;
        r.input = &input;
        assert_int_equal(audits(&r, 1), NEXT);
        assert_true(says(&added(&r, &stmt_outbox_add, 0)[EVENT_PAYLOAD], rows[i].detail));
        done(&r);
    }
}

static void the_operator_has_no_address(void **state)
{
    (void)state;
    struct req r = request(&changes);
    r.local = true;
    assert_int_equal(audits(&r, 1), NEXT);
    assert_true(str_eq(payload(&r, added(&r, &stmt_audit_add, 0)),
                       STR("{\"address\":\"local\",\"detail\":{\"fields\":[]}}")));
    done(&r);
}

static void the_callers_trace_is_kept(void **state)
{
    (void)state;
    struct req r = request(&changes);
    r.nheaders = 1;
    r.headers[0] =
        (struct header){ STR("traceparent"),
                         STR("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01") };
    assert_int_equal(audits(&r, 1), NEXT);
    assert_true(
        str_eq(payload(&r, added(&r, &stmt_audit_add, 0)),
               STR("{\"address\":\"192.0.2.7\",\"trace_id\":\"0af7651916cd43dd8448eb211c80319c\","
                   "\"detail\":{\"fields\":[]}}")));
    done(&r);
}

#define TEN "0123456789"
#define FIFTY TEN TEN TEN TEN TEN
#define LONGEST FIFTY FIFTY FIFTY TEN /* AUDIT_AGENT_MAX */

static const struct {
    const char *agent, *kept;
} agents[] = {
    { "curl/8", "curl/8" },
    { "", "" },
    { "\xff", "" },
    { LONGEST, LONGEST },
    { LONGEST "x", LONGEST },
    { FIFTY FIFTY FIFTY "012345678\xc3\xa9", FIFTY FIFTY FIFTY "012345678" },
    { FIFTY FIFTY FIFTY "01234567\xc3\xa9", FIFTY FIFTY FIFTY "01234567\xc3\xa9" },
    { FIFTY FIFTY FIFTY "01234567\xe2\x82\xac", FIFTY FIFTY FIFTY "01234567" },
    { FIFTY FIFTY FIFTY "0123456\xf0\x9f\x9a\x81", FIFTY FIFTY FIFTY "0123456" },
    { FIFTY FIFTY FIFTY TEN "\xc3\xa9", LONGEST },
};

static void agents_are_cut_between_characters(void **state)
{
    (void)state;
    for (int i = 0; i < COUNT(agents); i++) {
        size_t n = strlen(agents[i].agent);
        char *exactly = malloc(n ? n : 1);
        assert_non_null(exactly);
        memcpy(exactly, agents[i].agent, n);
        struct req r = request(&changes);
        r.user_agent = (struct str){ exactly, n };
        assert_int_equal(audits(&r, 1), NEXT);
        struct text wanted = text_new(&r.arena, 400);
        text_lit(&wanted, "{\"address\":\"192.0.2.7\",\"user_agent\":\"");
        text_add(&wanted, str_of(agents[i].kept));
        text_lit(&wanted, "\",\"detail\":{\"fields\":[]}}");
        struct str is = payload(&r, added(&r, &stmt_audit_add, 0));
        if (!str_eq(is, text_str(&wanted)))
            fail_msg("%s: %.*s", agents[i].agent, STR_ARG(is));
        done(&r);
        free(exactly);
    }
}

static void a_use_of_break_glass_says_what_was_asked(void **state)
{
    (void)state;
    for (int head = 0; head < 2; head++) {
        struct req r = request(&reads);
        r.method = GET;
        r.head = head;
        break_glass(&r);
        assert_int_equal(audits(&r, 0), NEXT);
        const struct value *row = added(&r, &stmt_audit_add, 0);
        assert_true(uuid_eq(&row[TARGET].uuid, &glass));
        assert_int_equal(row[SEQUENCE].i, r.audited[1].sequence);
        assert_true(
            str_eq(payload(&r, row),
                   head ? STR("{\"address\":\"192.0.2.7\",\"detail\":{\"method\":\"HEAD\",\"path\":"
                              "\"/api/v1/startups\"}}")
                        : STR("{\"address\":\"192.0.2.7\",\"detail\":{\"method\":\"GET\",\"path\":"
                              "\"/api/v1/startups\"}}")));
        done(&r);
    }
}

static void without_memory_nothing_is_changed(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        bool happened = true;
        for (long n = 0; happened; n++) {
            struct input input = { .fields = fields,
                                   .n = FIELDS,
                                   .given = { true, true, true } };
            struct req r = request(i ? &reads : &changes);
            r.input = &input;
            break_glass(&r);
            change_init(&r.change, &r.arena);
            if (!i)
                add_key_lock(&r.change);
            arena_trim();
            nomem_after(n);
            enum verdict v = gate_audit(&r);
            happened = nomem_happened();
            nomem_after(-1);
            assert_int_equal(v, happened ? DENY : NEXT);
            assert_int_equal(r.err, happened ? ERR_NO_MEMORY : OK);
            done(&r);
        }
    }
}

/* What failed before leaves no room for doubt: no row, no change. */
static void an_arena_that_has_failed_denies(void **state)
{
    (void)state;
    struct req r = request(&changes);
    r.arena.failed = true;
    assert_int_equal(audits(&r, 1), DENY);
    assert_int_equal(r.err, ERR_NO_MEMORY);
    done(&r);
}

static int set_up(void **state)
{
    (void)state;
    metrics = calloc(1, metric_size(1));
    epochs = calloc(1, epoch_size());
    assert_true(metrics && epochs);
    metric_init(metrics, 1);
    metric_use(0);
    epoch_init(epochs);
    config.redis_url = no_url;
    keyring = keyring_new(NULL, STR("0123456789abcdef0123456789abcdef"));
    return keyring ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    keyring_free(keyring);
    arena_trim();
    free(epochs);
    free(metrics);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_change_carries_its_rows),
        cmocka_unit_test(a_row_says_who_did_what_to_which),
        cmocka_unit_test(what_the_handler_says_counts),
        cmocka_unit_test(a_change_is_an_event_where_events_are_handed_on),
        cmocka_unit_test(only_the_names_of_the_fields_are_kept),
        cmocka_unit_test(the_operator_has_no_address),
        cmocka_unit_test(the_callers_trace_is_kept),
        cmocka_unit_test(agents_are_cut_between_characters),
        cmocka_unit_test(a_use_of_break_glass_says_what_was_asked),
        cmocka_unit_test(without_memory_nothing_is_changed),
        cmocka_unit_test(an_arena_that_has_failed_denies),
    };
    return cmocka_run_group_tests_name("gate/audit", tests, set_up, tear_down);
}
