/* The queue of denials and failed sign-ins: bounded, what is alike counted, what is too many dropped and counted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/metric.h"
#include "gate/audit_queue.h"

#include <stdio.h>
#include <stdlib.h>

static struct audit_note note_of(int n)
{
    struct audit_note note = { .times = 1, .err = ERR_FORBIDDEN, .outcome = "denied" };
    memcpy(note.target.b, &n, sizeof(n));
    note.action_n = (uint8_t)snprintf(note.action, sizeof(note.action), "startup.read");
    return note;
}

static void put(enum audit_ring ring, int n)
{
    struct audit_note note = note_of(n);
    audit_queue_put(ring, &note);
}

static int number_of(const struct audit_note *note)
{
    int n;
    memcpy(&n, note->target.b, sizeof(n));
    return n;
}

static void drain(void)
{
    const struct audit_note *notes[8];
    while (audit_queue_hold(notes, 8) > 0)
        audit_queue_done();
}

static void oldest_first_and_sign_ins_before_denials(void **state)
{
    const struct audit_note *notes[4];
    (void)state;
    for (int i = 0; i < 3; i++)
        put(AUDIT_DENIALS, i);
    put(AUDIT_SIGN_INS, 7);
    assert_int_equal(audit_queue_waiting(), 4);
    assert_int_equal(audit_queue_hold(notes, 3), 3);
    assert_int_equal(number_of(notes[0]), 7);
    assert_int_equal(number_of(notes[1]), 0);
    assert_int_equal(number_of(notes[2]), 1);
    audit_queue_done();
    assert_int_equal(audit_queue_hold(notes, 3), 1);
    assert_int_equal(number_of(notes[0]), 2);
    audit_queue_done();
    assert_int_equal(audit_queue_hold(notes, 3), 0);
}

static void what_is_held_is_held_again_until_it_is_done(void **state)
{
    const struct audit_note *notes[4];
    (void)state;
    put(AUDIT_DENIALS, 1);
    assert_int_equal(audit_queue_hold(notes, 4), 1);
    put(AUDIT_DENIALS, 2);
    put(AUDIT_SIGN_INS, 3);
    assert_int_equal(audit_queue_hold(notes, 4), 1);
    assert_int_equal(number_of(notes[0]), 1);
    audit_queue_done();
    assert_int_equal(audit_queue_hold(notes, 4), 2);
    audit_queue_done();
}

static void what_is_alike_is_counted(void **state)
{
    const struct audit_note *notes[4];
    (void)state;
    put(AUDIT_DENIALS, 1);
    put(AUDIT_DENIALS, 1);
    put(AUDIT_DENIALS, 2);
    put(AUDIT_DENIALS, 1);
    assert_int_equal(audit_queue_hold(notes, 4), 2);
    assert_int_equal(notes[0]->times, 3);
    assert_int_equal(notes[1]->times, 1);
    put(AUDIT_DENIALS, 1); /* not on the one that is being written */
    assert_int_equal(notes[0]->times, 3);
    audit_queue_done();
    assert_int_equal(audit_queue_hold(notes, 4), 1);
    assert_int_equal(notes[0]->times, 1);
    audit_queue_done();
}

/* What else differs is told of the first one. */
static void when_and_in_which_request_does_not_matter(void **state)
{
    const struct audit_note *notes[2];
    struct audit_note note = note_of(1);
    (void)state;
    audit_queue_put(AUDIT_DENIALS, &note);
    memset(note.id.b, 1, sizeof(note.id.b));
    memset(note.session_id.b, 2, sizeof(note.session_id.b));
    memset(note.person.b, 3, sizeof(note.person.b));
    memset(note.decision.b, 4, sizeof(note.decision.b));
    note.at = 5;
    note.correlation_n = 6;
    audit_queue_put(AUDIT_DENIALS, &note);
    assert_int_equal(audit_queue_hold(notes, 2), 1);
    assert_int_equal(notes[0]->times, 2);
    assert_int_equal(notes[0]->at, 0);
    audit_queue_done();
}

/* Whom the hints have forgotten is noted once more; never is another counted for him. */
static void what_is_counted_is_never_another(void **state)
{
    (void)state;
    for (int i = 0; i < AUDIT_DENIALS_MAX; i++)
        put(AUDIT_DENIALS, i);
    assert_int_equal(audit_queue_waiting(), AUDIT_DENIALS_MAX);
    drain();
    for (int i = 0; i < AUDIT_DENIALS_MAX; i++)
        put(AUDIT_DENIALS, i); /* those that are written by now are no more counted on */
    assert_int_equal(audit_queue_waiting(), AUDIT_DENIALS_MAX);
    drain();
}

