/* Gate 6 as a table: who cannot read the generation has no part in the medium either. */
#include "gate/facts.h"
#include "gate/signature.h"

#include "../../../src/store/result.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define NOW 1000
#define READING (1 << ACCESS_READ)

#define ME { { 1 } }
#define OTHER { { 2 } }
#define CHIEF { { 3 } }
#define GENERATION { { 10 } }
#define PARENT { { 11 } }
#define GRANDPARENT { { 12 } }

static const struct uuid me = ME;
static struct arena arena;

static const struct slot columns[] = { { "id", VALUE_UUID, false },
                                       { "sign_version", VALUE_INT, false } };
static const struct stmt medium_get = { .columns = columns, .ncolumns = COUNT(columns) };
static const struct resource media = { .get = &medium_get,
                                       .owned = true,
                                       .shared = true,
                                       .media = true },
    plain = { .get = &medium_get, .owned = true };

/* One case: what a medium of mine hangs on, in another's private project. */
static const struct {
    const char *says;
    struct ancestor ancestors[3]; /* the nearest first, the generation itself; nil behind the last */
    struct restraint restraints[3]; /* nil behind the last */
    enum err err;
} rows[] = {
    { "on nothing", .err = ERR_NOT_FOUND },
    { "on one's own", { { GENERATION, ME, true } }, .err = OK },
    { "on another's", { { GENERATION, OTHER, true } }, .err = ERR_NOT_FOUND },
    { "on what is derived from one's own",
      { { GENERATION, OTHER, true }, { PARENT, ME, true } }, .err = OK },
    { "and that from another's",
      { { GENERATION, OTHER, true }, { PARENT, OTHER, true }, { GRANDPARENT, ME, true } }, .err = OK },
    { "on what is derived from one's own elsewhere",
      { { GENERATION, OTHER, true }, { PARENT, ME, false } }, .err = ERR_NOT_FOUND },
    { "its own restriction does not bind the generation",
      { { GENERATION, ME, true } }, { { GENERATION, OTHER, .until = NOW + 1, .accesses = READING } },
      OK },
    { "that of what is above does",
      { { GENERATION, ME, true }, { PARENT, OTHER, true } },
      { { PARENT, OTHER, .until = NOW + 1, .accesses = READING } }, ERR_NOT_FOUND },
    { "behind one of its own too",
      { { GENERATION, ME, true }, { PARENT, OTHER, true } },
      { { GENERATION, OTHER, .until = NOW + 1, .accesses = READING },
        { PARENT, OTHER, .until = NOW + 1, .accesses = READING } }, ERR_NOT_FOUND },
    { "and before one",
      { { GENERATION, ME, true }, { PARENT, OTHER, true } },
      { { PARENT, OTHER, .until = NOW + 1, .accesses = READING },
        { GENERATION, OTHER, .until = NOW + 1, .accesses = READING } }, ERR_NOT_FOUND },
    { "what keeps from writing keeps nothing from being read",
      { { GENERATION, ME, true }, { PARENT, OTHER, true } },
      { { PARENT, OTHER, .until = NOW + 1, .accesses = 1 << ACCESS_WRITE } }, OK },
    { "as many as there may be",
      { { GENERATION, ME, true }, { PARENT, OTHER, true }, { GRANDPARENT, OTHER, true } },
      { { GRANDPARENT, CHIEF, .until = NOW, .accesses = READING },
        { PARENT, ME, .until = NOW + 1, .accesses = READING },
        { GENERATION, CHIEF, .until = NOW + 1, .accesses = READING } }, OK },
};

static struct facts facts_of(size_t i)
{
    struct facts facts = { .id = { { 20 } }, .owner = me, .project_owner = CHIEF, .shared = true,
                           .ancestors = rows[i].ancestors, .restraints = rows[i].restraints };
    for (int k = 0; k < 3; k++) {
        facts.nancestors += !uuid_nil(&rows[i].ancestors[k].id);
        facts.nrestraints += !uuid_nil(&rows[i].restraints[k].on);
    }
    facts.depth = facts.nancestors;
    return facts;
}

