/* What a statement says of somebody's teams, and how far each leads. */
#include "../../../src/gate/memberships.h"

#include "../base/nomem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define C "cccccccccccccccccccccccccccccccc"
#define D "dddddddddddddddddddddddddddddddd"
#define E "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee"

static struct arena arena;

static struct uuid all(int byte)
{
    struct uuid id;
    memset(id.b, byte, sizeof(id.b));
    return id;
}

/* ---- ids ---- */

static void ids_of_32_digits(void **state)
{
    (void)state;
    static const uint8_t bytes[16] = { 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef,
                                       0xff, 0x00, 0x90, 0x0a, 0xa0, 0x9f, 0xf9, 0x10 };
    struct str text = STR("0123456789abcdefff00900aa09ff910"), more = STR(A "b");
    struct uuid id;
    assert_true(hex_uuid(&text, &id));
    assert_memory_equal(id.b, bytes, sizeof(bytes));
    assert_int_equal(text.n, 0);
    assert_true(hex_uuid(&more, &id));
    assert_true(str_eq(more, STR("b")));
}

static void ids_that_are_none(void **state)
{
    (void)state;
    static const char around[] = "/:`gAFG\n-\x7f\xff"; /* what stands beside the digits, and the like */
    struct uuid id;
    struct str text = { A, 31 };
    assert_false(hex_uuid(&text, &id));
    for (size_t i = 0; i < sizeof(around); i++)
        for (size_t at = 0; at < 32; at++) {
            char digits[] = A;
            digits[at] = around[i];
            text = str_of(digits);
            text.n = 32;
            if (hex_uuid(&text, &id))
                fail_msg("%s", digits);
        }
}

/* ---- teams ---- */

static const struct {
    const char *says, *text;
    enum access reach[5]; /* in the teams of A to E */
} rows[] = {
    { "none", "", { 0 } },
    { "a team, and so a team of its owner", A B "v", { ACCESS_READ, ACCESS_READ } },
    { "a contributor", A B "c", { ACCESS_CREATE, ACCESS_CREATE } },
    { "an editor", A B "e", { ACCESS_WRITE, ACCESS_WRITE } },
    { "an admin", A B "a", { ACCESS_SHARE, ACCESS_SHARE } },
    { "an owner", A B "o", { ACCESS_ADMIN, ACCESS_ADMIN } },
    { "no role that is known", A B "x", { 0 } },
    { "the most of an owner's teams", A C "v" B C "a", { ACCESS_READ, ACCESS_SHARE, ACCESS_SHARE } },
    { "the same the other way round", B C "a" A C "v", { ACCESS_READ, ACCESS_SHARE, ACCESS_SHARE } },
    { "in no order", D E "v" B C "e", { 0, ACCESS_WRITE, ACCESS_WRITE, ACCESS_READ, ACCESS_READ } },
    { "three of one owner", A E "v" B E "o" C E "e",
      { ACCESS_READ, ACCESS_ADMIN, ACCESS_WRITE, 0, ACCESS_ADMIN } },
};

static void how_far_each_leads(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct principal who;
        assert_int_equal(memberships_read(&arena, str_of(rows[i].text), &who), OK);
        for (int k = 0; k < 5; k++) {
            struct uuid id = all(0xaa + 0x11 * k);
            if (principal_team_access(&who, &id) != rows[i].reach[k])
                fail_msg("%s: %c", rows[i].says, 'A' + k);
        }
        for (uint32_t k = 1; k < who.nmemberships; k++)
            assert_true(memcmp(&who.memberships[k - 1].of, &who.memberships[k].of, 16) < 0);
    }
}

static void each_of_many_is_found(void **state)
{
    (void)state;
    char text[65 * 20 + 1];
    struct principal who;
    for (int i = 0; i < 20; i++)
        snprintf(text + (size_t)i * 65, 66, "%032x%032xe", 1000 + i * 7 % 20, 2000 + i);
    assert_int_equal(memberships_read(&arena, str_of(text), &who), OK);
    assert_int_equal(who.nmemberships, 40);
    for (int i = -1; i <= 20; i++) {
        struct uuid team = { { [14] = (uint8_t)((1000 + i) >> 8), [15] = (uint8_t)(1000 + i) } },
                    owner = { { [14] = (uint8_t)((2000 + i) >> 8), [15] = (uint8_t)(2000 + i) } };
        enum access reach = i >= 0 && i < 20 ? ACCESS_WRITE : ACCESS_NONE;
        assert_int_equal(principal_team_access(&who, &team), reach);
        assert_int_equal(principal_team_access(&who, &owner), reach);
    }
}

static void what_is_not_ours_gives_nothing(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "v", A B, A B "vv", A B "v" A, "g" A B, A "g" B, B "v" A B
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct membership before = { all(0xaa), ACCESS_ADMIN };
        struct principal who = { .nmemberships = 1, .memberships = &before };
        assert_int_equal(memberships_read(&arena, str_of(texts[i]), &who), ERR_INTERNAL);
        assert_int_equal(who.nmemberships, 0);
        assert_null(who.memberships);
    }
}

static void what_is_malformed_inside_gives_nothing(void **state)
{
    (void)state;
    for (size_t at = 0; at < 64; at++) {
        char text[] = A B "v";
        struct principal who;
        text[at] = 'g';
        assert_int_equal(memberships_read(&arena, str_of(text), &who), ERR_INTERNAL);
        assert_int_equal(who.nmemberships, 0);
    }
}

static void without_memory_there_are_none(void **state)
{
    (void)state;
    struct principal who;
    arena_trim();
    nomem_after(0);
    assert_int_equal(memberships_read(&arena, STR_NONE, &who), OK);
    assert_int_equal(memberships_read(&arena, STR(A B "v"), &who), ERR_NO_MEMORY);
    nomem_after(-1);
    assert_int_equal(who.nmemberships, 0);
}

static int clear(void **state)
{
    (void)state;
    arena_reset(&arena);
    arena_trim();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_of_32_digits),
        cmocka_unit_test(ids_that_are_none),
        cmocka_unit_test_teardown(how_far_each_leads, clear),
        cmocka_unit_test_teardown(each_of_many_is_found, clear),
        cmocka_unit_test_teardown(what_is_not_ours_gives_nothing, clear),
        cmocka_unit_test_teardown(what_is_malformed_inside_gives_nothing, clear),
        cmocka_unit_test_teardown(without_memory_there_are_none, clear),
    };
    return cmocka_run_group_tests_name("gate/memberships", tests, NULL, NULL);
}
