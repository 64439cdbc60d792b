/* Gate 3 as a table: who, on what, how far, and by which path. */
#include "gate/facts.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define NOW 1000

#define ME { { 1 } }
#define OTHER { { 2 } }
#define CHIEF { { 3 } }
#define MINE { { 10 } }
#define FOREIGN { { 11 } }
#define PROJECT { { 20 } }
#define ABOVE { { 30 } }

static const struct uuid me = { { 1 } }, other = { { 2 } }, chief = { { 3 } }, mine = { { 10 } },
                         foreign = { { 11 } }, project = { { 20 } };

static const struct resource owned = { .owned = true }, common = { .owned = true, .common = true },
                             plain = { 0 }, team = { .owned = true, .team = true },
                             shared = { .owned = true, .shared = true };

/* One case: what the facts say, and how far `me` gets. */
static const struct {
    const char *says;
    const struct resource *res;
    struct uuid owner, project_owner;
    enum visibility visibility;
    struct grant grant;           /* nil: none */
    struct membership membership; /* nil: none */
    struct ancestor ancestor;     /* nil: none */
    enum access reach;
    const char *path;
    enum access nobody; /* how far somebody gets who is not signed in */
} rows[] = {
    { "one's own", &owned, ME, .reach = ACCESS_ADMIN, .path = "direct_ownership" },
    { "another's", &owned, OTHER },
    { "no owner is nobody", &owned, .reach = ACCESS_NONE },
    { "what only a permission guards", &plain, OTHER, .reach = ACCESS_ADMIN, .path = "permission",
      .nobody = ACCESS_ADMIN },
    { "what all may read", &common, OTHER, .reach = ACCESS_READ, .path = "public_access" },
    { "one's own of what all may read", &common, ME, .reach = ACCESS_ADMIN, .path = "direct_ownership" },
    { "in one's own project", &shared, OTHER, ME, .reach = ACCESS_ADMIN, .path = "project_ownership" },
    { "in another's private project", &shared, OTHER, CHIEF },
    { "a collaborator", &shared, OTHER, CHIEF, .grant = { ME, ACCESS_WRITE }, .reach = ACCESS_WRITE,
      .path = "project_collaboration" },
    { "somebody else is one", &shared, OTHER, CHIEF, .grant = { OTHER, ACCESS_ADMIN } },
    { "a team of a private project", &shared, OTHER, CHIEF, VISIBLE_PRIVATE, { MINE, ACCESS_NONE },
      { MINE, ACCESS_ADMIN } },
    { "a team", &shared, OTHER, CHIEF, VISIBLE_TEAMS, { MINE, ACCESS_NONE }, { MINE, ACCESS_SHARE },
      .reach = ACCESS_SHARE, .path = "team_membership" },
    { "a team that one is not in", &shared, OTHER, CHIEF, VISIBLE_TEAMS, { FOREIGN, ACCESS_NONE },
      { MINE, ACCESS_ADMIN } },
    { "the owner's other team, restricted", &shared, OTHER, CHIEF, VISIBLE_TEAMS,
      .membership = { CHIEF, ACCESS_WRITE } },
    { "the owner's other team, open", &shared, OTHER, CHIEF, VISIBLE_OWNERS_TEAMS,
      .membership = { CHIEF, ACCESS_WRITE }, .reach = ACCESS_WRITE, .path = "team_membership" },
    { "a team of a team_open project", &shared, OTHER, CHIEF, VISIBLE_OWNERS_TEAMS,
      { MINE, ACCESS_NONE }, { MINE, ACCESS_READ }, .reach = ACCESS_READ, .path = "team_membership" },
    { "an open one's other owner", &shared, OTHER, CHIEF, VISIBLE_OWNERS_TEAMS,
      .membership = { OTHER, ACCESS_ADMIN } },
    { "public to read", &shared, OTHER, CHIEF, VISIBLE_SIGNED_IN, .reach = ACCESS_READ,
      .path = "public_access" },
    { "public to all", &shared, OTHER, CHIEF, VISIBLE_ANYONE, .reach = ACCESS_READ,
      .path = "public_access", .nobody = ACCESS_READ },
    { "a visibility without a project", &owned, OTHER, .visibility = VISIBLE_ANYONE },
    { "derived from one's own", &shared, OTHER, CHIEF, .ancestor = { ABOVE, ME, true },
      .reach = ACCESS_READ, .path = "generation_inheritance" },
    { "derived from one's own elsewhere", &shared, OTHER, CHIEF, .ancestor = { ABOVE, ME, false } },
    { "derived from another's", &shared, OTHER, CHIEF, .ancestor = { ABOVE, OTHER, true } },
    { "the team itself", &team, OTHER, .membership = { PROJECT, ACCESS_CREATE }, .reach = ACCESS_CREATE,
      .path = "team_membership" },
    { "a team is not reached by its owner's others", &team, CHIEF, .membership = { CHIEF, ACCESS_ADMIN } },
};