static void the_generation_decides(void **state)
{
    (void)state;
    const struct principal who = { .kind = PRINCIPAL_USER, .user_id = me };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *reason = "before";
        struct facts facts = facts_of(i);
        struct req r = { .who = (struct principal *)(uintptr_t)&who, .facts = &facts, .resource = &media,
                         .now = NOW };
        enum err err = judge_media(&who, &media, &facts, NOW, &reason);
        if (err != rows[i].err || (err == OK) != !reason)
            fail_msg("%s: %s (%s)", rows[i].says, err_info(err)->code, reason ? reason : "");
        assert_int_equal(gate_media(&r), err == OK ? NEXT : DENY);
        assert_int_equal(r.err, err);
        arena_reset(&r.arena);
    }
}

/* The generation may have DEPTH_MAX ancestors; the medium has it before them. */
static void the_deepest_tree(void **state)
{
    (void)state;
    const struct principal who = { .kind = PRINCIPAL_USER, .user_id = me };
    for (int n = DEPTH_MAX + 1; n <= DEPTH_MAX + 2; n++) {
        struct ancestor *ancestors = ARENA_ARRAY(&arena, struct ancestor, (size_t)n);
        struct facts facts = { .id = { { 20 } }, .owner = me, .project_owner = CHIEF, .shared = true,
                               .ancestors = ancestors, .nancestors = n, .depth = n };
        const char *reason;
        for (int i = 0; i < n; i++)
            ancestors[i] = (struct ancestor){ { { 100, (uint8_t)i } }, me, true };
        assert_int_equal(judge_media(&who, &media, &facts, NOW, &reason),
                         n == DEPTH_MAX + 1 ? OK : ERR_NOT_FOUND);
    }
}

static void what_is_no_medium_is_not_judged(void **state)
{
    (void)state;
    const char *reason = "before";
    struct principal who = { 0 };
    struct facts facts = { 0 };
    struct req r = { .who = &who, .facts = &facts, .resource = &plain };
    assert_int_equal(judge_media(&who, &plain, &facts, NOW, &reason), OK);
    assert_string_equal(reason, "before");
    assert_int_equal(gate_media(&r), NEXT);
    r.facts = NULL;
    r.resource = &media;
    assert_int_equal(gate_media(&r), NEXT); /* the path names none */
}

/* What a signed URL was signed for must still be in force. */
static void a_url_of_an_older_version_is_revoked(void **state)
{
    (void)state;
    struct principal who = { .kind = PRINCIPAL_USER, .user_id = me };
    struct facts facts = facts_of(1);
    struct signature signature = { .version = 7 };
    struct req r = { .who = &who, .facts = &facts, .resource = &media, .now = NOW,
                     .signature = &signature };
    const struct value row[] = { { .type = VALUE_UUID, .uuid = facts.id },
                                 { .type = VALUE_INT, .i = 7 } };
    facts.row.stmt = &medium_get;
    assert_int_equal(rows_add(&facts.row, row), OK);
    assert_true(rows_next(&facts.row));
    assert_int_equal(gate_media(&r), NEXT);
    signature.version = 6;
    assert_int_equal(gate_media(&r), DENY);
    assert_int_equal(r.err, ERR_NOT_FOUND);
    assert_string_equal(r.reason, "the URL has been revoked");
    r.signature = NULL;
    assert_int_equal(gate_media(&r), NEXT);
    rows_fini(&facts.row);
    arena_reset(&r.arena);
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
        cmocka_unit_test_teardown(the_generation_decides, clear),
        cmocka_unit_test_teardown(the_deepest_tree, clear),
        cmocka_unit_test_teardown(what_is_no_medium_is_not_judged, clear),
        cmocka_unit_test_teardown(a_url_of_an_older_version_is_revoked, clear),
    };
    return cmocka_run_group_tests_name("gate/media", tests, NULL, NULL);
}
