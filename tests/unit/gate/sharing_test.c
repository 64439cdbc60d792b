/* What statements say of sharing, the facts that come of it, and the bytes that they are cached as. */
#include "../../../src/gate/memberships.h"
#include "../../../src/gate/sharing.h"
#include "../../../src/store/result.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define C "cccccccccccccccccccccccccccccccc"
#define NOBODY "00000000000000000000000000000000"

static struct arena arena;

/* A row of five texts, as a statement would have given it. */
static const struct slot columns[] = {
    { "id", VALUE_UUID, false },      { "project_owner", VALUE_UUID, true },
    { "project_visibility", VALUE_TEXT, true },
    { "grants", VALUE_TEXT, true },   { "ancestry", VALUE_TEXT, true },
    { "restraints", VALUE_TEXT, true }, { "depth", VALUE_INT, false },
    { "project_id", VALUE_UUID, false },
};
static const struct stmt stmt = { .columns = columns, .ncolumns = COUNT(columns) };

static struct uuid all(int byte)
{
    struct uuid id;
    memset(id.b, byte, sizeof(id.b));
    return id;
}

static enum err read_row(const char *visibility, const char *grants, const char *ancestry,
                         const char *restraints, struct facts *f)
{
    struct value row[COUNT(columns)] = {
        { .type = VALUE_UUID, .uuid = all(1) },
        { .type = VALUE_UUID, .uuid = all(2) },
        { .type = VALUE_TEXT, .text = str_of(visibility) },
        { .type = VALUE_TEXT, .text = str_of(grants) },
        { .type = VALUE_TEXT, .text = str_of(ancestry) },
        { .type = VALUE_TEXT, .text = str_of(restraints) },
        { .type = VALUE_INT, .i = 3 },
        { .type = VALUE_UUID, .uuid = all(4) },
    };
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

static void what_is_not_ours_is_refused(void **state)
{
    (void)state;
    struct facts f;
    static const char *const grants[] = { "u",        "u" A,
                                          "x" A "w",  "u" A "z",
                                          "u" A "wt", "uAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAw" };
    static const char *const ancestries[] = { A, A B, A B "s" A };
    static const char *const restraints[] = {
        A B C, A B C "1 2", A B C "1;", A B C "x 2;", A B C "1 2;z", A B "1111111111111111 2;"
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
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_row_is_read, clear),
        cmocka_unit_test_teardown(what_is_not_ours_is_refused, clear),
        cmocka_unit_test_teardown(the_cached_form_comes_back, clear),
        cmocka_unit_test_teardown(memberships, clear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
