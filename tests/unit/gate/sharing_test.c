/* What statements say of sharing, the facts that come of it, and the bytes that they are cached as. */
#include "../../../src/gate/memberships.h"
#include "../../../src/gate/sharing.h"
#include "../../../src/store/result.h"
#include "../base/nomem.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define C "cccccccccccccccccccccccccccccccc"
#define NOBODY "00000000000000000000000000000000"

static struct arena arena;

#define WRONG "gggggggggggggggggggggggggggggggg"

/* A row as a statement would have given it, its columns in any order; those that it has not read as nothing. */
static const struct slot columns[] = {
    { "id", VALUE_UUID, false },      { "project_owner", VALUE_UUID, true },
    { "project_visibility", VALUE_TEXT, true },
    { "grants", VALUE_TEXT, true },   { "ancestry", VALUE_TEXT, true },
    { "restraints", VALUE_TEXT, true }, { "depth", VALUE_INT, false },
    { "project_id", VALUE_UUID, false },
};

static struct {
    int first; /* of the columns */
    int n;     /* columns that it has */
} row_has = { 0, COUNT(columns) };

static struct uuid all(int byte)
{
    struct uuid id;
    memset(id.b, byte, sizeof(id.b));
    return id;
}

static enum err read_row(const char *visibility, const char *grants, const char *ancestry,
                         const char *restraints, struct facts *f)
{
    const struct value values[COUNT(columns)] = {
        { .type = VALUE_UUID, .uuid = all(1) },
        { .type = VALUE_UUID, .uuid = all(2) },
        { .type = VALUE_TEXT, .text = str_of(visibility) },
        { .type = VALUE_TEXT, .text = str_of(grants) },
        { .type = VALUE_TEXT, .text = str_of(ancestry) },
        { .type = VALUE_TEXT, .text = str_of(restraints) },
        { .type = VALUE_INT, .i = 3 },
        { .type = VALUE_UUID, .uuid = all(4) },
    };
    struct value row[COUNT(columns)];
    struct slot slots[COUNT(columns)];
    for (int i = 0; i < COUNT(columns); i++) {
        row[i] = values[(row_has.first + i) % COUNT(columns)];
        slots[i] = columns[(row_has.first + i) % COUNT(columns)];
    }
    const struct stmt stmt = { .columns = slots, .ncolumns = row_has.n };
    struct rows rows = { .stmt = &stmt };
    assert_int_equal(rows_add(&rows, row), OK);
    assert_true(rows_next(&rows));
    *f = (struct facts){ .id = all(1) };
    enum err err = sharing_read(&arena, &rows, f);
    rows_fini(&rows);
    return err;
}

static void a_row_is_read(void **state)
{
    (void)state;
    struct facts f;
    assert_int_equal(read_row("team_open",
                              "u" A "w"
                              "t" B "-",
                              C B "s" A C "o", A B NOBODY "12 2;" A B C "9000000000000000 30;", &f),
                     OK);
    assert_int_equal(f.visibility, VISIBLE_OWNERS_TEAMS);
    assert_true(f.shared);
    assert_int_equal(f.depth, 3);
    assert_int_equal(f.ngrants, 2);
    assert_int_equal(f.grants[0].reach, ACCESS_WRITE);
    assert_int_equal(f.grants[0].to.b[0], 0xaa);
    assert_int_equal(f.grants[1].reach, ACCESS_NONE);
    assert_int_equal(f.nancestors, 2);
    assert_true(f.ancestors[0].same_project);
    assert_false(f.ancestors[1].same_project);
    assert_int_equal(f.nrestraints, 2);
    assert_true(uuid_nil(&f.restraints[0].user));
    assert_int_equal(f.restraints[0].until, 12);
    assert_int_equal(f.restraints[1].accesses, 30);
    assert_int_equal(f.restraints[1].until, 9000000000000000);
}