static struct facts facts_of(size_t i)
{
    return (struct facts){
        .id = project,
        .owner = rows[i].owner,
        .project_owner = rows[i].project_owner,
        .shared = !uuid_nil(&rows[i].project_owner),
        .visibility = rows[i].visibility,
        .grants = &rows[i].grant,
        .ngrants = !uuid_nil(&rows[i].grant.to),
        .ancestors = &rows[i].ancestor,
        .nancestors = !uuid_nil(&rows[i].ancestor.id),
    };
}

static bool same(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static void paths(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct facts facts = facts_of(i);
        const struct principal who = {
            .kind = PRINCIPAL_USER,
            .user_id = me,
            .memberships = &rows[i].membership,
            .nmemberships = !uuid_nil(&rows[i].membership.of),
        };
        const struct principal nobody = { 0 };
        struct reach found = facts_reach(&who, rows[i].res, &facts, ACCESS_ADMIN, NOW);
        if (found.access != rows[i].reach || !same(found.path, rows[i].path))
            fail_msg("%s: %s by %s", rows[i].says, access_name(found.access), found.path);
        found = facts_reach(&nobody, rows[i].res, &facts, ACCESS_READ, NOW);
        if (found.access != rows[i].nobody)
            fail_msg("%s, nobody: %s", rows[i].says, access_name(found.access));
    }
}

/* A row's verdict for each access that can be asked for. */
static void ladder(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct facts facts = facts_of(i);
        const struct principal who = {
            .kind = PRINCIPAL_USER,
            .user_id = me,
            .memberships = &rows[i].membership,
            .nmemberships = !uuid_nil(&rows[i].membership.of),
        };
        for (int need = ACCESS_NONE; need <= ACCESS_ADMIN; need++) {
            struct reach reach;
            const char *reason = NULL;
            enum err err =
                judge_ownership(&who, rows[i].res, &facts, (enum access)need, NOW, &reach, &reason);
            enum err wanted = need == ACCESS_NONE                 ? ERR_NOT_FOUND
                              : (enum access)need <= rows[i].reach ? OK
                              : rows[i].reach >= ACCESS_READ       ? ERR_FORBIDDEN
                                                                   : ERR_NOT_FOUND;
            const char *why = err == OK              ? NULL
                              : need == ACCESS_NONE  ? "no access is asked for"
                              : err == ERR_FORBIDDEN ? "the grant path does not lead that far"
                                                     : "no grant path";
            if (err != wanted || !same(reason, why))
                fail_msg("%s, %s: %s", rows[i].says, access_name((enum access)need),
                         err_info(err)->code);
        }
    }
}

static void the_furthest_membership_counts(void **state)
{
    (void)state;
    const struct grant grants[] = { { mine, ACCESS_NONE },
                                    { foreign, ACCESS_NONE },
                                    { me, ACCESS_READ } };
    const struct membership memberships[] = { { chief, ACCESS_READ },
                                              { mine, ACCESS_CREATE },
                                              { foreign, ACCESS_WRITE } };
    const struct principal who = {
        .kind = PRINCIPAL_USER, .user_id = me, .memberships = memberships, .nmemberships = 3
    };
    struct facts facts = { .owner = other, .project_owner = chief, .shared = true,
                           .visibility = VISIBLE_OWNERS_TEAMS, .grants = grants, .ngrants = 3 };
    assert_int_equal(facts_reach(&who, &shared, &facts, ACCESS_ADMIN, NOW).access, ACCESS_WRITE);
    facts.ngrants = 1;
    assert_int_equal(facts_reach(&who, &shared, &facts, ACCESS_ADMIN, NOW).access, ACCESS_CREATE);
    facts.ngrants = 0;
    assert_int_equal(facts_reach(&who, &shared, &facts, ACCESS_ADMIN, NOW).access, ACCESS_READ);
}

