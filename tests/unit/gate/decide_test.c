/* A decision that is asked for: which gates are asked, in which order, and what becomes of what they say. The gates
 * are stand-ins that say what the test wants; each has a test of its own. */
#include "gate/decide.h"

#include "net/loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "../base/nomem.h"

enum {
    BY_UUID = 1,
    BY_RBAC,
    BY_OWNERSHIP,
    BY_CONTEXT,
    BY_INHERITANCE,
    BY_MEDIA,
    BY_FACTS,
    BY_AUDIT,
    BY_EMERGENCY,
    BY_LIMIT,
};

static const char *const why[GATES + 1] = { NULL, "of uuid",  "of rbac",      "of ownership",
                                            "of context", "of inheritance", "of media", "no such row",
                                            "its audit row could not be written", "of emergency", "of limit" };

#define NOW 1000
#define SUBJECT "0190a1b2-c3d4-7e5f-8a6b-7c8d9e0f1a01"
#define ROW "0190a1b2-c3d4-7e5f-8a6b-7c8d9e0f1a02"

static const struct uuid user = { { 1 } }, row = { { 2 } };
static const struct resource things = { .noun = "thing", .owned = true };

/* What the stand-ins say, and what they heard. */
static struct {
    enum err says[GATES + 1]; /* OK: the gate passes */
    enum err subject_err, look_err;
    bool no_user, no_row;
    int waits;                /* the gate that waits first */
    bool afresh;              /* what was asked for was to be read anew */
    char order[64];
    struct req *inner;
} gates;

static struct req r;
static struct decision d;
static struct facts facts;
static int a_store, some_windows;

static enum verdict speak(struct req *inner, int gate)
{
    size_t n = strlen(gates.order);
    snprintf(gates.order + n, sizeof(gates.order) - n, " %d", gate);
    assert_int_equal(inner->err, OK);
    assert_null(inner->reason);
    return gates.says[gate] == OK ? NEXT : req_deny_for(inner, gates.says[gate], why[gate]);
}

/* ---- the stand-ins ---- */

enum verdict gate_emergency(struct req *inner)
{
    const struct action *a = inner->action;
    bool changes = d.question.changes;
    gates.inner = inner;
    assert_int_equal(inner->now, NOW);
    assert_ptr_equal(inner->store, r.store);
    assert_ptr_equal(inner->windows, r.windows);
    assert_memory_equal(&inner->address, &r.address, sizeof(r.address));
    assert_ptr_equal(inner->resource, d.question.res);
    assert_int_equal(inner->who->kind, PRINCIPAL_ANONYMOUS);
    assert_int_equal(inner->nheaders, 0);
    assert_int_equal(inner->nfaults, 0);
    assert_null(inner->facts);
    assert_null(inner->grant.path);
    assert_false(inner->counted);
    assert_int_equal(a->method, changes ? PATCH : GET);
    assert_int_equal(a->permit, d.question.permit);
    assert_int_equal(a->access, d.question.access);
    assert_true((a->audit != NULL) == changes);
    return speak(inner, BY_EMERGENCY);
}

enum verdict gate_uuid(struct req *inner)
{
    assert_int_equal(inner->target_ids.n, d.question.res ? 2 : 1);
    assert_true(str_eq(inner->target_ids.text[0], STR(SUBJECT)));
    assert_true(!d.question.res || str_eq(inner->target_ids.text[1], STR(ROW)));
    inner->target_ids.id = user;
    inner->target_ids.second = row;
    return speak(inner, BY_UUID);
}

static enum verdict subject_found(struct subject_look *look)
{
    look->err = gates.subject_err;
    look->found = !gates.no_user && look->err == OK;
    look->who = (struct principal){ .kind = PRINCIPAL_USER, .user_id = look->user };
    return NEXT;
}

enum verdict subject_begin(struct req *asking, struct subject_look *look, const struct uuid *id,
                           bool afresh)
{
    assert_ptr_equal(asking, &r);
    assert_true(uuid_eq(id, &user));
    *look = (struct subject_look){ .user = *id, .afresh = afresh };
    gates.afresh = afresh;
    if (gates.waits != BY_CONTEXT)
        return subject_found(look);
    wait_open(&asking->wait);
    return WAIT;
}