static void columns_are_found_by_name(void **state)
{
    (void)state;
    struct facts f;
    for (int first = 0; first < COUNT(columns); first++) {
        row_has.first = first;
        assert_int_equal(read_row("public_read", "u" A "r", C B "s", A B C "12 2;", &f), OK);
        assert_int_equal(f.depth, 3);
        assert_true(f.shared);
        assert_int_equal(f.project.b[0], 4);
        assert_int_equal(f.project_owner.b[0], 2);
        assert_int_equal(f.visibility, VISIBLE_SIGNED_IN);
        assert_int_equal(f.ngrants + f.nancestors + f.nrestraints, 3);
    }
}

static void a_row_that_lies_nowhere_has_none_of_them(void **state)
{
    (void)state;
    struct facts f;
    row_has.n = 1;
    assert_int_equal(read_row("public_full", "u" A "r", C B "s", A B C "12 2;", &f), OK);
    assert_int_equal(f.depth, 0);
    assert_false(f.shared);
    assert_true(uuid_eq(&f.project, &f.id));
    assert_true(uuid_nil(&f.project_owner));
    assert_int_equal(f.visibility, VISIBLE_PRIVATE);
    assert_int_equal(f.ngrants + f.nancestors + f.nrestraints, 0);
}

static void each_letter_of_a_grant(void **state)
{
    (void)state;
    static const struct {
        const char *grant;
        enum access reach;
    } rows[] = { { "u" A "r", ACCESS_READ },
                 { "u" A "w", ACCESS_WRITE },
                 { "u" A "d", ACCESS_DELETE },
                 { "u" A "s", ACCESS_SHARE },
                 { "u" A "a", ACCESS_ADMIN } };
    struct facts f;
    for (int i = 0; i < COUNT(rows); i++) {
        assert_int_equal(read_row("private", rows[i].grant, "", "", &f), OK);
        assert_int_equal(f.grants[0].reach, rows[i].reach);
    }
}

static void each_visibility(void **state)
{
    (void)state;
    static const char *const names[] = { "private", "team_restricted", "team_open", "public_read",
                                         "public_full" };
    struct facts f;
    for (int i = 0; i < COUNT(names); i++) {
        assert_int_equal(read_row(names[i], "", "", "", &f), OK);
        assert_int_equal(f.visibility, i);
    }
}

static void zero_is_a_number(void **state)
{
    (void)state;
    struct facts f;
    assert_int_equal(read_row("private", "", "", A B C "0 0;", &f), OK);
    assert_int_equal(f.restraints[0].until, 0);
    assert_int_equal(f.restraints[0].accesses, 0);
}

static void what_is_not_ours_is_refused(void **state)
{
    (void)state;
    struct facts f;
    static const char *const grants[] = { "u",        "u" A,
                                          "x" A "w",  "u" A "z",
                                          "u" A "wt", "uAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAw",
                                          "u" A "c",  "u" A "w" "u" };
    static const char *const ancestries[] = { A,           A B,         A B "s" A,
                                              A B "s" A B, WRONG B "s", A WRONG "s",
                                              A B "s" "s" };
    static const char *const restraints[] = {
        A B C, A B C "1 2", A B C "1;", A B C "x 2;", A B C "1 2;z", A B "1111111111111111 2;",
        A B C "1 23", A B C "123;", A B C "123", A B C "1 x;", A B C "1 2;" A B C "1 ", WRONG B C "1 2;",
        A WRONG C "1 2;", A B WRONG "1 2;"
    };
    for (int i = 0; i < COUNT(grants); i++)
        assert_int_equal(read_row("private", grants[i], "", "", &f), ERR_INTERNAL);
    for (int i = 0; i < COUNT(ancestries); i++)
        assert_int_equal(read_row("private", "", ancestries[i], "", &f), ERR_INTERNAL);
    for (int i = 0; i < COUNT(restraints); i++)
        assert_int_equal(read_row("private", "", "", restraints[i], &f), ERR_INTERNAL);
    assert_int_equal(read_row("whatever", "", "", "", &f), OK);
    assert_int_equal(f.visibility, VISIBLE_PRIVATE); /* the strictest */
}

