/* Gates 2 and 4 as tables: pure functions over the request and who asks. */
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(permissions),
        cmocka_unit_test(every_permission_has_its_own_bit),
        cmocka_unit_test(contexts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
