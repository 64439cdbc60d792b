/* Which denials and failed sign-ins are noted for the audit, and what the notes say. */
#include "base/config.h"
#include "base/metric.h"
#include "gate/audit_queue.h"
#include "route/input.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define NOW (1000 * DAY)

static const struct uuid session = { { 2 } }, row_id = { { 3 } }, decision = { { 5 } };
static const struct resource startups = { .noun = "startup" };
static const struct action changes = { .audit = "startup.create" },
                           reads = { .access = ACCESS_READ }, lists = { .list = true };
static const struct stage stage = { .name = "ownership" };
static const struct field fields[] = { { "email", TEXT },
                                       { "name", TEXT },
                                       { "status", TEXT },
                                       { "email", TEXT } /* not of the input */ };
#define FIELDS 3

static struct principal me;
static uint8_t persons; /* each request is another's, so that no two notes are alike */

static struct req request(const struct action *action)
{
    me = (struct principal){ .kind = PRINCIPAL_USER,
                             .user_id = { { 1, ++persons } },
                             .session_id = session };
    struct req r = { .who = &me, .action = action, .resource = &startups, .at = &stage, .now = NOW,
                     .id = STR("correlation"), .decision = decision };
    r.target_ids.id = row_id;
    assert_true(network_address(STR("192.0.2.7"), &r.address));
    return r;
}

#define TEN "0123456789"
#define FIFTY TEN TEN TEN TEN TEN

/* The only note that waits; NULL: none does. It is taken. */
static const struct audit_note *noted(void)
{
    const struct audit_note *notes[2];
    int n = audit_queue_hold(notes, 2);
    assert_true(n <= 1);
    audit_queue_done();
    return n ? notes[0] : NULL;
}

static const struct {
    enum err err;
    bool nobody, known; /* whether it is noted of who is nobody, and of who is somebody */
} denials[] = {
    { ERR_BAD_LOGIN, true, true },      { ERR_TOO_MANY_LOGINS, true, true }, { ERR_EMERGENCY, true, true },
    { ERR_BAD_TOKEN, true, true },      { ERR_TOKEN_EXPIRED, true, true },   { ERR_SESSION_ENDED, true, true },
    { ERR_NO_TOKEN, false, false },     { ERR_FORBIDDEN, false, true },      { ERR_SESSION_NEEDED, false, true },
    { ERR_NOT_FOUND, false, true },     { ERR_TOO_MANY, false, true },       { ERR_BAD_REQUEST, false, false },
    { ERR_METHOD, false, false },       { ERR_EXISTS, false, false },        { ERR_INVALID, false, false },
    { ERR_UNAVAILABLE, false, false },  { ERR_INTERNAL, false, false },
};

static void what_is_worth_a_note(void **state)
{
    (void)state;
    for (int i = 0; i < COUNT(denials); i++)
        for (int known = 0; known < 2; known++) {
            struct req r = request(&changes);
            r.err = denials[i].err;
            if (!known)
                me = (struct principal){ 0 };
            audit_denied(&r);
            const struct audit_note *note = noted();
            if (!note != !(known ? denials[i].known : denials[i].nobody))
                fail_msg("%s, known %d", err_info(r.err)->code, known);
            if (!note)
                continue;
            bool sign_in = r.err == ERR_BAD_LOGIN || r.err == ERR_TOO_MANY_LOGINS;
            assert_string_equal(note->outcome, sign_in ? "sign_in_failed" : "denied");
        }
}

static void what_no_route_denied_is_not_noted(void **state)
{
    (void)state;
    struct req r = request(&changes);
    r.err = ERR_BAD_LOGIN;
    r.action = NULL;
    audit_denied(&r);
    assert_null(noted());
    r.action = &changes;
    r.who = NULL;
    audit_denied(&r);
    assert_null(noted());
}

static void failed_sign_ins_wait_apart(void **state)
{
    (void)state;
    const struct audit_note *notes[2];
    struct req denied = request(&changes), sign_in = denied;
    denied.err = ERR_FORBIDDEN;
    sign_in.err = ERR_BAD_LOGIN;
    audit_denied(&denied);
    audit_denied(&sign_in);
    assert_int_equal(audit_queue_hold(notes, 2), 2);
    assert_int_equal(notes[0]->err, ERR_BAD_LOGIN); /* sign-ins come first */
    audit_queue_done();
}

static void a_note_says_who_was_denied_what(void **state)
{
    (void)state;
    struct req r = request(&changes);
    r.err = ERR_FORBIDDEN;
    r.reason = "because";
    r.local = true;
    r.user_agent = STR("curl/8");
    r.rated = true;
    r.risk = RISK_YELLOW;
    audit_denied(&r);
    const struct audit_note *note = noted();
    assert_non_null(note);
    assert_false(uuid_nil(&note->id));
    assert_true(uuid_eq(&note->principal_id, &me.user_id) && uuid_eq(&note->person, &me.user_id));
    assert_true(uuid_eq(&note->session_id, &session) && uuid_eq(&note->target, &row_id));
    assert_true(uuid_eq(&note->decision, &decision));
    assert_int_equal(note->at, NOW);
    assert_int_equal(note->times, 1);
    assert_int_equal(note->kind, PRINCIPAL_USER);
    assert_int_equal(note->err, ERR_FORBIDDEN);
    assert_true(note->local);
    assert_memory_equal(&note->address, &r.address, sizeof(r.address));
    assert_string_equal(note->risk, "yellow");
    assert_string_equal(note->gate, "ownership");
    assert_string_equal(note->reason, "because");
    assert_int_equal(note->action_n, 14);
    assert_memory_equal(note->action, "startup.create", 14);
    assert_int_equal(note->correlation_n, 11);
    assert_memory_equal(note->correlation, "correlation", 11);
    assert_int_equal(note->agent_n, 6);
    assert_memory_equal(note->agent, "curl/8", 6);
    assert_int_equal(note->email_n, 0);
    assert_int_equal(note->trace_n, 0);
}