static void the_cached_form_comes_back(void **state)
{
    (void)state;
    struct facts f, back = { 0 };
    assert_int_equal(read_row("public_full",
                              "u" A "a"
                              "t" B "-",
                              C B "s", A B C "5 4;", &f),
                     OK);
    char *bytes = arena_alloc(&arena, sharing_size(&f) + 4);
    assert_non_null(bytes);
    sharing_write(&f, bytes);
    memcpy(bytes + sharing_size(&f), "rest", 4);
    struct str all_of_it = { bytes, sharing_size(&f) + 4 };
    assert_true(sharing_take(&all_of_it, &back));
    assert_int_equal(all_of_it.n, 4);
    assert_int_equal(back.ngrants, 2);
    assert_int_equal(back.grants[0].reach, ACCESS_ADMIN);
    assert_int_equal(back.nancestors, 1);
    assert_true(back.ancestors[0].same_project);
    assert_int_equal(back.restraints[0].until, 5);
    assert_int_equal(back.visibility, VISIBLE_ANYONE);
    assert_true(uuid_eq(&back.project, &f.project));
    for (size_t n = 0; n < sharing_size(&f); n++) {
        struct str cut = { bytes, n };
        assert_false(sharing_take(&cut, &back));
    }
}

/* As many of each as there may be: what is behind them is filled up to the next 8 bytes, and read again whole. */
static void the_cached_form_is_a_multiple_of_8(void **state)
{
    (void)state;
    enum { MOST = 8 };
    struct grant grants[MOST] = { { all(5), ACCESS_WRITE } };
    struct ancestor ancestors[MOST] = { { all(6), all(7), true } };
    char bytes[1000], *at = bytes + (8 - (uintptr_t)bytes % 8);
    size_t least = sharing_size(&(struct facts){ 0 });
    for (int g = 0; g < MOST; g++)
        for (int a = 0; a < MOST; a++) {
            const struct facts f = {
                .grants = grants, .ngrants = g, .ancestors = ancestors, .nancestors = a
            };
            size_t used = least + (size_t)g * sizeof(grants[0]) + (size_t)a * sizeof(ancestors[0]);
            size_t size = (used + 7) / 8 * 8;
            struct facts back = { 0 };
            struct str all_of_it = { at, size };
            assert_int_equal(sharing_size(&f), size);
            memset(at, 0xff, size + 1);
            sharing_write(&f, at);
            for (size_t i = used; i < size; i++)
                assert_int_equal(at[i], 0);
            assert_int_equal((uint8_t)at[size], 0xff);
            assert_true(sharing_take(&all_of_it, &back));
            assert_int_equal(all_of_it.n, 0);
            assert_int_equal(back.ngrants, g);
            assert_int_equal(back.nancestors, a);
            assert_memory_equal(back.grants, grants, (size_t)g * sizeof(grants[0]));
            assert_memory_equal(back.ancestors, ancestors, (size_t)a * sizeof(ancestors[0]));
        }
}

static void a_count_below_zero_is_none_of_ours(void **state)
{
    (void)state;
    _Alignas(8) char bytes[200];
    for (int i = 0; i < 3; i++) {
        struct facts f = { .ngrants = 0 }, back = { 0 };
        struct str all_of_it = { bytes, sizeof(bytes) };
        sharing_write(&f, bytes);
        assert_true(sharing_take(&all_of_it, &back));
        const int32_t less = -1;
        memcpy(bytes + 48 + 4 * i, &less, sizeof(less)); /* grants, ancestors, restraints */
        all_of_it = (struct str){ bytes, sizeof(bytes) };
        assert_false(sharing_take(&all_of_it, &back));
    }
}

static void memory_runs_out_anywhere(void **state)
{
    (void)state;
    struct facts f;
    for (long n = 0;; n++) {
        arena_reset(&arena);
        arena_trim();
        nomem_after(n);
        enum err err = read_row("private", "u" A "w", C B "s", A B C "5 4;", &f);
        bool happened = nomem_happened();
        nomem_after(-1);
        assert_int_equal(err, happened ? ERR_NO_MEMORY : OK);
        if (!happened)
            break;
    }
}

