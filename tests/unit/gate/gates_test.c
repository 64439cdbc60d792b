/* Gates 2, 3, 4 and 9 as tables: pure functions over the request and who asks. */
#include "gate/emergency.h"
#include "gate/facts.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct {
    const char *says;
    enum principal_kind kind;
    uint64_t permits;
    enum permit permit;
    bool session_only;
    enum err err; /* OK: NEXT */
} rows[] = {
    { "a forgotten permission denies even an admin", PRINCIPAL_USER, PERMIT_ALL, PERMIT_NONE, false,
      ERR_FORBIDDEN },
    { "anyone", PRINCIPAL_ANONYMOUS, 0, PERMIT_ANYONE, false, OK },
    { "nobody where someone is needed", PRINCIPAL_ANONYMOUS, 0, PERMIT_SIGNED_IN, false,
      ERR_NO_TOKEN },
    { "nobody where a permission is needed", PRINCIPAL_ANONYMOUS, 0, PERMIT_TASK_READ, false,
      ERR_NO_TOKEN },
    { "signed in", PRINCIPAL_USER, 0, PERMIT_SIGNED_IN, false, OK },
    { "the permission", PRINCIPAL_USER, PERMIT_BIT(PERMIT_TASK_READ), PERMIT_TASK_READ, false, OK },
    { "another permission", PRINCIPAL_USER, PERMIT_BIT(PERMIT_TASK_READ), PERMIT_TASK_CREATE, false,
      ERR_FORBIDDEN },
    { "all but one", PRINCIPAL_USER, PERMIT_ALL & ~PERMIT_BIT(PERMIT_SYSTEM_CONFIG),
      PERMIT_SYSTEM_CONFIG, false, ERR_FORBIDDEN },
    { "a key with the scope", PRINCIPAL_APIKEY, PERMIT_BIT(PERMIT_TASK_READ), PERMIT_TASK_READ,
      false, OK },
    { "a key where a session is needed", PRINCIPAL_APIKEY, PERMIT_ALL, PERMIT_SIGNED_IN, true,
      ERR_SESSION_NEEDED },
    { "the operator", PRINCIPAL_OPERATOR, PERMIT_ALL, PERMIT_USERS_MANAGE, false, OK },
};

static void permissions(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct principal who = { .kind = rows[i].kind, .permits = rows[i].permits };
        struct action action = { .permit = rows[i].permit, .session_only = rows[i].session_only };
        struct req r = { .who = &who, .action = &action };
        enum verdict v = gate_rbac(&r);
        if (v != (rows[i].err ? DENY : NEXT) || r.err != rows[i].err)
            fail_msg("%s", rows[i].says);
    }
}

static void every_permission_has_its_own_bit(void **state)
{
    (void)state;
    for (int p = PERMIT_STARTUP_CREATE; p < PERMIT_COUNT; p++) {
        assert_true(PERMIT_ALL & PERMIT_BIT(p));
        assert_int_equal(permit_find(str_of(permit_name((enum permit)p))), p);
    }
    assert_int_equal(permit_find(STR("startup:destroy")), PERMIT_NONE);
    assert_false(PERMIT_ALL & PERMIT_BIT(PERMIT_ANYONE));
}

static void contexts(void **state)
{
    (void)state;
    struct principal who = { .kind = PRINCIPAL_USER, .live = true, .expires = 100 };
    struct req r = { .who = &who, .now = 99 };
    assert_int_equal(gate_context(&r), NEXT);
    r.now = 100;
    assert_int_equal(gate_context(&r), DENY);
    assert_int_equal(r.err, ERR_SESSION_ENDED);
    r.now = 0;
    who.live = false;
    assert_int_equal(gate_context(&r), DENY);
    who.kind = PRINCIPAL_ANONYMOUS;
    assert_int_equal(gate_context(&r), NEXT);
}

/* ---- gate 9 ---- */

enum what { READS, CHANGES, ENDS, ANSWERS_ALWAYS, SETS_THE_MODE };
enum who {
    NOBODY,
    SOMEBODY,
    CHIEF,
    LOCAL,
    GLASS,
    GLASS_OF_A_KEY,
    GLASS_PAST,
    GLASS_DEMOTED,
    GLASS_ENDED,
    GLASS_SIGNED_OUT
};