enum verdict subject_again(struct req *asking, struct subject_look *look)
{
    assert_ptr_equal(asking, &r);
    assert_true(uuid_eq(&look->user, &user));
    return subject_found(look);
}

enum verdict gate_context(struct req *inner)
{
    assert_true(uuid_eq(&inner->who->user_id, &user));
    return speak(inner, BY_CONTEXT);
}

enum verdict gate_rbac(struct req *inner)
{
    return speak(inner, BY_RBAC);
}

enum verdict gate_limit_look(struct req *inner)
{
    assert_int_equal(inner->target_ids.n, d.question.res != NULL);
    if (gates.waits != BY_LIMIT)
        return speak(inner, BY_LIMIT);
    wait_open(&inner->wait);
    return WAIT;
}

enum verdict gate_limit_looked(struct req *inner)
{
    return speak(inner, BY_LIMIT);
}

static enum verdict row_found(struct look *look)
{
    assert_ptr_equal(look->res, &things);
    assert_true(uuid_eq(&look->id, &row));
    look->err = gates.look_err;
    look->facts = gates.no_row || look->err != OK ? NULL : &facts;
    return NEXT;
}

static enum verdict begin(struct req *asking, struct look *look, const struct resource *res,
                          const struct uuid *id, bool afresh)
{
    assert_ptr_equal(asking, &r);
    *look = (struct look){ .res = res, .id = *id };
    gates.afresh = gates.afresh && afresh;
    if (gates.waits != BY_FACTS)
        return row_found(look);
    wait_open(&asking->wait);
    return WAIT;
}

enum verdict look_begin(struct req *asking, struct look *look, const struct resource *res,
                        const struct uuid *id)
{
    return begin(asking, look, res, id, false);
}

enum verdict look_begin_afresh(struct req *asking, struct look *look, const struct resource *res,
                               const struct uuid *id)
{
    return begin(asking, look, res, id, true);
}

enum verdict look_again(struct req *asking, struct look *look)
{
    assert_ptr_equal(asking, &r);
    return row_found(look);
}

enum verdict gate_ownership(struct req *inner)
{
    assert_ptr_equal(inner->facts, &facts);
    if (gates.says[BY_OWNERSHIP] == OK)
        inner->grant.path = "direct_ownership";
    return speak(inner, BY_OWNERSHIP);
}

enum verdict gate_inheritance(struct req *inner)
{
    assert_ptr_equal(inner->facts, &facts);
    return speak(inner, BY_INHERITANCE);
}

enum err judge_media(const struct principal *who, const struct resource *res,
                     const struct facts *of, int64_t now, const char **reason)
{
    assert_true(uuid_eq(&who->user_id, &user));
    assert_ptr_equal(res, &things);
    assert_ptr_equal(of, &facts);
    assert_int_equal(now, NOW);
    if (speak(gates.inner, BY_MEDIA) == DENY)
        *reason = why[BY_MEDIA];
    return gates.says[BY_MEDIA];
}

bool store_broken(const struct store *s)
{
    assert_ptr_equal(s, r.store);
    speak(gates.inner, BY_AUDIT);
    return gates.says[BY_AUDIT] != OK;
}

/* ---- asking ---- */

static struct question question(bool changes, bool explain)
{
    return (struct question){
        .subject = STR(SUBJECT),
        .res = &things,
        .row = STR(ROW),
        .permit = PERMIT_STARTUP_UPDATE,
        .access = ACCESS_WRITE,
        .changes = changes,
        .explain = explain,
    };
}

static void went_on(struct wait *w)
{
    assert_ptr_equal(w, &r.wait);
    assert_int_equal(decide_again(&r, &d), NEXT);
    gates.waits = -1;
}

