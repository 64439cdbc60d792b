/* What nobody can use any more goes; what somebody can, stays. */
#include "../store/fixture.h"

#include "gate/keyring.h"
#include "jobs/jobs.h"

#include "../../../src/jobs/each.h"

#define USER "x'01980000000070008000000000000001'"

static const char add_user[] =
    "insert into users (id, email, password_hash, role, status, token_version, metadata, version, "
    "created_at, updated_at) values (" USER ", 'a@b.c', '', 'user', 'active', 1, '{}', 1, 0, 0)";

static void add_key(const struct fixture *f, const char *name, int64_t created_at)
{
    char text[300];
    snprintf(text, sizeof(text),
             "insert into idempotency values (" USER ", '%s', x'00', 200, null, null, 1, %lld)",
             name, (long long)created_at);
    sql(f, text);
}

static void add_session(const struct fixture *f, const char *agent, int64_t expires_at)
{
    char text[300];
    snprintf(text, sizeof(text),
             "insert into sessions values (randomblob(16), " USER
             ", '', '%s', %lld, null, 1, 0, 0)",
             agent, (long long)expires_at);
    sql(f, text);
}

/* To each session a refresh token that has been used. */
static void add_tokens(const struct fixture *f, const char *successor, int64_t used_at)
{
    char text[300];
    snprintf(
        text, sizeof(text),
        "insert into refresh_tokens select randomblob(32), id, 0, 0, %lld, x'%s' from sessions",
        (long long)used_at, successor);
    sql(f, text);
}

static void make_rows(const struct fixture *f, int64_t now)
{
    sql(f, add_user);
    add_key(f, "old", now - 25 * HOUR);
    add_key(f, "new", now - 23 * HOUR);
    add_session(f, "old", now - 8 * DAY);
    add_session(f, "ended", now - 6 * DAY);
    add_tokens(f, "aa", now - 11 * SECOND);
    add_tokens(f, "bb", now - 2 * SECOND);
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
