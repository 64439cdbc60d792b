/* Gate 9 as a table: who may do what in which mode; and how the row that holds the mode is read. */
#include "gate/emergency.h"
#include "gate/facts.h"

#include "base/log.h"
#include "gen/stmt.h"

#include "../../../src/store/result.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

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

/* ---- the row ---- */

static const struct {
    const char *says;
    enum err found;
    const char *mode; /* NULL: no row */
    int64_t version;
    enum err err;
    enum mode now; /* afterwards; it was degraded in version 5 */
    bool logged;
} taken[] = {
    { "a newer one", OK, "lockdown", 6, OK, MODE_LOCKDOWN, false },
    { "an older one", OK, "lockdown", 4, OK, MODE_DEGRADED, false },
    { "the first version", OK, "normal", 1, OK, MODE_DEGRADED, false },
    { "no version", OK, "lockdown", 0, ERR_INVALID, MODE_DEGRADED, true },
    { "a version below none", OK, "lockdown", -1, ERR_INVALID, MODE_DEGRADED, true },
    { "a mode that is none", OK, "holiday", 6, ERR_INVALID, MODE_DEGRADED, true },
    { "no row", OK, NULL, 0, ERR_INVALID, MODE_DEGRADED, true },
    { "a store that fails", ERR_UNAVAILABLE, NULL, 0, ERR_UNAVAILABLE, MODE_DEGRADED, false },
};

static struct rows found_in(size_t i)
{
    struct rows rows = { .stmt = &stmt_mode_get };
    const struct value row[] = {
        [COL_MODE_GET_MODE] = { .type = VALUE_TEXT, .text = str_of(taken[i].mode) },
        [COL_MODE_GET_REASON] = { .type = VALUE_TEXT, .null = true },
        [COL_MODE_GET_SET_BY] = { .type = VALUE_UUID, .null = true },
        [COL_MODE_GET_SET_AT] = { .type = VALUE_TIME, .i = 1 },
        [COL_MODE_GET_VERSION] = { .type = VALUE_INT, .i = taken[i].version },
    };
    if (taken[i].mode)
        assert_int_equal(rows_add(&rows, row), OK);
    rows.err = taken[i].found;
    return rows;
}

static void the_mode_is_learnt_from_its_row(void **state)
{
    (void)state;
    int ends[2];
    static char part[64];
    assert_true(mode_size() <= sizeof(part));
    assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
    log_open(ends[1], LOG_INFO, LOG_JSON);
    for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
        char line[1000];
        memset(part, 0, sizeof(part));
        mode_init(part);
        mode_learn(MODE_DEGRADED, 5);
        struct rows rows = found_in(i);
        enum err err = mode_take(&rows);
        bool logged = read(ends[0], line, sizeof(line)) > 0;
        if (err != taken[i].err || mode_now() != taken[i].now || logged != taken[i].logged)
            fail_msg("%s: %s, %s", taken[i].says, err_info(err)->code, mode_name(mode_now()));
        rows_fini(&rows);
    }
    log_open(STDERR_FILENO, LOG_INFO, LOG_JSON);
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(modes),
        cmocka_unit_test(the_glass_is_told_of_whatever_it_opens),
        cmocka_unit_test(the_mode_is_learnt_from_its_row),
    };
    return cmocka_run_group_tests_name("gate/emergency", tests, NULL, NULL);
}
