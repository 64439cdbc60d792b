/* What a proxy says was asked for, and the rule that decides: tables of spellings, and the look-up on a store. */
#include "../store/fixture.h"

#include "cache/cache.h"
#include "gate/upstream.h"

#include "../base/nomem.h"

static struct arena arena;

/* ---- what was asked for ---- */

static const struct {
    const char *uri;
    const char *path; /* NULL: refused */
} uris[] = {
    { "/", "/" },
    { "/a/b", "/a/b" },
    { "/a/b/", "/a/b/" },
    { "/a?b=/../c", "/a" },
    { "/%61dmin", "/admin" },
    { "/a%20b", "/a b" },
    { "/%C3%A4", "/\xc3\xa4" },
    { "/a;x=1/b", "/a;x=1/b" },
    { "/%30%39", "/09" },
    { "/%4a%4f", "/JO" },
    { "/%4A%4F", "/JO" },
    { "/~a", "/~a" },
    { "/...", "/..." },
    { "/a%3Fb", "/a?b" },
    { "", NULL },
    { "a", NULL },
    { "*", NULL },
    { "?a", NULL },
    { "http://example.com/a", NULL },
    { "//a", NULL },
    { "//", NULL },
    { "/a//b", NULL },
    { "/a//", NULL },
    { "/.", NULL },
    { "/..", NULL },
    { "/a/../b", NULL },
    { "/a/./b", NULL },
    { "/a/..", NULL },
    { "/a/..;/b", NULL },
    { "/a/.;x/b", NULL },
    { "/a/%2e%2e/b", NULL },
    { "/a/.%2E", NULL },
    { "/a%2fb", NULL },
    { "/a%2Fb", NULL },
    { "/a%5cb", NULL },
    { "/a\\b", NULL },
    { "/a%252fb", NULL },
    { "/a%00b", NULL },
    { "/a%0ab", NULL },
    { "/a\tb", NULL },
    { "/a%7f", NULL },
    { "/a%", NULL },
    { "/a%4", NULL },
    { "/a%4g", NULL },
    { "/a%g4", NULL },
    { "/%g4%8f%bf%bf", NULL },
    { "/%4/", NULL },
    { "/%4:", NULL },
    { "/%4`", NULL },
    { "/%4@", NULL },
    { "/%4G", NULL },
    { "/a%1f", NULL },
    { "/a#b", NULL },
    { "/a%C3", NULL },
    { "/%ff", NULL },
};

static void one_spelling_of_a_path(void **state)
{
    (void)state;
    struct target t;
    for (int i = 0; i < COUNT(uris); i++) {
        bool read = target_read(&arena, STR("example.com"), STR("GET"), str_of(uris[i].uri), &t);
        if (read != (uris[i].path != NULL) || (read && !str_eq(t.path, str_of(uris[i].path))))
            fail_msg("%s", uris[i].uri);
    }
}

/* What stands behind it in the buffer is no part of it. */
static void a_path_ends_where_it_ends(void **state)
{
    (void)state;
    struct target t;
    static const char tail[] =
        "/%41aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    assert_false(target_read(&arena, STR("a"), STR("GET"), (struct str){ tail, 3 }, &t));
    assert_true(target_read(&arena, STR("a"), STR("GET"), (struct str){ "/a%41", 2 }, &t));
    assert_true(str_eq(t.path, STR("/a")));
}

static void memory_runs_out_anywhere(void **state)
{
    (void)state;
    struct target t;
    for (long n = 0;; n++) {
        arena_reset(&arena);
        arena_trim();
        nomem_after(n);
        bool read = target_read(&arena, STR("example.com"), STR("GET"), STR("/a"), &t);
        bool happened = nomem_happened();
        nomem_after(-1);
        assert_true(read == !happened);
        if (!happened)
            break;
    }
}

/* Texts of one letter. */
static struct str letters(size_t n, char letter)
{
    static char all[300];
    assert_true(n <= sizeof(all));
    memset(all, letter, n);
    return (struct str){ all, n };
}