/* Asks again and again with one decision, as who asks for many does. */
static void ask(struct question q)
{
    gates.order[0] = '\0';
    gates.afresh = false;
    int waits = gates.waits;
    enum verdict v = decide_begin(&r, &d, &q);
    assert_int_equal(v, waits ? WAIT : NEXT);
    if (waits) {
        wait_done(waits == BY_LIMIT ? &gates.inner->wait : &r.wait);
        loop_run();
        assert_int_equal(gates.waits, -1);
    }
}

static void expect_order(const char *order)
{
    if (strcmp(gates.order, order) != 0)
        fail_msg("asked were%s, not%s", gates.order, order);
}

/* What the stand-ins hear: that of facts is a look-up, which is no gate that speaks. */
#define HEARD " 9 1 4 2 10 3 5 6 8"

static int set_up(void **state)
{
    (void)state;
    memset(&gates, 0, sizeof(gates));
    memset(&d, 0, sizeof(d));
    memset(&r, 0, sizeof(r));
    r.now = NOW;
    r.store = (struct store *)(void *)&a_store;
    r.windows = (struct windows *)(void *)&some_windows;
    r.address.s6_addr[15] = 7;
    wait_init(&r.wait, went_on);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    nomem_after(-1);
    arena_reset(&r.arena);
    return 0;
}

static void all_gates_are_asked_in_the_order_of_the_pipeline(void **state)
{
    (void)state;
    ask(question(true, false));
    expect_order(HEARD);
    assert_true(d.allowed);
    assert_int_equal(d.failed, OK);
    assert_int_equal(d.denied_by, 0);
    assert_null(d.reason);
    assert_string_equal(d.path, "direct_ownership");
    assert_false(gates.afresh);
    for (int i = 0; i < GATES; i++)
        assert_int_equal(d.gates[i].verdict, GATE_PASSED);
}

static void each_gate_alone_denies(void **state)
{
    (void)state;
    static const struct {
        int gate;
        enum err err;
        const char *asked, *explained;
    } rows[] = {
        { BY_EMERGENCY, ERR_EMERGENCY, " 9", HEARD },
        { BY_UUID, ERR_BAD_ID, " 9 1", " 9 1" }, /* without ids nothing can be judged */
        { BY_CONTEXT, ERR_SESSION_ENDED, " 9 1 4", HEARD },
        { BY_RBAC, ERR_FORBIDDEN, " 9 1 4 2", HEARD },
        { BY_LIMIT, ERR_TOO_MANY, " 9 1 4 2 10", HEARD },
        { BY_OWNERSHIP, ERR_FORBIDDEN, " 9 1 4 2 10 3", HEARD },
        { BY_INHERITANCE, ERR_NOT_FOUND, " 9 1 4 2 10 3 5", HEARD },
        { BY_MEDIA, ERR_NOT_FOUND, " 9 1 4 2 10 3 5 6", HEARD },
        { BY_AUDIT, ERR_UNAVAILABLE, HEARD, HEARD },
    };
    for (int i = 0; i < COUNT(rows); i++)
        for (int explain = 0; explain < 2; explain++) {
            memset(gates.says, 0, sizeof(gates.says));
            gates.says[rows[i].gate] = rows[i].err;
            ask(question(true, explain));
            expect_order(explain ? rows[i].explained : rows[i].asked);
            assert_false(d.allowed);
            assert_int_equal(d.failed, OK);
            assert_int_equal(d.denied_by, rows[i].gate);
            assert_string_equal(d.reason, why[rows[i].gate]);
            for (int g = 0; g < GATES; g++) {
                const struct gate_verdict *said = &d.gates[g];
                bool denies = g == rows[i].gate - 1;
                assert_true((said->verdict == GATE_DENIED) == denies);
                assert_true((said->reason != NULL) == denies);
                assert_true(denies || !explain || rows[i].gate == BY_UUID ||
                            said->verdict == GATE_PASSED);
            }
        }
}

static void the_first_of_many_that_deny_counts(void **state)
{
    (void)state;
    for (int g = 1; g <= GATES; g++)
        gates.says[g] = ERR_FORBIDDEN;
    gates.says[BY_UUID] = OK;
    gates.says[BY_LIMIT] = ERR_TOO_MANY;
    ask(question(true, true));
    expect_order(HEARD);
    assert_int_equal(d.denied_by, BY_EMERGENCY);
    assert_string_equal(d.reason, why[BY_EMERGENCY]);
    assert_null(d.path);
    assert_true(gates.afresh);
    assert_int_equal(d.gates[BY_FACTS - 1].verdict, GATE_PASSED);
    assert_string_equal(d.gates[BY_AUDIT - 1].reason, why[BY_AUDIT]);
}

