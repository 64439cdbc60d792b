/* Gate 5 as a table. */
#include "gate/facts.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define BIT(access) ((uint64_t)1 << (access))
#define NOW 1000

static const struct uuid me = { { 1 } }, other = { { 2 } }, self = { { 9 } };
static const struct principal who = { .kind = PRINCIPAL_USER, .user_id = { { 1 } } };

static const struct {
    const char *says;
    struct restraint x;
    enum access need;
    enum err err;
} rows[] = {
    { "reading is restricted", { .owner = { { 2 } }, .until = NOW + 1, .accesses = BIT(ACCESS_READ) },
      ACCESS_READ, ERR_NOT_FOUND },
    { "what may not be read is hidden from who writes",
      { .owner = { { 2 } }, .until = NOW + 1, .accesses = BIT(ACCESS_READ) }, ACCESS_WRITE, ERR_NOT_FOUND },
    { "writing is restricted, reading is not",
      { .owner = { { 2 } }, .until = NOW + 1, .accesses = BIT(ACCESS_WRITE) }, ACCESS_READ, OK },
    { "writing is restricted", { .owner = { { 2 } }, .until = NOW + 1, .accesses = BIT(ACCESS_WRITE) },
      ACCESS_WRITE, ERR_FORBIDDEN },
    { "creating below is writing", { .owner = { { 2 } }, .until = NOW + 1, .accesses = BIT(ACCESS_WRITE) },
      ACCESS_CREATE, ERR_FORBIDDEN },
    { "deleting is not writing", { .owner = { { 2 } }, .until = NOW + 1, .accesses = BIT(ACCESS_WRITE) },
      ACCESS_DELETE, OK },
    { "sharing is restricted", { .owner = { { 2 } }, .until = NOW + 1, .accesses = BIT(ACCESS_SHARE) },
      ACCESS_SHARE, ERR_FORBIDDEN },
    { "over at its time", { .owner = { { 2 } }, .until = NOW, .accesses = BIT(ACCESS_READ) }, ACCESS_READ, OK },
    { "for me", { .owner = { { 2 } }, .user = { { 1 } }, .until = NOW + 1, .accesses = BIT(ACCESS_READ) },
      ACCESS_READ, ERR_NOT_FOUND },
    { "for somebody else", { .owner = { { 2 } }, .user = { { 3 } }, .until = NOW + 1, .accesses = BIT(ACCESS_READ) },
      ACCESS_READ, OK },
    { "one's own does not bind", { .owner = { { 1 } }, .until = NOW + 1, .accesses = BIT(ACCESS_READ) },
      ACCESS_READ, OK },
};

static void restrictions(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct facts facts = { .id = self, .restraints = &rows[i].x, .nrestraints = 1 };
        const char *reason = NULL;
        enum err err = judge_inheritance(&who, &facts, rows[i].need, NOW, &reason);
        if (err != rows[i].err || !reason != (err == OK))
            fail_msg("%s: %s", rows[i].says, err_info(err)->code);
    }
}

static void the_strictest_of_several_binds(void **state)
{
    (void)state;
    const struct restraint two[] = {
        { .owner = other, .until = NOW + 1, .accesses = BIT(ACCESS_WRITE) },
        { .owner = other, .until = NOW + 1, .accesses = BIT(ACCESS_READ) },
    };
    struct facts facts = { .id = self, .restraints = two, .nrestraints = 2 };
    const char *reason;
    assert_int_equal(judge_inheritance(&who, &facts, ACCESS_WRITE, NOW, &reason), ERR_NOT_FOUND);
    facts.nrestraints = 1;
    assert_int_equal(judge_inheritance(&who, &facts, ACCESS_WRITE, NOW, &reason), ERR_FORBIDDEN);
    facts.nrestraints = 0;
    assert_int_equal(judge_inheritance(&who, &facts, ACCESS_WRITE, NOW, &reason), OK);
}

static void nobody_is_told_to_sign_in(void **state)
{
    (void)state;
    const struct restraint x = { .owner = other, .until = NOW + 1, .accesses = BIT(ACCESS_READ) };
    const struct facts facts = { .id = self, .restraints = &x, .nrestraints = 1 };
    const struct principal nobody = { 0 };
    const char *reason;
    assert_int_equal(judge_inheritance(&nobody, &facts, ACCESS_READ, NOW, &reason), ERR_NO_TOKEN);
}

static void what_it_was_put_on_is_not_bound(void **state)
{
    (void)state;
    struct restraint x = {
        .on = self, .owner = other, .until = NOW + 1, .accesses = BIT(ACCESS_READ)
    };
    const struct facts facts = { .id = self, .restraints = &x, .nrestraints = 1 };
    const char *reason;
    assert_int_equal(judge_inheritance(&who, &facts, ACCESS_READ, NOW, &reason), OK);
    x.on = other;
    assert_int_equal(judge_inheritance(&who, &facts, ACCESS_READ, NOW, &reason), ERR_NOT_FOUND);
}

