/* A worker as a writer of the audit: no number is lost, and no row goes without its key. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../base/nomem.h"

#include "base/epoch.h"
#include "base/hash.h"
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
    assert_false(uuid_nil(&written.subject));
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

/* ---- runs of numbers ---- */

static const struct {
    struct audit_run noted[3]; /* 0: none */
    struct audit_run runs[3];
} merges[] = {
    { { { 10, 20 } }, { { 10, 20 } } },
    { { { 10, 20 }, { 21, 22 } }, { { 10, 22 } } },
    { { { 10, 20 }, { 22, 23 } }, { { 10, 20 }, { 22, 23 } } },
    { { { 10, 20 }, { 5, 9 } }, { { 5, 20 } } },
    { { { 10, 20 }, { 5, 8 } }, { { 10, 20 }, { 5, 8 } } },
    { { { 10, 20 }, { 12, 13 } }, { { 10, 20 } } },
    { { { 10, 20 }, { 5, 25 } }, { { 5, 25 } } },
    { { { 10, 20 }, { 30, 40 }, { 29, 31 } }, { { 10, 20 }, { 29, 40 } } },
};

static void what_touches_is_one_run(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(merges) / sizeof(merges[0]); i++) {
        struct audit_run runs[AUDIT_RUNS];
        int noted = 0, wanted = 0;
        for (; noted < 3 && merges[i].noted[noted].first; noted++)
            ;
        for (; wanted < 3 && merges[i].runs[wanted].first; wanted++)
            ;
        audit_unsure_again(merges[i].noted, noted);
        if (audit_unsure(runs) != wanted ||
            memcmp(runs, merges[i].runs, sizeof(*runs) * (size_t)wanted) != 0)
            fail_msg("case %zu: %d to %d...", i, (int)runs[0].first, (int)runs[0].last);
    }
}

static void of_too_many_the_last_one_grows(void **state)
{
    (void)state;
    struct audit_run all[AUDIT_RUNS], runs[AUDIT_RUNS];
    for (int i = 0; i < AUDIT_RUNS; i++)
        all[i] = (struct audit_run){ 100 + 10 * i, 105 + 10 * i };
    const struct audit_run more[] = { { 106, 107 }, { 5, 6 }, { 5000, 5001 }, { 160, 163 } };
    audit_unsure_again(all, AUDIT_RUNS);
    audit_unsure_again(more, 4);
    assert_int_equal(audit_unsure(runs), AUDIT_RUNS);
    all[0].last = 107;
    all[AUDIT_RUNS - 1] = (struct audit_run){ 5, 5001 };
    assert_memory_equal(runs, all, sizeof(all));
}

/* Numbers that nobody uses again are excused like those that may have been used. */
static void more_numbers_than_are_kept_are_excused(void **state)
{
    (void)state;
    enum { N = 300, KEPT = 256 };
    static struct audited rows[N];
    struct audit_run runs[AUDIT_RUNS];
    for (int i = 0; i < N; i++)
        rows[i] = row_of(1);
    int64_t first = rows[0].sequence;
    for (int i = 0; i < N; i++)
        audit_settle(&rows[i], ERR_STALE);
    assert_int_equal(audit_unsure(runs), 1);
    assert_int_equal(runs[0].first, first + KEPT);
    assert_int_equal(runs[0].last, first + N - 1);
    for (int i = 0; i < KEPT; i++) {
        rows[i] = row_of(1);
        assert_in_range(rows[i].sequence, first, first + KEPT - 1);
    }
    rows[KEPT] = row_of(1);
    assert_int_equal(rows[KEPT].sequence, first + N);
    for (int i = 0; i <= KEPT; i++)
        audit_settle(&rows[i], OK);
    assert_int_equal(audit_unsure(runs), 0);
}

static void a_process_is_one_writer(void **state)
{
    (void)state;
    struct uuid id = *audit_writer();
    assert_false(uuid_nil(&id));
    assert_true(uuid_eq(audit_writer(), &id));
}

/* ---- keys ---- */

static void a_change_brings_each_key_once(void **state)
{
    (void)state;
    struct audited written[4];
    change_init(&change, &arena);
    for (int i = 0; i < 4; i++) {
        const struct audit_row row = { .at = 1, .person = id_of((uint8_t)(6 + i % 2)), .action = STR("a"),
                                       .correlation = STR("x"), .outcome = "made", .risk = "green",
                                       .payload = STR("{}") };
        assert_int_equal(audit_add(&change, &arena, &keys, &row, &written[i]), OK);
    }
    assert_int_equal(change.n, 6);
    for (int i = 0; i < 4; i++)
        audit_settle(&written[i], ERR_STALE);
}