/* Of several paths the first that leads far enough is named; if none does, the one that leads furthest. */
static void one_path_is_named(void **state)
{
    (void)state;
    const struct grant grants[] = { { mine, ACCESS_NONE }, { me, ACCESS_WRITE } };
    const struct membership membership = { mine, ACCESS_READ };
    const struct principal who = {
        .kind = PRINCIPAL_USER, .user_id = me, .memberships = &membership, .nmemberships = 1
    };
    const struct facts facts = { .owner = other, .project_owner = chief, .shared = true,
                                 .visibility = VISIBLE_ANYONE, .grants = grants, .ngrants = 2 };
    static const struct {
        enum access need, reach;
        const char *path;
    } named[] = {
        { ACCESS_NONE, ACCESS_READ, "team_membership" },
        { ACCESS_READ, ACCESS_READ, "team_membership" },
        { ACCESS_CREATE, ACCESS_WRITE, "project_collaboration" },
        { ACCESS_WRITE, ACCESS_WRITE, "project_collaboration" },
        { ACCESS_DELETE, ACCESS_WRITE, "project_collaboration" },
    };
    for (int i = 0; i < COUNT(named); i++) {
        struct reach found = facts_reach(&who, &shared, &facts, named[i].need, NOW);
        assert_int_equal(found.access, named[i].reach);
        assert_string_equal(found.path, named[i].path);
    }
}

static void grants_end_where_they_end(void **state)
{
    (void)state;
    const struct grant grants[] = { { other, ACCESS_READ }, { me, ACCESS_ADMIN } };
    const struct principal who = { .kind = PRINCIPAL_USER, .user_id = me };
    const struct facts facts = { .owner = other, .project_owner = chief, .shared = true,
                                 .grants = grants, .ngrants = 1 };
    assert_int_equal(facts_reach(&who, &shared, &facts, ACCESS_READ, NOW).access, ACCESS_NONE);
}

/* Whoever may not read a row because of an ancestor is not told that he may not write it either. */
static void a_refusal_does_not_tell_of_what_is_hidden(void **state)
{
    (void)state;
    const struct restraint hides = { .on = ABOVE, .owner = other, .until = NOW + 1,
                                     .accesses = (uint64_t)1 << ACCESS_READ };
    const struct grant grant = { me, ACCESS_READ };
    struct principal who = { .kind = PRINCIPAL_USER, .user_id = me };
    struct facts facts = { .owner = other, .project_owner = chief, .shared = true,
                           .grants = &grant, .ngrants = 1, .restraints = &hides };
    struct action action = { .access = ACCESS_WRITE };
    struct req r = {
        .who = &who, .facts = &facts, .resource = &shared, .action = &action, .now = NOW
    };
    assert_int_equal(gate_ownership(&r), DENY);
    assert_int_equal(r.err, ERR_FORBIDDEN);
    facts.nrestraints = 1;
    assert_int_equal(gate_ownership(&r), DENY);
    assert_int_equal(r.err, ERR_NOT_FOUND);
    action.access = ACCESS_READ;
    assert_int_equal(gate_ownership(&r), NEXT); /* that is for gate inheritance to refuse */
}

/* Nor whoever may not read what a medium hangs on. */
static void a_refusal_does_not_tell_of_a_hidden_medium(void **state)
{
    (void)state;
    static const struct resource media = { .owned = true, .shared = true, .media = true };
    const struct grant grant = { me, ACCESS_READ };
    const struct ancestor above = { { { 31 } }, other, true };
    struct principal who = { .kind = PRINCIPAL_USER, .user_id = me };
    struct facts facts = { .owner = other, .project_owner = chief, .shared = true,
                           .grants = &grant, .ngrants = 1, .ancestors = &above, .nancestors = 1 };
    struct action action = { .access = ACCESS_WRITE };
    struct req r = {
        .who = &who, .facts = &facts, .resource = &media, .action = &action, .now = NOW
    };
    assert_int_equal(gate_ownership(&r), DENY);
    assert_int_equal(r.err, ERR_FORBIDDEN);
    facts.nancestors = 0; /* it is not known what that is */
    assert_int_equal(gate_ownership(&r), DENY);
    assert_int_equal(r.err, ERR_NOT_FOUND);
}