/* A medium of mine, on a generation whose owner keeps others from writing below it. Where I may not read that
 * generation, I am not told that I may not write. */
static void a_refusal_does_not_tell_of_a_hidden_medium(void **state)
{
    (void)state;
    static const struct resource media = { .owned = true, .shared = true, .media = true };
    const struct uuid generation = { { 10 } };
    struct grant grant = { me, ACCESS_READ };
    const struct ancestor above = { generation, other, true };
    const struct restraint x = {
        .on = generation, .owner = other, .until = NOW + 1, .accesses = BIT(ACCESS_WRITE)
    };
    struct principal maker = { .kind = PRINCIPAL_USER, .user_id = me };
    struct facts facts = { .id = self, .owner = me, .project_owner = other, .shared = true,
                           .grants = &grant, .ngrants = 1, .ancestors = &above, .nancestors = 1,
                           .restraints = &x, .nrestraints = 1 };
    struct action action = { .access = ACCESS_WRITE };
    struct req r = {
        .who = &maker, .facts = &facts, .resource = &media, .action = &action, .now = NOW
    };
    assert_int_equal(gate_inheritance(&r), DENY);
    assert_int_equal(r.err, ERR_FORBIDDEN);
    facts.ngrants = 0;
    assert_int_equal(gate_ownership(&r), NEXT); /* it is mine */
    assert_int_equal(gate_inheritance(&r), DENY);
    assert_int_equal(r.err, ERR_NOT_FOUND);
    action.access = ACCESS_READ;
    assert_int_equal(gate_inheritance(&r), NEXT); /* that is for gate media to refuse */
    assert_int_equal(gate_media(&r), DENY);
    assert_int_equal(r.err, ERR_NOT_FOUND);
}

/* n ancestors, each another, the row at that depth. */
static enum err tree(int n, int64_t depth, int same_as_self, int twice)
{
    struct ancestor all[20] = { 0 };
    const char *reason;
    for (int i = 0; i < n; i++)
        all[i].id.b[0] = (uint8_t)(100 + i);
    if (same_as_self >= 0)
        all[same_as_self].id = self;
    if (twice >= 0)
        all[twice].id = all[0].id;
    const struct facts facts = { .id = self, .depth = depth, .ancestors = all, .nancestors = n };
    return judge_inheritance(&who, &facts, ACCESS_READ, NOW, &reason);
}

static void depth_and_cycles(void **state)
{
    (void)state;
    assert_int_equal(tree(0, 0, -1, -1), OK);
    assert_int_equal(tree(10, 10, -1, -1), OK);
    assert_int_equal(tree(11, 10, -1, -1), OK); /* a medium of the deepest */
    assert_int_equal(tree(11, 11, -1, -1), ERR_NOT_FOUND);
    assert_int_equal(tree(12, 10, -1, -1), ERR_NOT_FOUND);
    assert_int_equal(tree(2, 3, -1, -1), ERR_NOT_FOUND); /* one is missing */
    assert_int_equal(tree(3, 3, 0, -1), ERR_NOT_FOUND); /* its own parent */
    assert_int_equal(tree(3, 3, 1, -1), ERR_NOT_FOUND);
    assert_int_equal(tree(3, 3, -1, 2), ERR_NOT_FOUND);
}

static void the_stage(void **state)
{
    (void)state;
    struct principal me_too = { .kind = PRINCIPAL_USER, .user_id = me };
    const struct restraint x = { .owner = other, .until = NOW + 1, .accesses = BIT(ACCESS_READ) };
    struct facts facts = { .id = self, .restraints = &x, .nrestraints = 1 };
    struct action action = { .access = ACCESS_READ };
    struct req r = { .who = &me_too, .facts = &facts, .action = &action, .now = NOW };
    assert_int_equal(gate_inheritance(&r), DENY);
    assert_int_equal(r.err, ERR_NOT_FOUND);
    r.now = NOW + 1;
    assert_int_equal(gate_inheritance(&r), NEXT);
    r.facts = NULL;
    r.now = NOW;
    assert_int_equal(gate_inheritance(&r), NEXT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(restrictions),
        cmocka_unit_test(the_strictest_of_several_binds),
        cmocka_unit_test(nobody_is_told_to_sign_in),
        cmocka_unit_test(what_it_was_put_on_is_not_bound),
        cmocka_unit_test(a_refusal_does_not_tell_of_a_hidden_medium),
        cmocka_unit_test(depth_and_cycles),
        cmocka_unit_test(the_stage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