static const struct {
    enum who who;
    enum what what;
    bool passes[MODE_COUNT]; /* normal, degraded, read_only, lockdown */
} emergencies[] = {
    { NOBODY,           READS,          { true, true, true,  false } },
    { NOBODY,           CHANGES,        { true, true, false, false } },
    { NOBODY,           ANSWERS_ALWAYS, { true, true, true,  true  } },
    { SOMEBODY,         READS,          { true, true, true,  false } },
    { SOMEBODY,         CHANGES,        { true, true, false, false } },
    { SOMEBODY,         ENDS,           { true, true, true,  false } },
    { SOMEBODY,         SETS_THE_MODE,  { true, true, true,  true  } }, /* gate rbac looks at who */
    { CHIEF,            READS,          { true, true, true,  false } },
    { CHIEF,            CHANGES,        { true, true, false, false } },
    { LOCAL,            CHANGES,        { true, true, true,  true  } },
    { GLASS,            READS,          { true, true, true,  true  } },
    { GLASS,            CHANGES,        { true, true, true,  true  } },
    { GLASS_OF_A_KEY,   CHANGES,        { true, true, false, false } },
    { GLASS_PAST,       READS,          { true, true, true,  false } },
    { GLASS_PAST,       CHANGES,        { true, true, false, false } },
    { GLASS_DEMOTED,    READS,          { true, true, true,  false } },
    { GLASS_ENDED,      READS,          { true, true, true,  false } },
    { GLASS_SIGNED_OUT, READS,          { true, true, true,  false } },
};

static struct principal principal_of(enum who who)
{
    struct principal p = { .kind = PRINCIPAL_USER, .live = true, .expires = 200,
                           .permits = PERMIT_ALL };
    if (who >= GLASS)
        p.break_glass_until = 101;
    switch (who) {
    case NOBODY:
        return (struct principal){ 0 };
    case SOMEBODY:
    case GLASS_DEMOTED:
        p.permits = PERMIT_ALL & ~PERMIT_BIT(PERMIT_SYSTEM_CONFIG);
        break;
    case GLASS_OF_A_KEY:
        p.kind = PRINCIPAL_APIKEY;
        break;
    case GLASS_PAST:
        p.break_glass_until = 100;
        break;
    case GLASS_ENDED:
        p.live = false;
        break;
    case GLASS_SIGNED_OUT:
        p.expires = 100;
        break;
    default:
        break;
    }
    return p;
}

static void modes(void **state)
{
    (void)state;
    static const struct action actions[] = {
        [READS] = { .permit = PERMIT_TASK_READ },
        [CHANGES] = { .permit = PERMIT_TASK_CREATE, .audit = "x" },
        [ENDS] = { .permit = PERMIT_SIGNED_IN, .audit = "x", .in_read_only = true },
        [ANSWERS_ALWAYS] = { .permit = PERMIT_ANYONE, .any_mode = true },
        [SETS_THE_MODE] = { .permit = PERMIT_SYSTEM_CONFIG, .audit = "x", .any_mode = true },
    };
    int64_t version = 1;
    for (size_t i = 0; i < sizeof(emergencies) / sizeof(emergencies[0]); i++) {
        struct principal who = principal_of(emergencies[i].who);
        struct req r = { .who = &who, .now = 100, .local = emergencies[i].who == LOCAL,
                         .action = &actions[emergencies[i].what] };
        for (int m = 0; m < MODE_COUNT; m++) {
            bool passes = emergencies[i].passes[m];
            if (!mode_refuses((enum mode)m, &r) != passes)
                fail_msg("row %zu in mode %s", i, mode_name((enum mode)m));
            mode_learn((enum mode)m, ++version);
            r.err = OK;
            assert_int_equal(gate_emergency(&r), passes ? NEXT : DENY);
            assert_int_equal(r.err, passes ? OK : ERR_EMERGENCY);
        }
    }
    mode_learn(MODE_NORMAL, ++version);
}

static void the_glass_is_told_of_whatever_it_opens(void **state)
{
    (void)state;
    struct principal who = principal_of(GLASS);
    struct action read = { .permit = PERMIT_TASK_READ }, health = { .permit = PERMIT_ANYONE,
                                                                    .any_mode = true },
                  open_to_all = { .permit = PERMIT_ANYONE }, mode = { .permit = PERMIT_SYSTEM_CONFIG,
                                                                      .any_mode = true };
    struct req r = { .who = &who, .now = 100, .action = &read };
    assert_true(break_glass_used(&r));
    r.action = &open_to_all;
    assert_true(break_glass_used(&r));
    r.action = &mode;
    assert_true(break_glass_used(&r));
    r.action = &health;
    assert_false(break_glass_used(&r));
    r.action = &read;
    r.now = 101;
    assert_false(break_glass_used(&r));
    r.who = NULL;
    assert_false(break_glass_open(&r));
}

static void media_without_a_rule_are_refused(void **state)
{
    (void)state;
    struct facts facts = { 0 };
    struct resource plain = { 0 }, media = { .media = true };
    struct req r = { .facts = &facts, .resource = &plain };
    assert_int_equal(gate_media(&r), NEXT);
    r.resource = &media;
    assert_int_equal(gate_media(&r), DENY);
    arena_reset(&r.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(permissions),
        cmocka_unit_test(every_permission_has_its_own_bit),
        cmocka_unit_test(contexts),
        cmocka_unit_test(modes),
        cmocka_unit_test(the_glass_is_told_of_whatever_it_opens),
        cmocka_unit_test(media_without_a_rule_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