static const struct {
    const char *host, *name; /* NULL: refused */
} hosts[] = {
    { "example.com", "example.com" }, { "Example.COM", "example.com" },
    { "example.com:8080", "example.com" }, { "example.com.", "example.com" },
    { "example.com.:80", "example.com" }, { "127.0.0.1:1", "127.0.0.1" },
    { "AZ.example", "az.example" }, { "a.", "a" }, { "a:65535", "a" },
    { "az09-_.b", "az09-_.b" }, { "[::1]", "[::1]" }, { "[::1]:443", "[::1]" },
    { "", NULL }, { "*", NULL }, { ".", NULL }, { ":80", NULL }, { "a:", NULL }, { "a:0", NULL },
    { "a:70000", NULL }, { "a:b", NULL }, { "a b", NULL }, { "a/b", NULL }, { "a..", NULL },
    { "a:65536", NULL }, { "a:80x", NULL }, { "[ab", NULL }, { "ab]", NULL }, { "[]", NULL }, { "[", NULL },
    { "[::-]", NULL }, { "[a_b]", NULL }, { "a`b", NULL }, { "a{b", NULL }, { "a;b", NULL }, { "a:b:80", NULL },
    { "[::1]:443x", NULL }, { "[::1]x", NULL }, { "a@b", NULL }, { "a,b", NULL },
};

static void one_spelling_of_a_host(void **state)
{
    (void)state;
    struct target t;
    for (int i = 0; i < COUNT(hosts); i++) {
        bool read = target_read(&arena, str_of(hosts[i].host), STR("GET"), STR("/"), &t);
        if (read != (hosts[i].name != NULL) || (read && !str_eq(t.host, str_of(hosts[i].name))))
            fail_msg("%s", hosts[i].host);
    }
}

static void methods_are_tokens(void **state)
{
    (void)state;
    struct target t;
    static const char *const good[] = { "GET", "DELETE", "PROPFIND", "M-SEARCH", "A", "AZ", "A-B" };
    static const char *const bad[] = {
        "", "get", "GET ", "G\tT", "-A", "POST,GET", "1", "A@", "A["
    };
    for (int i = 0; i < COUNT(good); i++)
        assert_true(target_read(&arena, STR("a"), str_of(good[i]), STR("/"), &t));
    for (int i = 0; i < COUNT(bad); i++)
        assert_false(target_read(&arena, STR("a"), str_of(bad[i]), STR("/"), &t));
    assert_true(rule_method(letters(32, 'A')));
    assert_false(rule_method(letters(33, 'A')));
    assert_true(target_read(&arena, STR("a"), STR("HEAD"), STR("/"), &t));
    assert_true(str_eq(t.method, STR("GET")));
}

/* ---- what a rule may say ---- */

static void rules_are_written_plainly(void **state)
{
    (void)state;
    static const char *const paths[] = { "/", "/a", "/a/", "/a*", "/*", "/a b/\xc3\xa4" };
    static const char *const no_paths[] = { "",      "a",     "*",    "/a*b",  "/a/**", "/a//b", "/../a",
                                            "/a/./", "/a?b", "/a%20", "/a\\b", "/a#",   "/a\x01", "/\xff",
                                            "/a\x1f", "/a\x7f", "?*" };
    for (int i = 0; i < COUNT(paths); i++)
        assert_true(rule_path(str_of(paths[i])));
    for (int i = 0; i < COUNT(no_paths); i++)
        if (rule_path(str_of(no_paths[i])))
            fail_msg("%s", no_paths[i]);
    assert_true(rule_host(letters(253, 'a')));
    assert_false(rule_host(letters(254, 'a')));
    assert_true(rule_host(STR("*")) && rule_host(STR("a.example")) && rule_host(STR("[::1]")));
    assert_false(rule_host(STR("")) || rule_host(STR("A")) || rule_host(STR("*.a")) ||
                 rule_host(STR("a.")) || rule_host(STR("a:80")) || rule_host(STR("[a")) ||
                 rule_host(STR("[]")) || rule_host(STR("a]")));
    assert_false(rule_method(STR("HEAD")));
    assert_int_equal(rule_permit(STR("anyone")), PERMIT_ANYONE);
    assert_int_equal(rule_permit(STR("signed-in")), PERMIT_SIGNED_IN);
    assert_int_equal(rule_permit(STR("startup:read")), PERMIT_STARTUP_READ);
    assert_int_equal(rule_permit(STR("none")), PERMIT_NONE);
    assert_int_equal(rule_permit(STR("")), PERMIT_NONE);
    assert_int_equal(rule_rate(STR("admin")), RATE_ADMIN);
    assert_int_equal(rule_rate(STR("none")), RATE_NONE);
    assert_int_equal(rule_rate(STR("no such")), RATE_COUNT);
}

