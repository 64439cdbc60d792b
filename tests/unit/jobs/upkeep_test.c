/* What nobody can use any more goes; what somebody can, stays. */
#include "../store/fixture.h"

#include "gate/keyring.h"
#include "jobs/jobs.h"

#include "../../../src/jobs/each.h"

#define USER "x'01980000000070008000000000000001'"

__attribute__((format(printf, 2, 3))) static void row(const struct fixture *f, const char *format, ...)
{
    char text[500];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    sql(f, text);
}

static void make_rows(const struct fixture *f, int64_t now)
{
    row(f, "insert into users (id, email, password_hash, role, status, token_version, metadata, version, created_at, updated_at)"
           " values (" USER ", 'a@b.c', '', 'user', 'active', 1, '{}', 1, %lld, 0)", (long long)now);
    row(f, "insert into idempotency values (" USER ", 'old', x'00', 200, null, null, 1, %lld)", (long long)(now - 25 * HOUR));
    row(f, "insert into idempotency values (" USER ", 'new', x'00', 200, null, null, 1, %lld)", (long long)(now - 23 * HOUR));
    row(f, "insert into sessions values (randomblob(16), " USER ", '', 'old', %lld, null, 1, 0, 0)", (long long)(now - 8 * DAY));
    row(f, "insert into sessions values (randomblob(16), " USER ", '', 'ended', %lld, null, 1, 0, 0)", (long long)(now - 6 * DAY));
    row(f, "insert into refresh_tokens select randomblob(32), id, 0, 0, %lld, x'aa' from sessions", (long long)(now - 11 * SECOND));
    row(f, "insert into refresh_tokens select randomblob(32), id, 0, 0, %lld, x'bb' from sessions", (long long)(now - 2 * SECOND));
}

static void old_rows_go_and_others_stay(void **state)
{
    struct fixture *f = *state;
    struct keyring *ring = keyring_new(f->store, STR("0123456789012345678901234567890123456789"));
    const struct jobs_setup use = { .store = f->store, .keyring = ring };
    clock_tick();
    make_rows(f, clock_wall());
    upkeep_run(&use);
    assert_true(upkeep_busy());
    settle();
    assert_false(upkeep_busy());

    assert_int_equal(sql(f, "select count(*) from idempotency where key = 'old'"), 0);
    assert_int_equal(sql(f, "select count(*) from idempotency where key = 'new'"), 1);
    assert_int_equal(sql(f, "select count(*) from sessions where user_agent = 'old'"), 0);
    assert_int_equal(sql(f, "select count(*) from sessions where user_agent = 'ended'"), 1);
    assert_int_equal(sql(f, "select count(*) from refresh_tokens"), 2); /* the old session took its own with it */
    assert_int_equal(sql(f, "select count(*) from refresh_tokens where successor = x'aa'"), 0);
    assert_int_equal(sql(f, "select count(*) from refresh_tokens where successor = x'bb'"), 1);
    upkeep_fini();
    keyring_free(ring);
}

/* A purge of keys would make every worker read them again. */
static void keys_are_left_alone_while_none_has_ended(void **state)
{
    struct fixture *f = *state;
    struct keyring *ring = keyring_new(f->store, STR("0123456789012345678901234567890123456789"));
    const struct jobs_setup use = { .store = f->store, .keyring = ring };
    struct epochs keys = { 0 };
    epochs_add(&keys, EPOCH_KEYS, NULL, 0);
    upkeep_run(&use);
    settle();
    assert_true(epochs_fresh(&keys));
    upkeep_fini();
    keyring_free(ring);
}

static int set_up(void **state)
{
    static struct fixture f;
    fixture_make(&f);
    fixture_open(&f, NULL);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    fixture_close(*state);
    fixture_remove(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(old_rows_go_and_others_stay),
        cmocka_unit_test(keys_are_left_alone_while_none_has_ended),
    };
    return cmocka_run_group_tests_name("jobs/upkeep", tests, set_up, tear_down);
}
