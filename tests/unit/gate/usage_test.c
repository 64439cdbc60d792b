/* When keys were last used: once a minute for each, whatever else is being written meanwhile. */
#include "../store/fixture.h"

#include "../../../src/gate/usage.h"

#include "base/hash.h"

#define OTHERS 40 /* more than one change holds */

static struct fixture f;
static int64_t turn = 1000 * DAY; /* no test meets the minutes of another */

static void make_key(int64_t n)
{
    char text[400];
    struct uuid id = id_of(n);
    char hex[33];
    for (int i = 0; i < 16; i++)
        snprintf(hex + 2 * (size_t)i, 3, "%02x", id.b[i]);
    snprintf(
        text, sizeof(text),
        "insert into api_keys (id, owner_id, name, public, hash, scopes, metadata, version, created_at, "
        "updated_at) values (x'%s', (select id from users), 'k', 'k%lld', x'00', '[]', '{}', 1, 0, 0)",
        hex, (long long)n);
    sql(&f, text);
}

static int64_t used(int64_t n)
{
    char text[200];
    snprintf(text, sizeof(text),
             "select coalesce(last_used_at, 0) from api_keys where public = 'k%lld'", (long long)n);
    return sql(&f, text);
}

static void note(int64_t n, int64_t now)
{
    struct uuid id = id_of(n);
    usage_note(f.store, &id, now);
}

static int set_up(void **state)
{
    (void)state;
    fixture_make(&f);
    fixture_open(&f, NULL);
    clock_tick();
    turn += DAY;
    sql(&f,
        "insert into users (id, email, password_hash, role, status, token_version, metadata, version, "
        "created_at, updated_at) values (x'07000000000000000000000000000001', 'a@example.com', 'x', 'user', "
        "'active', 1, '{}', 1, 0, 0)");
    for (int64_t n = 1; n <= OTHERS; n++)
        make_key(n);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    settle();
    fixture_close(&f);
    fixture_remove(&f);
    return 0;
}

static void a_use_is_written(void **state)
{
    (void)state;
    note(1, turn);
    settle();
    assert_int_equal(used(1), turn);
    assert_int_equal(used(2), 0);
}

static void within_a_minute_it_is_not_written_again(void **state)
{
    (void)state;
    note(1, turn);
    settle();
    note(1, turn + MINUTE - 1);
    settle();
    assert_int_equal(used(1), turn);
    note(1, turn + MINUTE);
    settle();
    assert_int_equal(used(1), turn + MINUTE);
}

/* What comes while a write is under way goes with the next one. */
static void what_comes_meanwhile_is_written_after_it(void **state)
{
    (void)state;
    for (int64_t n = 1; n <= 1 + CHANGE_MAX; n++)
        note(n, turn);
    settle();
    for (int64_t n = 1; n <= 1 + CHANGE_MAX; n++)
        assert_int_equal(used(n), turn);
}

/* What has no room is left to the next use, even of the same minute. */
static void what_has_no_room_is_left_to_the_next_use(void **state)
{
    (void)state;
    for (int64_t n = 1; n <= OTHERS; n++)
        note(n, turn);
    settle();
    assert_int_equal(used(1 + CHANGE_MAX), turn);
    assert_int_equal(used(2 + CHANGE_MAX), 0);
    note(2 + CHANGE_MAX, turn + 1);
    settle();
    assert_int_equal(used(2 + CHANGE_MAX), turn + 1);
}

static void the_last_one_that_waits_is_written_too(void **state)
{
    (void)state;
    note(1, turn);
    note(2, turn);
    settle();
    assert_int_equal(used(1), turn);
    assert_int_equal(used(2), turn);
}

static void what_is_written_holds_no_memory(void **state)
{
    (void)state;
    size_t held = 0;
    for (int i = 0; i < 20; i++) {
        turn += MINUTE;
        for (int64_t n = 1; n <= CHANGE_MAX; n++)
            note(n, turn);
        settle();
        if (i == 0)
            held = arena_held();
    }
    assert_int_equal(arena_held(), held);
}

/* ---- what is remembered: sets of four keys ---- */

#define SETS 1024
#define WAYS 4

/* The first key from `from` on that belongs to the set. */
static int64_t key_in(unsigned set, int64_t from)
{
    for (;; from++) {
        struct uuid id = id_of(from);
        if (hash_bytes(id.b, sizeof(id.b)) % SETS == set)
            return from;
    }
}

static void note_new(int64_t n, int64_t at)
{
    make_key(n);
    note(n, at);
    settle();
    assert_int_equal(used(n), at);
}

/* Whether a further use of its minute is not written. */
static bool remembered(int64_t n, int64_t at)
{
    sql(&f, "update api_keys set last_used_at = null");
    note(n, at);
    settle();
    return used(n) == 0;
}

static void of_a_full_set_the_oldest_is_forgotten(void **state)
{
    (void)state;
    const unsigned set = 77;
    for (int oldest = 0; oldest < WAYS; oldest++) {
        int64_t n[WAYS + 1], beside = key_in(set + 1, 1000 + oldest * 100000), from = beside + 1;
        turn += DAY;
        note_new(beside, turn - 2); /* older still, but of another set */
        for (int i = 0; i <= WAYS; i++, from = n[i - 1] + 1)
            n[i] = key_in(set, from);
        for (int i = 0; i < WAYS; i++)
            note_new(n[i], i == oldest ? turn - 1 : turn + i);
        note_new(n[WAYS], turn + WAYS);
        assert_true(remembered(beside, turn + 10));
        for (int i = 0; i <= WAYS; i++)
            if (i != oldest)
                assert_true(remembered(n[i], turn + 10));
        assert_false(remembered(n[oldest], turn + 10));
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_use_is_written),
        TEST(within_a_minute_it_is_not_written_again),
        TEST(what_comes_meanwhile_is_written_after_it),
        TEST(what_has_no_room_is_left_to_the_next_use),
        TEST(the_last_one_that_waits_is_written_too),
        TEST(what_is_written_holds_no_memory),
        TEST(of_a_full_set_the_oldest_is_forgotten),
    };
    return cmocka_run_group_tests_name("gate/usage", tests, NULL, NULL);
}
