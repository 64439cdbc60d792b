/* A worker as a writer of the audit: no number is lost, and no row goes without its key. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/epoch.h"
#include "gate/audit.h"
#include "gen/stmt.h"

#include <stdlib.h>

static struct chain_keys keys;
static struct arena arena;
static struct change change;

static struct uuid id_of(uint8_t n)
{
    struct uuid id = { { n } };
    return id;
}

/* A row about that person, in a change of its own. */
static struct audited row_of(uint8_t person)
{
    struct audited written;
    const struct audit_row row = {
        .id = id_of(100),
        .at = 1,
        .person = person ? id_of(person) : id_of(0),
        .action = STR("startup.create"),
        .correlation = STR("x"),
        .outcome = "made",
        .risk = "green",
        .payload = STR("{}"),
    };
    change_init(&change, &arena);
    assert_int_equal(audit_add(&change, &arena, &keys, &row, &written), OK);
    return written;
}

static bool brings_key(void)
{
    return change.n == 2 && change.at[0].stmt == &stmt_audit_subject_add;
}

static void settled(uint8_t person, enum err err)
{
    struct audited written = row_of(person);
    audit_settle(&written, err);
    assert_int_equal(written.sequence, 0);
    audit_settle(&written, OK); /* once is enough */
}

static void numbers_have_no_holes(void **state)
{
    (void)state;
    struct audited first = row_of(1), second = row_of(1), third = row_of(1);
    int64_t n = first.sequence;
    assert_int_equal(second.sequence, n + 1);
    audit_settle(&second, ERR_STALE);
    assert_int_equal(third.sequence, n + 2);
    struct audited again = row_of(1), next = row_of(1);
    assert_int_equal(again.sequence, n + 1);
    assert_int_equal(next.sequence, n + 3);
    audit_settle(&first, OK);
    audit_settle(&third, OK);
    audit_settle(&again, OK);
    audit_settle(&next, OK);
}

static void a_number_whose_commit_is_unknown_is_noted(void **state)
{
    (void)state;
    struct audit_run runs[AUDIT_RUNS];
    struct audited a = row_of(1), b = row_of(1), c = row_of(1), d = row_of(1);
    int64_t n = a.sequence;
    audit_settle(&a, ERR_COMMIT_UNKNOWN);
    audit_settle(&b, ERR_COMMIT_UNKNOWN);
    audit_settle(&d, ERR_COMMIT_UNKNOWN);
    audit_settle(&c, OK);
    assert_int_equal(audit_unsure(runs), 2);
    assert_int_equal(runs[0].first, n);
    assert_int_equal(runs[0].last, n + 1);
    assert_int_equal(runs[1].first, n + 3);
    assert_int_equal(audit_unsure(runs), 0);
    audit_unsure_again(runs, 2);
    assert_int_equal(audit_unsure(runs), 2);
    settled(1, OK);
}

static void too_many_runs_are_excused_whole(void **state)
{
    (void)state;
    enum { N = 2 * AUDIT_RUNS + 20 };
    static struct audited rows[N];
    struct audit_run runs[AUDIT_RUNS];
    for (int i = 0; i < N; i++)
        rows[i] = row_of(1);
    int64_t first = rows[0].sequence, last = rows[N - 2].sequence;
    for (int i = 0; i < N; i++)
        audit_settle(&rows[i], i % 2 ? OK : ERR_COMMIT_UNKNOWN);
    assert_int_equal(audit_unsure(runs), AUDIT_RUNS);
    assert_int_equal(runs[0].first, first);
    assert_int_equal(runs[AUDIT_RUNS - 1].last, last);
}

static void a_key_is_brought_until_a_row_with_it_is_there(void **state)
{
    (void)state;
    settled(2, ERR_UNAVAILABLE);
    assert_true(brings_key());
    struct audited first = row_of(2), second = row_of(2);
    assert_true(brings_key());
    struct uuid key = first.subject;
    assert_true(uuid_eq(&key, &second.subject));
    audit_settle(&first, OK);
    struct audited third = row_of(2);
    assert_false(brings_key());
    assert_true(uuid_eq(&key, &third.subject));
    audit_settle(&second, OK);
    audit_settle(&third, OK);
}

static void each_person_has_another_key(void **state)
{
    (void)state;
    struct audited one = row_of(3), other = row_of(4), nobody = row_of(0);
    assert_false(uuid_eq(&one.subject, &other.subject));
    assert_false(uuid_eq(&one.subject, &nobody.subject));
    assert_true(uuid_nil(&nobody.person));
    audit_settle(&one, OK);
    audit_settle(&other, OK);
    audit_settle(&nobody, OK);
    settled(0, OK);
    assert_false(brings_key());
}

/* The person may have been erased: the store may not have the old key any more. */
static void a_key_ends_with_the_persons_epoch(void **state)
{
    (void)state;
    struct audited one = row_of(5);
    audit_settle(&one, OK);
    struct uuid key = row_of(5).subject, person = id_of(5);
    assert_false(brings_key());
    epoch_bump(EPOCH_USER, person.b, sizeof(person.b));
    struct audited other = row_of(5);
    assert_true(brings_key());
    assert_false(uuid_eq(&key, &other.subject));
    audit_settle(&other, OK);
}

static void more_people_than_places_each_get_a_key(void **state)
{
    (void)state;
    for (int i = 0; i < 5000; i++) {
        struct audited written;
        struct audit_row row = { .at = 2 + i, .action = STR("a"), .correlation = STR("x"),
                                 .outcome = "made", .risk = "green", .payload = STR("{}") };
        memcpy(row.person.b + 4, &i, sizeof(i));
        row.person.b[0] = 200;
        change_init(&change, &arena);
        assert_int_equal(audit_add(&change, &arena, &keys, &row, &written), OK);
        assert_true(brings_key());
        audit_settle(&written, OK);
        arena_reset(&arena);
    }
}

static int set_up(void **state)
{
    *state = calloc(1, epoch_size());
    epoch_init(*state);
    chain_keys(STR("a secret of more than thirty-two characters"), &keys);
    return 0;
}

static int clear(void **state)
{
    (void)state;
    arena_reset(&arena);
    return 0;
}

static int tear_down(void **state)
{
    arena_trim();
    free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(numbers_have_no_holes, clear),
        cmocka_unit_test_teardown(a_number_whose_commit_is_unknown_is_noted, clear),
        cmocka_unit_test_teardown(too_many_runs_are_excused_whole, clear),
        cmocka_unit_test_teardown(a_key_is_brought_until_a_row_with_it_is_there, clear),
        cmocka_unit_test_teardown(each_person_has_another_key, clear),
        cmocka_unit_test_teardown(a_key_ends_with_the_persons_epoch, clear),
        cmocka_unit_test_teardown(more_people_than_places_each_get_a_key, clear),
    };
    return cmocka_run_group_tests_name("gate/audit_writer", tests, set_up, tear_down);
}