static const struct {
    const char *rule, *path;
    bool fits;
} fits[] = {
    { "/", "/", true },          { "/", "/a/b", true },       { "/a", "/a", true },
    { "/a", "/a/", false },      { "/a", "/ab", false },      { "/a/", "/a", true },
    { "/a/", "/a/", true },      { "/a/", "/a/b", true },     { "/a/", "/ab", false },
    { "/a*", "/a", true },       { "/a*", "/abc/d", true },   { "/a*", "/b", false },
    { "/*", "/", true },         { "/a/*", "/a", false },     { "/a", "/A", false },
};

static void paths_fit(void **state)
{
    (void)state;
    for (int i = 0; i < COUNT(fits); i++)
        if ((rule_fits(str_of(fits[i].rule), str_of(fits[i].path)) > 0) != fits[i].fits)
            fail_msg("%s %s", fits[i].rule, fits[i].path);
    assert_true(rule_fits(STR("/a"), STR("/a")) > rule_fits(STR("/a/"), STR("/a")));
    assert_true(rule_fits(STR("/a/"), STR("/a/b")) > rule_fits(STR("/a*"), STR("/a/b")));
    assert_true(rule_fits(STR("/a/b*"), STR("/a/b")) > rule_fits(STR("/a/"), STR("/a/b")));
    assert_true(rule_fits(STR("/*"), STR("/a")) > rule_fits(STR("/"), STR("/a")));
    assert_true(rule_fits(STR("/a/"), STR("/a")) > rule_fits(STR("/a*"), STR("/a")));
}

/* ---- the look-up ---- */

static struct fixture f;
static struct cache *cache;

struct asking {
    struct req r;
    struct rule_look look;
    enum verdict v;
};

static void went_on(struct wait *w)
{
    struct asking *a = (struct asking *)(void *)LIST_OF(w, struct req, wait);
    a->v = rule_again(&a->r, &a->look);
}

static struct asking *asks_for(const char *host, const char *method, const char *uri)
{
    struct asking *a = calloc(1, sizeof(*a));
    struct target t;
    assert_non_null(a);
    clock_tick();
    a->r.store = f.store;
    a->r.cache = cache;
    wait_init(&a->r.wait, went_on);
    assert_true(target_read(&a->r.arena, str_of(host), str_of(method), str_of(uri), &t));
    a->v = rule_begin(&a->r, &a->look, &t);
    return a;
}

static void end(struct asking *a)
{
    assert_null(a->r.filling.key.p);
    assert_int_equal(a->r.found.count, 0);
    assert_false(a->look.asked);
    rows_fini(&a->r.found);
    arena_reset(&a->r.arena);
    free(a);
}

/* The priority of the rule that decides is its name here; 0: none does. */
static void expect(const char *host, const char *method, const char *uri, int rule)
{
    struct asking *a = asks_for(host, method, uri);
    settle();
    assert_int_equal(a->v, NEXT);
    assert_int_equal(a->look.err, OK);
    assert_int_equal(a->look.found, rule != 0);
    int found = a->look.found ? a->look.rule.id.b[15] : 0;
    if (found != rule)
        fail_msg("%s %s%s: rule %d, not %d", method, host, uri, found, rule);
    end(a);
}