/* Who or what is not there is a denial; what can then not be judged is not asked. */
static void what_cannot_be_judged_is_skipped(void **state)
{
    (void)state;
    static const struct {
        bool no_user, no_row, no_res, reads;
        int denied_by;
        const char *order, *reason;
        int skipped[6];
    } rows[] = {
        { .no_user = true, .denied_by = BY_CONTEXT, .order = " 9 1 8", .reason = "there is no such user",
          .skipped = { BY_RBAC, BY_LIMIT, BY_OWNERSHIP, BY_INHERITANCE, BY_MEDIA } },
        { .no_row = true, .denied_by = BY_FACTS, .order = " 9 1 4 2 10 8", .reason = "no such row",
          .skipped = { BY_OWNERSHIP, BY_INHERITANCE, BY_MEDIA } },
        { .no_res = true, .order = " 9 1 4 2 10 8",
          .skipped = { BY_FACTS, BY_OWNERSHIP, BY_INHERITANCE, BY_MEDIA } },
        { .reads = true, .order = " 9 1 4 2 10 3 5 6", .skipped = { BY_AUDIT } },
    };
    for (int i = 0; i < COUNT(rows); i++) {
        struct question q = question(!rows[i].reads, true);
        bool skipped[GATES + 1] = { false };
        gates.no_user = rows[i].no_user;
        gates.no_row = rows[i].no_row;
        q.res = rows[i].no_res ? NULL : &things;
        ask(q);
        expect_order(rows[i].order);
        assert_int_equal(d.denied_by, rows[i].denied_by);
        assert_int_equal(d.allowed, rows[i].denied_by == 0);
        assert_int_equal(d.failed, OK);
        if (rows[i].reason)
            assert_string_equal(d.reason, rows[i].reason);
        for (int k = 0; k < 6; k++)
            skipped[rows[i].skipped[k]] = true;
        for (int g = 1; g <= GATES; g++)
            if ((d.gates[g - 1].verdict == GATE_SKIPPED) != skipped[g])
                fail_msg("row %d: gate %d", i, g);
    }
}

/* What the gates would look at is away: then nothing was decided, and who asks for an explanation gets none either. */
static void without_an_answer_there_is_no_decision(void **state)
{
    (void)state;
    static const struct {
        int gate;
        enum err subject, look, limit, failed;
        const char *order;
    } rows[] = {
        { BY_CONTEXT, .subject = ERR_UNAVAILABLE, .failed = ERR_UNAVAILABLE, .order = " 9 1" },
        { BY_LIMIT, .limit = ERR_UNAVAILABLE, .failed = ERR_UNAVAILABLE, .order = " 9 1 4 2 10" },
        { BY_FACTS, .look = ERR_OVERLOADED, .failed = ERR_OVERLOADED, .order = " 9 1 4 2 10" },
    };
    for (int i = 0; i < COUNT(rows); i++)
        for (int explain = 0; explain < 2; explain++) {
            gates.subject_err = rows[i].subject;
            gates.look_err = rows[i].look;
            gates.says[BY_LIMIT] = rows[i].limit;
            ask(question(true, explain));
            expect_order(rows[i].order);
            assert_int_equal(d.failed, rows[i].failed);
            assert_false(d.allowed);
            assert_int_equal(d.gates[rows[i].gate - 1].verdict, GATE_DENIED);
        }
}