static void the_metrics_follow(void **state)
{
    const struct audit_note *notes[8];
    int64_t dropped[AUDIT_RINGS];
    int64_t denials = metric_read(METRIC_AUDIT_DROPPED, AUDIT_DENIALS),
            sign_ins = metric_read(METRIC_AUDIT_DROPPED, AUDIT_SIGN_INS);
    (void)state;
    for (int i = 0; i < 3; i++)
        put(AUDIT_DENIALS, i);
    put(AUDIT_DENIALS, 2);
    put(AUDIT_SIGN_INS, 7);
    assert_int_equal(metric_read(METRIC_AUDIT_QUEUED, 0), 4);
    assert_int_equal(audit_queue_hold(notes, 2), 2);
    audit_queue_done();
    assert_int_equal(metric_read(METRIC_AUDIT_QUEUED, 0), 2);
    drain();
    assert_int_equal(metric_read(METRIC_AUDIT_QUEUED, 0), 0);
    for (int i = 0; i <= AUDIT_DENIALS_MAX; i++)
        put(AUDIT_DENIALS, i);
    assert_int_equal(metric_read(METRIC_AUDIT_DROPPED, AUDIT_DENIALS) - denials, 1);
    assert_int_equal(metric_read(METRIC_AUDIT_DROPPED, AUDIT_SIGN_INS), sign_ins);
    audit_queue_dropped(dropped);
    drain();
}

static void other_codes_callers_and_places_are_not_alike(void **state)
{
    (void)state;
    struct audit_note note = note_of(1);
    audit_queue_put(AUDIT_DENIALS, &note);
    note.err = ERR_NOT_FOUND;
    audit_queue_put(AUDIT_DENIALS, &note);
    note.principal_id.b[0] = 1;
    audit_queue_put(AUDIT_DENIALS, &note);
    note.address.s6_addr[0] = 1;
    audit_queue_put(AUDIT_DENIALS, &note);
    note.email_n = 1;
    note.email[0] = 'x';
    audit_queue_put(AUDIT_DENIALS, &note);
    note.action[0] = 'x';
    audit_queue_put(AUDIT_DENIALS, &note);
    note.action_n--;
    audit_queue_put(AUDIT_DENIALS, &note);
    note.email[0] = 'y';
    audit_queue_put(AUDIT_DENIALS, &note);
    note.kind = PRINCIPAL_APIKEY;
    audit_queue_put(AUDIT_DENIALS, &note);
    note.target.b[15] = 1;
    audit_queue_put(AUDIT_DENIALS, &note);
    assert_int_equal(audit_queue_waiting(), 10);
    drain();
}

static void a_flood_of_denials_costs_no_sign_in(void **state)
{
    (void)state;
    int64_t dropped[AUDIT_RINGS];
    for (int i = 0; i < AUDIT_DENIALS_MAX + 5; i++)
        put(AUDIT_DENIALS, i);
    for (int i = 0; i < AUDIT_SIGN_INS_MAX; i++)
        put(AUDIT_SIGN_INS, i);
    assert_int_equal(audit_queue_waiting(), AUDIT_DENIALS_MAX + AUDIT_SIGN_INS_MAX);
    put(AUDIT_SIGN_INS, -1);
    audit_queue_dropped(dropped);
    assert_int_equal(dropped[AUDIT_DENIALS], 5);
    assert_int_equal(dropped[AUDIT_SIGN_INS], 1);
    audit_queue_dropped_again(dropped);
    put(AUDIT_DENIALS, -1);
    audit_queue_dropped(dropped);
    assert_int_equal(dropped[AUDIT_DENIALS], 6);
    audit_queue_dropped(dropped);
    assert_int_equal(dropped[AUDIT_DENIALS] + dropped[AUDIT_SIGN_INS], 0);
    drain();
    assert_int_equal(audit_queue_waiting(), 0);
}

static int set_up(void **state)
{
    *state = calloc(1, metric_size(1));
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
        cmocka_unit_test(oldest_first_and_sign_ins_before_denials),
        cmocka_unit_test(what_is_held_is_held_again_until_it_is_done),
        cmocka_unit_test(what_is_alike_is_counted),
        cmocka_unit_test(when_and_in_which_request_does_not_matter),
        cmocka_unit_test(what_is_counted_is_never_another),
        cmocka_unit_test(the_metrics_follow),
        cmocka_unit_test(other_codes_callers_and_places_are_not_alike),
        cmocka_unit_test(a_flood_of_denials_costs_no_sign_in),
    };
    return cmocka_run_group_tests_name("gate/audit_queue", tests, set_up, tear_down);
}