static void a_note_keeps_the_callers_trace(void **state)
{
    (void)state;
    struct req r = request(&changes);
    r.err = ERR_FORBIDDEN;
    r.nheaders = 1;
    r.headers[0] =
        (struct header){ STR("traceparent"),
                         STR("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01") };
    audit_denied(&r);
    const struct audit_note *note = noted();
    assert_non_null(note);
    assert_int_equal(note->trace_n, 32);
    assert_memory_equal(note->trace, "0af7651916cd43dd8448eb211c80319c", 32);
}

static void the_step_of_a_handler_is_named(void **state)
{
    (void)state;
    static const struct stage step = { .name = "login" }, behind_the_last = { 0 };
    const struct {
        const struct stage *inner;
        const char *gate;
    } rows[] = { { NULL, "ownership" }, { &step, "login" }, { &behind_the_last, "ownership" } };
    for (int i = 0; i < COUNT(rows); i++) {
        struct req r = request(&changes);
        r.err = ERR_FORBIDDEN;
        r.inner = rows[i].inner;
        audit_denied(&r);
        const struct audit_note *note = noted();
        assert_non_null(note);
        assert_string_equal(note->gate, rows[i].gate);
    }
}

static void what_was_asked_for_is_named(void **state)
{
    (void)state;
    const struct action longest = { .audit = FIFTY TEN "012" },
                        longer = { .audit = FIFTY TEN "0123" },
                        longer_still = { .audit = FIFTY FIFTY };
    const struct {
        const struct action *action;
        const char *name;
    } rows[] = {
        { &reads, "startup.read" },        { &lists, "startup.list" },       { &changes, "startup.create" },
        { &longest, FIFTY TEN "012" },     { &longer, FIFTY TEN "012" },     { &longer_still, FIFTY TEN "012" },
    };
    for (int i = 0; i < COUNT(rows); i++) {
        struct req r = request(rows[i].action);
        r.err = ERR_FORBIDDEN;
        audit_denied(&r);
        const struct audit_note *note = noted();
        assert_non_null(note);
        assert_int_equal(note->action_n, strlen(rows[i].name));
        assert_memory_equal(note->action, rows[i].name, note->action_n);
    }
}

static void a_failed_sign_in_says_with_which_address(void **state)
{
    (void)state;
    const struct {
        bool input, given;
        enum err err;
        const char *email;
    } rows[] = {
        { true, true, ERR_BAD_LOGIN, "a@example.com" },
        { true, true, ERR_FORBIDDEN, "" },
        { true, false, ERR_BAD_LOGIN, "" },
        { false, false, ERR_BAD_LOGIN, "" },
    };
    for (int i = 0; i < COUNT(rows); i++) {
        struct input input = { .fields = fields, .n = FIELDS };
        struct req r = request(&changes);
        for (int k = 0; k <= FIELDS; k++) {
            input.given[k] = k != 0 || rows[i].given;
            input.at[k] = (struct value){ .type = VALUE_TEXT,
                                          .text = k == 0 ? STR("a@example.com") : STR("other") };
        }
        r.err = rows[i].err;
        r.input = rows[i].input ? &input : NULL;
        audit_denied(&r);
        const struct audit_note *note = noted();
        assert_non_null(note);
        assert_int_equal(note->email_n, strlen(rows[i].email));
        assert_memory_equal(note->email, rows[i].email, note->email_n);
    }
}

/* Somebody who signs in is known before he is the principal. */
static void a_note_is_about_whom_the_handler_named(void **state)
{
    (void)state;
    struct req r = request(&changes);
    me = (struct principal){ 0 };
    r.err = ERR_BAD_LOGIN;
    r.audit_subject = (struct uuid){ { 9 } };
    audit_denied(&r);
    const struct audit_note *note = noted();
    assert_non_null(note);
    assert_true(uuid_eq(&note->person, &r.audit_subject) && uuid_nil(&note->principal_id));
}

static int set_up(void **state)
{
    *state = calloc(1, metric_size(1));
    assert_non_null(*state);
    metric_init(*state, 1);
    metric_use(0);
    return 0;
}

static int tear_down(void **state)
{
    free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_worth_a_note),
        cmocka_unit_test(what_no_route_denied_is_not_noted),
        cmocka_unit_test(failed_sign_ins_wait_apart),
        cmocka_unit_test(a_note_says_who_was_denied_what),
        cmocka_unit_test(a_note_keeps_the_callers_trace),
        cmocka_unit_test(the_step_of_a_handler_is_named),
        cmocka_unit_test(what_was_asked_for_is_named),
        cmocka_unit_test(a_failed_sign_in_says_with_which_address),
        cmocka_unit_test(a_note_is_about_whom_the_handler_named),
    };
    return cmocka_run_group_tests_name("gate/audit_denied", tests, set_up, tear_down);
}
