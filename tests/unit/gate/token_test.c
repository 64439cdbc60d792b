/* The memory of verified tokens: it may forget, but never takes one token for another. */
#include "../base/unit.h"

#include "../../../src/gate/token.h"

#include "base/hash.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#define NOW ((int64_t)1000000000)

static struct tokens *tokens;

static int set_up(void **state)
{
    (void)state;
    tokens = tokens_new();
    return tokens ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    tokens_free(tokens);
    return 0;
}

static struct claims claims_of(int64_t ver)
{
    return (struct claims){
        .ver = ver, .exp = NOW + 100, .role = STR("user"), .sid = { { (uint8_t)ver } }
    };
}

static struct str name(char *room, size_t n, int i)
{
    return (struct str){ room, (size_t)snprintf(room, n, "header.payload-%d.signature", i) };
}

static void what_was_kept_is_found(void **state)
{
    (void)state;
    struct claims kept = claims_of(7), found;
    assert_false(tokens_find(tokens, STR("a.b.c"), NOW, &found));
    tokens_keep(tokens, STR("a.b.c"), &kept);
    assert_true(tokens_find(tokens, STR("a.b.c"), NOW, &found));
    assert_int_equal(found.ver, 7);
    assert_int_equal(found.sid.b[0], 7);
    assert_str(found.role, "user");
    assert_ptr_not_equal(found.role.p, kept.role.p);
}

static void another_text_is_another_token(void **state)
{
    (void)state;
    struct claims kept = claims_of(7), found;
    tokens_keep(tokens, STR("a.b.c"), &kept);
    assert_false(tokens_find(tokens, STR("a.b.d"), NOW, &found));
    assert_false(tokens_find(tokens, STR("a.b.c."), NOW, &found));
    assert_false(tokens_find(tokens, STR("a.b."), NOW, &found));
    assert_false(tokens_find(tokens, STR(""), NOW, &found));
}

/* Whatever part of the text it is looked up by: another payload under the same signature is another token. */
static void one_that_ends_alike_is_another_token(void **state)
{
    (void)state;
#define SIGNATURE "SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c"
    struct claims kept = claims_of(7), found;
    tokens_keep(tokens, STR("header.payload." SIGNATURE), &kept);
    assert_true(tokens_find(tokens, STR("header.payload." SIGNATURE), NOW, &found));
    assert_false(tokens_find(tokens, STR("header.pay1oad." SIGNATURE), NOW, &found));
    assert_false(tokens_find(tokens, STR("header.payload2." SIGNATURE), NOW, &found));
    assert_false(tokens_find(tokens, STR(SIGNATURE), NOW, &found));
}

static void it_is_void_at_exp(void **state)
{
    (void)state;
    struct claims kept = claims_of(7), found;
    tokens_keep(tokens, STR("a.b.c"), &kept);
    assert_true(tokens_find(tokens, STR("a.b.c"), NOW + 99, &found));
    assert_false(tokens_find(tokens, STR("a.b.c"), NOW + 100, &found));
}

static void all_is_void_when_the_keys_moved(void **state)
{
    (void)state;
    struct claims kept = claims_of(7), found;
    tokens_keep(tokens, STR("a.b.c"), &kept);
    tokens_forget(tokens);
    assert_false(tokens_find(tokens, STR("a.b.c"), NOW, &found));
    tokens_keep(tokens, STR("a.b.c"), &kept);
    assert_true(tokens_find(tokens, STR("a.b.c"), NOW, &found));
}

static void a_long_one_is_not_kept(void **state)
{
    (void)state;
    static char text[513];
    struct claims kept = claims_of(7), found;
    memset(text, 'x', sizeof(text));
    tokens_keep(tokens, (struct str){ text, 513 }, &kept);
    assert_false(tokens_find(tokens, (struct str){ text, 513 }, NOW, &found));
    tokens_keep(tokens, (struct str){ text, 512 }, &kept);
    assert_true(tokens_find(tokens, (struct str){ text, 512 }, NOW, &found));
}

static void a_long_role_is_not_kept(void **state)
{
    (void)state;
    static const char role[] = "a role that has thirty-three bytes";
    struct claims kept = claims_of(7), found;
    kept.role = (struct str){ role, 33 };
    tokens_keep(tokens, STR("a.b.c"), &kept);
    assert_false(tokens_find(tokens, STR("a.b.c"), NOW, &found));
    kept.role.n = 32;
    tokens_keep(tokens, STR("a.b.c"), &kept);
    assert_true(tokens_find(tokens, STR("a.b.c"), NOW, &found));
    assert_bytes(found.role, (struct str){ role, 32 }, __FILE__, __LINE__);
}

/* Of a text that is short nothing is read before its beginning, which the sanitizer would see. */
static void a_short_one_is_read_within_its_bounds(void **state)
{
    (void)state;
    for (size_t n = 1; n <= 40; n++) {
        char *text = malloc(n);
        struct claims kept = claims_of((int64_t)n), found;
        assert_non_null(text);
        memset(text, 'x', n);
        tokens_keep(tokens, (struct str){ text, n }, &kept);
        assert_true(tokens_find(tokens, (struct str){ text, n }, NOW, &found));
        assert_int_equal(found.ver, n);
        free(text);
    }
}

#define SETS 4096
#define WAYS 4

/* Of a token that has so many characters: its end. */
static unsigned set_of(struct str token)
{
    return (unsigned)(hash_bytes(token.p + token.n - 16, 16) % SETS);
}

/* Texts that share one set of the table, so that they must share its ways. */
static void neighbours(char rooms[WAYS + 1][64])
{
    for (int i = 0, n = 0; n <= WAYS; i++) {
        char text[64];
        struct str all = name(text, sizeof(text), i);
        if (set_of(all) == 7)
            memcpy(rooms[n++], text, sizeof(text));
    }
}