static void add(int id, const char *host, const char *path, const char *methods, const char *permit,
                int priority, const char *status)
{
    char text[600];
    snprintf(
        text, sizeof(text),
        "insert into upstreams values (x'0190a1b2c3d47e5f8a6b7c8d9e0f1a%02x', '%s', '%s', '%s', "
        "'%s', 'default', %d, '%s', '{}', 1, %d, 0)",
        (unsigned)id, host, path, methods, permit, priority, status, id);
    sql(&f, text);
    epoch_bump(EPOCH_UPSTREAMS, NULL, 0);
}

static int set_up(void **state)
{
    (void)state;
    fixture_make(&f);
    fixture_open(&f, NULL);
    cache = cache_new(&(struct cache_setup){ .max_bytes = 1 << 20 });
    assert_non_null(cache);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    cache_free(cache);
    fixture_close(&f);
    fixture_remove(&f);
    return 0;
}

static void without_rules_none_decides(void **state)
{
    (void)state;
    expect("a", "GET", "/", 0);
    expect("a", "GET", "/", 0); /* nor from memory */
}

static void the_most_specific_rule_decides(void **state)
{
    (void)state;
    add(1, "*", "/", "[]", "signed-in", 0, "active");
    add(2, "*", "/a/", "[]", "signed-in", 0, "active");
    add(3, "b", "/", "[]", "signed-in", 0, "active");
    add(4, "*", "/a/", "[\"GET\",\"PUT\"]", "signed-in", 0, "active");
    add(5, "*", "/a/x", "[]", "signed-in", 0, "active");
    add(6, "*", "/a/y/", "[]", "anyone", 0, "paused");
    add(7, "*", "/p", "[]", "signed-in", 1, "active");
    add(8, "*", "/p", "[]", "signed-in", 2, "active");
    add(9, "*", "/p", "[]", "signed-in", 2, "active");
    expect("a", "GET", "/z", 1);
    expect("a", "POST", "/a/z", 2);
    expect("b", "GET", "/a/x", 3); /* the host before the path */
    expect("a", "GET", "/a/z", 4);
    expect("a", "HEAD", "/a/z", 4);
    expect("a", "GET", "/a/x", 5); /* the path before the method */
    expect("a", "GET", "/a/y/z", 4);
    expect("a", "GET", "/p", 8); /* then the priority, then the oldest */
}

static void a_permission_that_is_none_lets_nobody_through(void **state)
{
    (void)state;
    add(10, "none", "/", "[]", "no:such", 0, "active");
    struct asking *a = asks_for("none", "GET", "/");
    settle();
    assert_true(a->look.found);
    assert_int_equal(a->look.rule.permit, PERMIT_NONE);
    end(a);
}

static void a_rule_says_what_it_needs(void **state)
{
    (void)state;
    static const struct {
        int id;
        const char *host, *rate_class;
        enum rate rate;
    } rules[] = { { 20, "admin", "admin", RATE_ADMIN }, { 21, "other", "no such", RATE_DEFAULT } };
    char text[200];
    for (int i = 0; i < COUNT(rules); i++) {
        add(rules[i].id, rules[i].host, "/", "[]", "startup:read", 0, "active");
        snprintf(text, sizeof(text), "update upstreams set rate_class = '%s' where host = '%s'",
                 rules[i].rate_class, rules[i].host);
        sql(&f, text);
        struct asking *a = asks_for(rules[i].host, "GET", "/");
        settle();
        assert_true(a->look.found);
        assert_int_equal(a->look.rule.permit, PERMIT_STARTUP_READ);
        assert_int_equal(a->look.rule.rate, rules[i].rate);
        end(a);
    }
}

