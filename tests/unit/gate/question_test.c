/* What is asked, from the name of an action: the permission, how far the grant path must lead, and the class in which
 * it counts. */
#include "gate/decide.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct action actions[] = {
    { GET, "/things/{id}", .permit = PERMIT_TASK_READ },
    { GET, "/things", .permit = PERMIT_AGENT_READ },
    { DELETE, "/things/{id}/parts", .permit = PERMIT_AGENT_DELETE },
    { POST, "/things/{id}", .permit = PERMIT_AGENT_CREATE },
    { POST, "/things", .permit = PERMIT_TASK_CREATE },
    { POST, "/things/{id}/copy", .permit = PERMIT_AGENT_CREATE },
    { PATCH, "/things", .permit = PERMIT_AGENT_UPDATE },
    { PATCH, "/things/{id}", .permit = PERMIT_TASK_UPDATE },
};

static void questions(void **state)
{
    (void)state;
    static const struct resource res = { .noun = "thing", RESOURCE_ACTIONS(actions) };
    static const struct {
        const char *name;
        bool is;
        enum permit permit;
        enum access access;
        bool changes;
    } rows[] = {
        { "read", true, PERMIT_TASK_READ, ACCESS_READ, false },
        { "create", true, PERMIT_TASK_CREATE, ACCESS_CREATE, true },
        { "update", true, PERMIT_TASK_UPDATE, ACCESS_WRITE, true },
        { "write", true, PERMIT_TASK_UPDATE, ACCESS_WRITE, true },
        { "share", true, PERMIT_TASK_UPDATE, ACCESS_SHARE, true },
        { "admin", true, PERMIT_TASK_UPDATE, ACCESS_ADMIN, true },
        { .name = "delete", .is = false }, /* no row of it is ever deleted */
        { .name = "paint", .is = false },
        { .name = "", .is = false },
        { "startup:read", true, PERMIT_STARTUP_READ, ACCESS_READ, false },
        { "startup:update", true, PERMIT_STARTUP_UPDATE, ACCESS_WRITE, true },
        { "startup:delete", true, PERMIT_STARTUP_DELETE, ACCESS_DELETE, true },
        { "users:manage", true, PERMIT_USERS_MANAGE, ACCESS_READ, false },
        { .name = "startup:paint", .is = false },
        { .name = "read:startup", .is = false },
        { .name = ":", .is = false },
    };
    for (int i = 0; i < COUNT(rows); i++) {
        struct question q = { .changes = !rows[i].changes };
        if (question_of(&res, str_of(rows[i].name), &q) != rows[i].is)
            fail_msg("%s", rows[i].name);
        if (rows[i].is && (q.permit != rows[i].permit || q.access != rows[i].access ||
                           q.changes != rows[i].changes))
            fail_msg("%s: %s, %s, %d", rows[i].name, permit_name(q.permit), access_name(q.access),
                     q.changes);
    }
}

/* Actions that need of the row what no verb of theirs says. */
static const struct action held[] = {
    { GET, "/things/{id}", .permit = PERMIT_TASK_READ, .access = ACCESS_SHARE, .rate = RATE_ML },
    { POST, "/things", .permit = PERMIT_TASK_CREATE, .access = ACCESS_ADMIN, .rate = RATE_ML },
    { PATCH, "/things/{id}", .permit = PERMIT_TASK_UPDATE, .access = ACCESS_DELETE, .rate = RATE_TEMPLATE },
    { DELETE, "/things/{id}", .permit = PERMIT_TASK_DELETE, .access = ACCESS_READ, .rate = RATE_ADMIN },
};

/* A verb of the API needs what its action needs, a rung of the ladder just itself; of another's permission there is no
 * action here. */
static void an_action_says_what_it_needs(void **state)
{
    (void)state;
    static const struct resource res = { .noun = "thing", RESOURCE_ACTIONS(held) };
    static const struct {
        const char *name;
        enum access access;
        enum rate rate;
    } rows[] = {
        { "read", ACCESS_SHARE, RATE_ML },
        { "create", ACCESS_ADMIN, RATE_ML },
        { "update", ACCESS_DELETE, RATE_TEMPLATE },
        { "delete", ACCESS_READ, RATE_ADMIN },
        { "write", ACCESS_WRITE, RATE_TEMPLATE },
        { "share", ACCESS_SHARE, RATE_TEMPLATE },
        { "admin", ACCESS_ADMIN, RATE_TEMPLATE },
        { "task:update", ACCESS_DELETE, RATE_TEMPLATE },
        { "startup:update", ACCESS_WRITE, RATE_DEFAULT },
        { "startup:read", ACCESS_READ, RATE_DEFAULT },
        { "users:manage", ACCESS_READ, RATE_DEFAULT },
    };
    for (int i = 0; i < COUNT(rows); i++) {
        struct question q = { .res = &res };
        assert_true(question_of(&res, str_of(rows[i].name), &q));
        if (q.access != rows[i].access || q.rate != rows[i].rate)
            fail_msg("%s: %s, class %d", rows[i].name, access_name(q.access), q.rate);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(questions),
        cmocka_unit_test(an_action_says_what_it_needs),
    };
    return cmocka_run_group_tests_name("gate/question", tests, NULL, NULL);
}