static bool is_there(const char *text, int64_t now)
{
    struct claims found;
    return tokens_find(tokens, str_of(text), now, &found);
}

static void keep_until(const char *text, int64_t exp)
{
    struct claims kept = claims_of(1);
    kept.exp = exp;
    tokens_keep(tokens, str_of(text), &kept);
}

static void of_a_full_set_the_one_that_ends_first_goes(void **state)
{
    (void)state;
    char rooms[WAYS + 1][64];
    neighbours(rooms);
    for (int first = 0; first < WAYS; first++) {
        tokens_forget(tokens);
        for (int i = 0; i < WAYS; i++)
            keep_until(rooms[i], NOW + (i == first ? 1 : 50 + i));
        keep_until(rooms[WAYS], NOW + 20);
        for (int i = 0; i <= WAYS; i++)
            assert_int_equal(is_there(rooms[i], NOW), i != first);
    }
}

/* Kept again, it takes no second place: whoever else is there stays. */
static void one_that_is_kept_again_stays_where_it_is(void **state)
{
    (void)state;
    char rooms[WAYS + 1][64];
    neighbours(rooms);
    for (int i = 0; i < WAYS; i++)
        keep_until(rooms[i], NOW + 10 + i);
    for (int i = WAYS - 1; i >= 0; i--)
        keep_until(rooms[i], NOW + 100 + i);
    for (int i = 0; i < WAYS; i++)
        assert_true(is_there(rooms[i], NOW + 99));
    for (int last = 0; last < WAYS; last++) { /* even if another one ends before it */
        tokens_forget(tokens);
        for (int i = 0; i < WAYS; i++)
            keep_until(rooms[i], NOW + (i == last ? 50 : 10 + i));
        keep_until(rooms[last], NOW + 60);
        for (int i = 0; i < WAYS; i++)
            assert_true(is_there(rooms[i], NOW));
    }
}

/* Three times as many as there is room for. */
static void a_full_table_forgets_but_never_mixes_up(void **state)
{
    (void)state;
    enum { MANY = 49152 };
    char room[64];
    int left = 0;
    for (int i = 0; i < MANY; i++) {
        struct claims kept = claims_of(i);
        tokens_keep(tokens, name(room, sizeof(room), i), &kept);
    }
    for (int i = 0; i < MANY; i++) {
        struct claims found;
        if (!tokens_find(tokens, name(room, sizeof(room), i), NOW, &found))
            continue;
        assert_int_equal(found.ver, i);
        left++;
    }
    assert_in_range(left, 10000, 16384);
}

static void no_table_is_no_harm(void **state)
{
    (void)state;
    tokens_free(NULL);
#ifndef __SANITIZE_ADDRESS__ /* which needs all the address space there is */
    struct rlimit all, little = { 1 << 20, RLIM_INFINITY };
    assert_int_equal(getrlimit(RLIMIT_AS, &all), 0);
    little.rlim_max = all.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_AS, &little), 0);
    struct tokens *none = tokens_new();
    assert_int_equal(setrlimit(RLIMIT_AS, &all), 0);
    assert_null(none);
#endif
}

/* ---- what is freed ---- */

#define MARK "a token that shall not be found in memory that is free"

#ifdef __SANITIZE_ADDRESS__

static void what_is_freed_holds_no_token(void **state)
{
    (void)state;
    skip(); /* free() is the sanitizer's own */
}

#else

extern void __libc_free(void *p);
static bool watching, found_free;
static int number;

/* In the place of the library's: looks for tokens in what is given back. */
void free(void *p)
{
    if (watching && p)
        found_free = found_free || memmem(p, malloc_usable_size(p), MARK, sizeof(MARK) - 1);
    __libc_free(p);
}

/* Keeps a token in that set. */
static void keep_in(unsigned set)
{
    struct claims claims = claims_of(1);
    for (number++;; number++) {
        char room[120];
        struct str token = { room, (size_t)snprintf(room, sizeof(room), "%s %032d", MARK, number) };
        if (set_of(token) != set)
            continue;
        tokens_keep(tokens, token, &claims);
        return;
    }
}

static void what_is_freed_holds_no_token(void **state)
{
    static const unsigned sets[] = { 0, 1, SETS - 1 };
    for (size_t i = 0; i < COUNT(sets); i++)
        for (int ways = 1; ways <= WAYS; ways++) { /* the first, then each */
            tear_down(state);
            set_up(state);
            for (int way = 0; way < ways; way++)
                keep_in(sets[i]);
            found_free = false;
            watching = true;
            tokens_free(tokens);
            watching = false;
            tokens = NULL;
            assert_false(found_free);
        }
    char *seen = strdup(MARK); /* it would be found */
    watching = true;
    free(seen);
    watching = false;
    assert_true(found_free);
}

#endif

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(what_was_kept_is_found),
        TEST(another_text_is_another_token),
        TEST(one_that_ends_alike_is_another_token),
        TEST(it_is_void_at_exp),
        TEST(all_is_void_when_the_keys_moved),
        TEST(a_long_one_is_not_kept),
        TEST(a_long_role_is_not_kept),
        TEST(a_short_one_is_read_within_its_bounds),
        TEST(of_a_full_set_the_one_that_ends_first_goes),
        TEST(one_that_is_kept_again_stays_where_it_is),
        TEST(no_table_is_no_harm),
        TEST(what_is_freed_holds_no_token),
        TEST(a_full_table_forgets_but_never_mixes_up),
    };
    return cmocka_run_group_tests_name("gate/token", tests, NULL, NULL);
}