static void hidden_is_absent_and_nobody_must_sign_in(void **state)
{
    (void)state;
    struct principal who = { .kind = PRINCIPAL_USER, .user_id = me };
    struct facts facts = { .owner = other };
    struct action action = { .access = ACCESS_READ };
    struct req r = { .who = &who, .facts = &facts, .resource = &owned, .action = &action };

    assert_int_equal(gate_ownership(&r), DENY);
    assert_int_equal(r.err, ERR_NOT_FOUND);
    facts.owner = me;
    assert_int_equal(gate_ownership(&r), NEXT);
    assert_int_equal(r.grant.access, ACCESS_ADMIN);
    assert_string_equal(r.grant.path, "direct_ownership");
    who = (struct principal){ 0 };
    assert_int_equal(gate_ownership(&r), DENY);
    assert_int_equal(r.err, ERR_NO_TOKEN);
    r.facts = NULL;
    assert_int_equal(gate_ownership(&r), NEXT);
}

static void what_lies_below_is_judged_by_what_is_above(void **state)
{
    (void)state;
    struct principal who = { .kind = PRINCIPAL_USER, .user_id = me };
    struct facts facts = { .owner = other };
    struct action action = { .access = ACCESS_READ };
    const struct resource below = { .under = &owned };
    struct req r = { .who = &who, .facts = &facts, .resource = &below, .action = &action };
    assert_int_equal(gate_ownership(&r), DENY);
}

/* Break-glass reads and writes what is another's, and goes no further. */
static void emergency_access(void **state)
{
    (void)state;
    struct principal who = { .kind = PRINCIPAL_USER, .user_id = me, .live = true, .expires = NOW + 9,
                             .permits = PERMIT_ALL, .break_glass_until = NOW + 1 };
    struct facts facts = { .owner = other };
    struct reach found = facts_reach(&who, &owned, &facts, ACCESS_WRITE, NOW);
    assert_int_equal(found.access, ACCESS_WRITE);
    assert_string_equal(found.path, "emergency_access");
    assert_int_equal(facts_reach(&who, &owned, &facts, ACCESS_DELETE, NOW).access, ACCESS_WRITE);
    assert_int_equal(facts_reach(&who, &owned, &facts, ACCESS_READ, NOW + 1).access, ACCESS_NONE);
    facts.owner = me;
    assert_string_equal(facts_reach(&who, &owned, &facts, ACCESS_READ, NOW).path,
                        "direct_ownership");
    facts.owner = other;
    who.permits = PERMIT_ALL & ~PERMIT_BIT(PERMIT_SYSTEM_CONFIG);
    assert_int_equal(facts_reach(&who, &owned, &facts, ACCESS_READ, NOW).access, ACCESS_NONE);
    who.permits = PERMIT_ALL;
    who.live = false;
    assert_int_equal(facts_reach(&who, &owned, &facts, ACCESS_READ, NOW).access, ACCESS_NONE);
    who.live = true;
    who.kind = PRINCIPAL_APIKEY;
    assert_int_equal(facts_reach(&who, &owned, &facts, ACCESS_READ, NOW).access, ACCESS_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths),
        cmocka_unit_test(ladder),
        cmocka_unit_test(the_furthest_membership_counts),
        cmocka_unit_test(one_path_is_named),
        cmocka_unit_test(grants_end_where_they_end),
        cmocka_unit_test(a_refusal_does_not_tell_of_what_is_hidden),
        cmocka_unit_test(a_refusal_does_not_tell_of_a_hidden_medium),
        cmocka_unit_test(hidden_is_absent_and_nobody_must_sign_in),
        cmocka_unit_test(what_lies_below_is_judged_by_what_is_above),
        cmocka_unit_test(emergency_access),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