static void without_memory_there_is_no_verdict(void **state)
{
    (void)state;
    expect("b", "GET", "/", 3); /* remembered from here on */
    struct target t;
    struct asking *a = asks_for("b", "GET", "/");
    t = a->look.target;
    assert_int_equal(a->v, NEXT);
    struct req other = { .store = f.store, .cache = cache };
    struct rule_look look;
    arena_trim();
    nomem_after(0);
    assert_int_equal(rule_begin(&other, &look, &t), NEXT);
    nomem_after(-1);
    assert_int_equal(look.err, ERR_NO_MEMORY);
    assert_false(look.found);
    arena_reset(&other.arena);
    end(a);
}

static void many_at_once_ask_the_store_once(void **state)
{
    (void)state;
    struct asking *all[8];
    epoch_bump(EPOCH_UPSTREAMS, NULL, 0);
    for (int i = 0; i < COUNT(all); i++)
        all[i] = asks_for("b", "GET", "/");
    int asked = 0;
    for (int i = 0; i < COUNT(all); i++) {
        asked += all[i]->look.asked;
        assert_int_equal(all[i]->v, WAIT);
    }
    assert_int_equal(asked, 1);
    settle();
    for (int i = 0; i < COUNT(all); i++) {
        assert_int_equal(all[i]->look.rule.id.b[15], 3);
        end(all[i]);
    }
}

static void rules_that_cannot_be_read_are_no_verdict(void **state)
{
    (void)state;
    static const char *const methods[] = { "5", "[", "[5]", "[\"GET\",5]" };
    add(11, "*", "/", "[]", "anyone", 0, "active");
    for (int i = 0; i < COUNT(methods); i++) {
        char text[200];
        snprintf(text, sizeof(text),
                 "update upstreams set methods = '%s' where status = 'active' and host = '*'",
                 methods[i]);
        sql(&f, text);
        epoch_bump(EPOCH_UPSTREAMS, NULL, 0);
        struct asking *two[] = { asks_for("a", "GET", "/"), asks_for("a", "GET", "/") };
        settle();
        for (int k = 0; k < 2; k++) {
            assert_int_equal(two[k]->v, NEXT);
            assert_int_equal(two[k]->look.err, ERR_UNAVAILABLE);
            assert_false(two[k]->look.found);
            end(two[k]);
        }
    }
}

static void a_store_that_fails_is_no_verdict(void **state)
{
    (void)state;
    sql(&f, "drop table upstreams");
    epoch_bump(EPOCH_UPSTREAMS, NULL, 0);
    struct asking *a = asks_for("a", "GET", "/");
    settle();
    assert_int_equal(a->v, NEXT);
    assert_int_equal(err_info(a->look.err)->status, 503);
    assert_false(a->look.found);
    end(a);
}

static int forget(void **state)
{
    (void)state;
    arena_reset(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest spellings[] = {
        cmocka_unit_test_teardown(one_spelling_of_a_path, forget),
        cmocka_unit_test_teardown(a_path_ends_where_it_ends, forget),
        cmocka_unit_test_teardown(memory_runs_out_anywhere, forget),
        cmocka_unit_test_teardown(one_spelling_of_a_host, forget),
        cmocka_unit_test_teardown(methods_are_tokens, forget),
        cmocka_unit_test(rules_are_written_plainly),
        cmocka_unit_test(paths_fit),
    };
    const struct CMUnitTest lookups[] = {
        cmocka_unit_test(without_rules_none_decides),
        cmocka_unit_test(the_most_specific_rule_decides),
        cmocka_unit_test(a_permission_that_is_none_lets_nobody_through),
        cmocka_unit_test(a_rule_says_what_it_needs),
        cmocka_unit_test(without_memory_there_is_no_verdict),
        cmocka_unit_test(many_at_once_ask_the_store_once),
        cmocka_unit_test(rules_that_cannot_be_read_are_no_verdict),
        cmocka_unit_test(a_store_that_fails_is_no_verdict),
    };
    return cmocka_run_group_tests(spellings, NULL, NULL) +
           cmocka_run_group_tests(lookups, set_up, tear_down);
}
