/* Gate 1 as a table of ids. */
#include "base/metric.h"
#include "gate/facts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct {
    const char *says, *id;
    enum verdict verdict;
} rows[] = {
    { "version 7", "0190a1b2-c3d4-7e5f-8a6b-7c8d9e0f1a2b", NEXT },
    { "version 4", "f47ac10b-58cc-4372-a567-0e02b2c3d479", NEXT },
    { "upper case", "F47AC10B-58CC-4372-A567-0E02B2C3D479", DENY },
    { "one capital at the end", "f47ac10b-58cc-4372-a567-0e02b2c3d47F", DENY },
    { "one capital in front", "F47ac10b-58cc-4372-a567-0e02b2c3d479", DENY },
    { "a capital in the variant", "f47ac10b-58cc-4372-A567-0e02b2c3d479", DENY },
    { "every small letter", "abcdef01-2345-4789-a0bc-0e02b2c3d479", NEXT },
    { "nil", "00000000-0000-0000-0000-000000000000", DENY },
    { "max", "ffffffff-ffff-ffff-ffff-ffffffffffff", DENY },
    { "version 1", "f47ac10b-58cc-1372-a567-0e02b2c3d479", DENY },
    { "version 8", "f47ac10b-58cc-8372-a567-0e02b2c3d479", DENY },
    { "another variant", "f47ac10b-58cc-4372-c567-0e02b2c3d479", DENY },
    { "half of its digits alike", "11111111-1111-4111-a167-0e02b2c3d479", DENY },
    { "without hyphens", "f47ac10b58cc4372a5670e02b2c3d479", DENY },
    { "in braces", "{f47ac10b-58cc-4372-a567-0e02b2c3d479}", DENY },
    { "urn", "urn:uuid:f47ac10b-58cc-4372-a567-0e02b2c3d479", DENY },
    { "too short", "f47ac10b-58cc-4372-a567-0e02b2c3d47", DENY },
    { "a foreign digit", "g47ac10b-58cc-4372-a567-0e02b2c3d479", DENY },
    { "empty", "", DENY },
    { "an injection", "1' or '1'='1", DENY },
};

static void ids(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct req r = { 0 };
        r.target_ids.n = 1;
        r.target_ids.text[0] = str_of(rows[i].id);
        if (gate_uuid(&r) != rows[i].verdict || (rows[i].verdict == DENY && r.err != ERR_BAD_ID))
            fail_msg("%s", rows[i].says);
    }
}

/* Of an id whose digits are letters, a capital at each place in turn. */
static void a_capital_is_seen_wherever_it_stands(void **state)
{
    (void)state;
    for (size_t i = 0; i < UUID_TEXT; i++) {
        char id[] = "fabcdefa-bcde-4abc-adef-abcdefabcdea";
        struct req r = { .target_ids = { .n = 1, .text = { { id, UUID_TEXT } } } };
        if (id[i] < 'a')
            continue;
        assert_int_equal(gate_uuid(&r), NEXT);
        id[i] = (char)(id[i] - 'a' + 'A');
        assert_int_equal(gate_uuid(&r), DENY);
    }
}

static void what_stands_behind_an_id_is_none_of_it(void **state)
{
    (void)state;
    struct req r = { 0 };
    r.target_ids.n = 1;
    r.target_ids.text[0] = (struct str){ "f47ac10b-58cc-4372-a567-0e02b2c3d479A", 36 };
    assert_int_equal(gate_uuid(&r), NEXT);
}

static void the_second_id_counts_too(void **state)
{
    (void)state;
    struct req r = { 0 };
    r.target_ids.n = 2;
    r.target_ids.text[0] = STR("f47ac10b-58cc-4372-a567-0e02b2c3d479");
    r.target_ids.text[1] = STR("nonsense");
    assert_int_equal(gate_uuid(&r), DENY);
}

static void ids_are_read_into_their_places(void **state)
{
    (void)state;
    struct req r = { 0 };
    struct uuid first, second;
    r.target_ids.n = 2;
    r.target_ids.text[0] = STR("f47ac10b-58cc-4372-a567-0e02b2c3d479");
    r.target_ids.text[1] = STR("0190a1b2-c3d4-7e5f-8a6b-7c8d9e0f1a2b");
    assert_true(uuid_parse(r.target_ids.text[0], &first) &&
                uuid_parse(r.target_ids.text[1], &second));
    assert_int_equal(gate_uuid(&r), NEXT);
    assert_true(uuid_eq(&r.target_ids.id, &first) && uuid_eq(&r.target_ids.second, &second));
}

static void an_attack_is_counted_and_a_slip_is_not(void **state)
{
    (void)state;
    static const struct {
        const char *id, *reason;
        bool attack;
    } cases[] = { { "1' or '1'='1", "injection pattern", true },
                  { "../../etc/passwd", "injection pattern", true },
                  { "F47AC10B-58CC-4372-A567-0E02B2C3D479", "not canonical", false },
                  { "f47ac10b-58cc-4372-a567", "not canonical", false } };
    void *metrics = calloc(1, metric_size(1));
    assert_non_null(metrics);
    metric_init(metrics, 1);
    metric_use(0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t before = metric_read(METRIC_GATE_ATTACKS, 0);
        struct req r = { 0 };
        r.target_ids.n = 1;
        r.target_ids.text[0] = str_of(cases[i].id);
        assert_int_equal(gate_uuid(&r), DENY);
        assert_string_equal(r.reason, cases[i].reason);
        assert_int_equal(r.probe, cases[i].attack);
        assert_int_equal(metric_read(METRIC_GATE_ATTACKS, 0) - before, cases[i].attack);
    }
    free(metrics);
}

static void no_id_is_fine(void **state)
{
    (void)state;
    struct req r = { 0 };
    assert_int_equal(gate_uuid(&r), NEXT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids),
        cmocka_unit_test(a_capital_is_seen_wherever_it_stands),
        cmocka_unit_test(what_stands_behind_an_id_is_none_of_it),
        cmocka_unit_test(the_second_id_counts_too),
        cmocka_unit_test(ids_are_read_into_their_places),
        cmocka_unit_test(no_id_is_fine),
        cmocka_unit_test(an_attack_is_counted_and_a_slip_is_not), /* last: it takes the counters with it */
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
