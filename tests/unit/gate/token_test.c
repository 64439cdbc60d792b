/* The memory of verified tokens: it may forget, but never takes one token for another. */
#include "../base/unit.h"

#include "../../../src/gate/token.h"

#include <stdio.h>

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
        TEST(a_full_table_forgets_but_never_mixes_up),
    };
    return cmocka_run_group_tests_name("gate/token", tests, NULL, NULL);
}