/* Only the statements that a change has count, not what lies behind them. */
static void a_key_that_the_change_does_not_bring_is_brought(void **state)
{
    (void)state;
    struct audited before = row_of(9), written;
    const struct value stale = { .type = VALUE_UUID, .uuid = before.subject };
    const struct audit_row row = { .at = 1, .person = id_of(9), .action = STR("a"), .correlation = STR("x"),
                                   .outcome = "made", .risk = "green", .payload = STR("{}") };
    change_init(&change, &arena);
    change.at[0].stmt = &stmt_audit_subject_add;
    change.at[0].params = &stale;
    assert_int_equal(audit_add(&change, &arena, &keys, &row, &written), OK);
    assert_true(uuid_eq(&written.subject, &before.subject));
    assert_true(brings_key());
    audit_settle(&before, ERR_STALE);
    audit_settle(&written, ERR_STALE);
}

/* Of a person who was erased while a change was under way the old key is no proof of the new one. */
static void a_key_that_was_replaced_is_not_taken_for_stored(void **state)
{
    (void)state;
    struct uuid person = id_of(8);
    struct audited before = row_of(8);
    epoch_bump(EPOCH_USER, person.b, sizeof(person.b));
    struct audited after = row_of(8);
    audit_settle(&before, OK);
    audit_settle(&after, ERR_STALE);
    struct audited again = row_of(8);
    assert_true(brings_key());
    audit_settle(&again, OK);
    settled(8, OK);
    assert_false(brings_key());
}

static void nobodys_key_ends_with_no_epoch(void **state)
{
    (void)state;
    struct uuid nobody = { 0 };
    settled(0, OK);
    epoch_bump(EPOCH_USER, nobody.b, sizeof(nobody.b));
    settled(0, OK);
    assert_false(brings_key());
}

#define SETS 512
#define WAYS 4
#define LATER 100000 /* than any other test */

/* The nth person of the set. */
static struct uuid person_in(unsigned set, int n)
{
    for (int i = 0;; i++) {
        struct uuid person = { { 201 } };
        memcpy(person.b + 4, &i, sizeof(i));
        if (hash_bytes(person.b, sizeof(person.b)) % SETS == set && n-- == 0)
            return person;
    }
}

static struct uuid key_at(struct uuid person, int64_t at)
{
    struct audited written;
    const struct audit_row row = { .at = at, .person = person, .action = STR("a"), .correlation = STR("x"),
                                   .outcome = "made", .risk = "green", .payload = STR("{}") };
    change_init(&change, &arena);
    assert_int_equal(audit_add(&change, &arena, &keys, &row, &written), OK);
    struct uuid subject = written.subject;
    audit_settle(&written, OK);
    return subject;
}

static void of_a_full_set_the_key_used_longest_ago_is_forgotten(void **state)
{
    (void)state;
    for (int oldest = 0; oldest < WAYS; oldest++) {
        unsigned set = 77 + (unsigned)oldest;
        struct uuid key[WAYS + 1];
        for (int i = 0; i < WAYS; i++)
            key[i] = key_at(person_in(set, i), LATER + i);
        for (int i = 0; i < WAYS; i++)
            if (i != oldest) {
                struct uuid again = key_at(person_in(set, i), LATER + 200 + i);
                assert_true(uuid_eq(&again, &key[i]));
            }
        key[WAYS] = key_at(person_in(set, WAYS), LATER + 300);
        for (int i = 0; i <= WAYS; i++) {
            if (i == oldest)
                continue;
            struct uuid again = key_at(person_in(set, i), LATER + 400 + i);
            assert_true(uuid_eq(&again, &key[i]));
        }
        struct uuid other = key_at(person_in(set, oldest), LATER + 500);
        assert_false(uuid_eq(&other, &key[oldest]));
    }
}

/* ---- what is written ---- */

/* By the parameters of audit_add. */
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
    SEALED,
    MAC
};

static const char *const kinds[] = { "anonymous", "user", "api_key", "operator", "system" };