/* More than a block of the arena has, while what else is to be read would still fit into one. */
static void memory_runs_out_for_the_largest(void **state)
{
    (void)state;
    enum { MANY = 500, LONGEST = 101 };
    static char many[MANY * LONGEST];
    static const char *const one[] = { "u" A "w", C B "s", A B C "5 4;" };
    struct facts f;
    for (int i = 0; i < COUNT(one); i++) {
        const char *texts[] = { one[0], one[1], one[2] };
        char *at = many;
        for (int k = 0; k < MANY; k++)
            at = stpcpy(at, one[i]);
        texts[i] = many;
        assert_int_equal(read_row("private", texts[0], texts[1], texts[2], &f), OK);
        assert_int_equal(f.ngrants + f.nancestors + f.nrestraints, MANY + 2);
        arena_reset(&arena);
        assert_non_null(arena_alloc(&arena, 1));
        nomem_after(0);
        enum err err = read_row("private", texts[0], texts[1], texts[2], &f);
        nomem_after(-1);
        assert_int_equal(err, ERR_NO_MEMORY);
    }
}

static void memberships(void **state)
{
    (void)state;
    struct principal who;
    struct uuid a = all(0xaa), b = all(0xbb), c = all(0xcc), none = all(0xdd);
    assert_int_equal(memberships_read(&arena, STR(B C "v" A C "a"), &who), OK);
    assert_int_equal(who.nmemberships, 3);
    assert_int_equal(principal_team_access(&who, &a), ACCESS_SHARE);
    assert_int_equal(principal_team_access(&who, &b), ACCESS_READ);
    assert_int_equal(principal_team_access(&who, &c), ACCESS_SHARE); /* the most of the owner's teams */
    assert_int_equal(principal_team_access(&who, &none), ACCESS_NONE);
    assert_int_equal(memberships_read(&arena, STR_NONE, &who), OK);
    assert_int_equal(principal_team_access(&who, &a), ACCESS_NONE);
    assert_int_equal(memberships_read(&arena, STR(A B "x"), &who), OK);
    assert_int_equal(principal_team_access(&who, &a), ACCESS_NONE); /* no role that is known */
    assert_int_equal(memberships_read(&arena, STR(A B), &who), ERR_INTERNAL);
    assert_int_equal(memberships_read(&arena, STR(A "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBv"), &who),
                     ERR_INTERNAL);
    static const struct {
        const char *text;
        enum access reach;
    } roles[] = { { A B "v", ACCESS_READ }, { A B "c", ACCESS_CREATE }, { A B "e", ACCESS_WRITE },
                  { A B "a", ACCESS_SHARE }, { A B "o", ACCESS_ADMIN } };
    for (int i = 0; i < COUNT(roles); i++) {
        assert_int_equal(memberships_read(&arena, str_of(roles[i].text), &who), OK);
        assert_int_equal(principal_team_access(&who, &a), roles[i].reach);
    }
}

static int clear(void **state)
{
    (void)state;
    arena_reset(&arena);
    row_has.first = 0;
    row_has.n = COUNT(columns);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_row_is_read, clear),
        cmocka_unit_test_teardown(columns_are_found_by_name, clear),
        cmocka_unit_test_teardown(a_row_that_lies_nowhere_has_none_of_them, clear),
        cmocka_unit_test_teardown(each_letter_of_a_grant, clear),
        cmocka_unit_test_teardown(each_visibility, clear),
        cmocka_unit_test_teardown(zero_is_a_number, clear),
        cmocka_unit_test_teardown(what_is_not_ours_is_refused, clear),
        cmocka_unit_test_teardown(the_cached_form_comes_back, clear),
        cmocka_unit_test_teardown(the_cached_form_is_a_multiple_of_8, clear),
        cmocka_unit_test_teardown(a_count_below_zero_is_none_of_ours, clear),
        cmocka_unit_test_teardown(memory_runs_out_anywhere, clear),
        cmocka_unit_test_teardown(memory_runs_out_for_the_largest, clear),
        cmocka_unit_test_teardown(memberships, clear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