static void it_waits_for_who_must_be_asked(void **state)
{
    (void)state;
    static const int waiting[] = { BY_CONTEXT, BY_LIMIT, BY_FACTS };
    assert_int_equal(loop_init(), OK);
    loop_stop();
    for (int i = 0; i < COUNT(waiting); i++)
        for (int denies = 0; denies < 2; denies++) {
            gates.waits = waiting[i];
            gates.says[BY_CONTEXT] = denies && waiting[i] == BY_CONTEXT ? ERR_SESSION_ENDED : OK;
            gates.says[BY_LIMIT] = denies && waiting[i] == BY_LIMIT ? ERR_TOO_MANY : OK;
            gates.no_row = denies && waiting[i] == BY_FACTS;
            ask(question(false, false));
            assert_int_equal(d.allowed, !denies);
            assert_int_equal(d.denied_by, denies ? waiting[i] : 0);
            assert_int_equal(d.failed, OK);
            if (!denies)
                expect_order(" 9 1 4 2 10 3 5 6");
        }
    loop_fini();
}

static void without_memory_there_is_no_decision(void **state)
{
    (void)state;
    arena_trim();
    nomem_after(0);
    ask(question(true, false));
    assert_int_equal(d.failed, ERR_NO_MEMORY);
    assert_false(d.allowed);
    expect_order("");
}

/* ---- the explanation ---- */

static struct str explained(const struct decision *of)
{
    struct text t = text_new(&r.arena, 1024);
    text_char(&t, '{');
    decision_explain(&t, of);
    text_char(&t, '}');
    assert_false(t.failed);
    return text_str(&t);
}

static void explanations(void **state)
{
    (void)state;
    static const char all[] =
        "{\"path\":\"direct_ownership\",\"gates\":["
        "{\"gate\":1,\"name\":\"uuid\",\"verdict\":\"pass\",\"reason\":null,\"us\":11},"
        "{\"gate\":2,\"name\":\"rbac\",\"verdict\":\"deny\",\"reason\":\"not his\",\"us\":12},"
        "{\"gate\":3,\"name\":\"ownership\",\"verdict\":\"skip\",\"reason\":null,\"us\":0},"
        "{\"gate\":4,\"name\":\"context\",\"verdict\":\"skip\",\"reason\":null,\"us\":0},"
        "{\"gate\":5,\"name\":\"inheritance\",\"verdict\":\"skip\",\"reason\":null,\"us\":0},"
        "{\"gate\":6,\"name\":\"media\",\"verdict\":\"skip\",\"reason\":null,\"us\":0},"
        "{\"gate\":7,\"name\":\"facts\",\"verdict\":\"skip\",\"reason\":null,\"us\":0},"
        "{\"gate\":8,\"name\":\"audit\",\"verdict\":\"skip\",\"reason\":null,\"us\":0},"
        "{\"gate\":9,\"name\":\"emergency\",\"verdict\":\"skip\",\"reason\":null,\"us\":0},"
        "{\"gate\":10,\"name\":\"limit\",\"verdict\":\"skip\",\"reason\":null,\"us\":13}]}";
    struct decision of = { .path = "direct_ownership", .question = { .explain = true } };
    of.gates[0] = (struct gate_verdict){ GATE_PASSED, NULL, 11 };
    of.gates[1] = (struct gate_verdict){ GATE_DENIED, "not his", 12 };
    of.gates[9] = (struct gate_verdict){ GATE_SKIPPED, NULL, 13 };
    struct str said = explained(&of);
    if (!str_eq(said, STR(all)))
        fail_msg("%.*s", STR_ARG(said));
    of.question.explain = false; /* denied: nothing tells that a row is there */
    assert_true(str_eq(explained(&of), STR("{}")));
    of.allowed = true;
    assert_true(str_eq(explained(&of), STR("{\"path\":\"direct_ownership\"}")));
    of.path = NULL;
    assert_true(str_eq(explained(&of), STR("{}")));
    assert_string_equal(gate_name(1), "uuid");
    assert_string_equal(gate_name(10), "limit");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(all_gates_are_asked_in_the_order_of_the_pipeline),
        TEST(each_gate_alone_denies),
        TEST(the_first_of_many_that_deny_counts),
        TEST(what_cannot_be_judged_is_skipped),
        TEST(without_an_answer_there_is_no_decision),
        TEST(it_waits_for_who_must_be_asked),
        TEST(without_memory_there_is_no_decision),
        TEST(explanations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