static void a_row_holds_together(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++) {
        struct audited written;
        uint8_t key[CHAIN_KEY], mac[SHA256_SIZE];
        struct str plain;
        const struct audit_row row = {
            .id = id_of(90),
            .at = 5,
            .kind = (enum principal_kind)i,
            .principal_id = id_of(i & 1 ? 91 : 0),
            .session_id = id_of(i & 2 ? 92 : 0),
            .target = id_of(i & 4 ? 93 : 0),
            .decision = id_of(94),
            .person = id_of((uint8_t)(110 + i)),
            .action = STR("startup.create"),
            .correlation = STR("x"),
            .outcome = "made",
            .risk = "green",
            .payload = STR("{\"a\":1}"),
        };
        change_init(&change, &arena);
        assert_int_equal(audit_add(&change, &arena, &keys, &row, &written), OK);
        assert_int_equal(change.n, 2);
        const struct value *subject = change.at[0].params, *p = change.at[1].params;
        assert_true(uuid_eq(&subject[1].uuid, &row.person) && !subject[1].null);
        assert_int_equal(subject[3].i, 5);
        assert_int_equal(chain_subject_open(&arena, &keys, &subject[0].uuid, subject[2].text, key),
                         OK);
        assert_int_equal(chain_payload_open(&arena, key, &row.id, p[SEALED].text, &plain), OK);
        assert_true(str_eq(plain, row.payload));
        assert_memory_not_equal(key, (uint8_t[CHAIN_KEY]){ 0 }, CHAIN_KEY);
        assert_true(str_eq(p[KIND].text, str_of(kinds[i])));
        assert_true(p[PRINCIPAL].null == !(i & 1) && p[SESSION].null == !(i & 2) &&
                    p[TARGET].null == !(i & 4));
        const struct chain_row sealed = {
            .id = row.id,
            .writer = *audit_writer(),
            .sequence = written.sequence,
            .at = row.at,
            .principal_kind = p[KIND].text,
            .principal_id = row.principal_id,
            .session_id = row.session_id,
            .action = row.action,
            .target = row.target,
            .outcome = p[OUTCOME].text,
            .decision = row.decision,
            .risk = p[RISK].text,
            .correlation = row.correlation,
            .subject = written.subject,
            .sealed = p[SEALED].text,
        };
        chain_mac(&keys, &sealed, mac);
        assert_int_equal(p[MAC].text.n, sizeof(mac));
        assert_memory_equal(p[MAC].text.p, mac, sizeof(mac));
        audit_settle(&written, ERR_STALE);
    }
}

/* Without memory there is no row, and its number is not lost. */
static void without_memory_there_is_no_row(void **state)
{
    (void)state;
    struct audited now = row_of(1);
    int64_t number = now.sequence;
    audit_settle(&now, ERR_STALE);
    bool happened = true;
    for (long n = 0; happened; n++) {
        struct arena own = { 0 };
        struct audited written = { 0 };
        const struct audit_row row = { .at = 1, .person = id_of(120), .action = STR("a"), .correlation = STR("x"),
                                       .outcome = "made", .risk = "green", .payload = STR("{}") };
        change_init(&change, &own);
        arena_trim();
        nomem_after(n);
        enum err err = audit_add(&change, &own, &keys, &row, &written);
        happened = nomem_happened();
        nomem_after(-1);
        assert_int_equal(err, happened ? ERR_NO_MEMORY : OK);
        audit_settle(&written, ERR_NO_MEMORY);
        arena_reset(&own);
    }
    now = row_of(1);
    assert_int_equal(now.sequence, number);
    audit_settle(&now, ERR_STALE);
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
        cmocka_unit_test_teardown(what_touches_is_one_run, clear),
        cmocka_unit_test_teardown(of_too_many_the_last_one_grows, clear),
        cmocka_unit_test_teardown(more_numbers_than_are_kept_are_excused, clear),
        cmocka_unit_test_teardown(a_process_is_one_writer, clear),
        cmocka_unit_test_teardown(a_change_brings_each_key_once, clear),
        cmocka_unit_test_teardown(a_key_that_the_change_does_not_bring_is_brought, clear),
        cmocka_unit_test_teardown(a_key_that_was_replaced_is_not_taken_for_stored, clear),
        cmocka_unit_test_teardown(nobodys_key_ends_with_no_epoch, clear),
        cmocka_unit_test_teardown(of_a_full_set_the_key_used_longest_ago_is_forgotten, clear),
        cmocka_unit_test_teardown(a_row_holds_together, clear),
        cmocka_unit_test_teardown(without_memory_there_is_no_row, clear),
    };
    return cmocka_run_group_tests_name("gate/audit_writer", tests, set_up, tear_down);
}
