/* Two caches with a client each are two nodes, but for the epochs: those of this process are both's. What only the
 * other node has moved is told to Redis alone here, as if it had not been heard of yet.
 */
#include "own_server.h"

#include "base/epoch.h"
#include "cache/cache.h"

#define MEBIBYTE ((size_t)1 << 20)
#define USER "0123456789abcdef"
#define SESSION "fedcba9876543210"

/* Cells within a type, as src/cache/shared.c has them. */
enum { HIT, MISS, STALE, FAILED };
enum { STORED, REFUSED, LOST };

struct node {
    struct redis *redis;
    struct cache *cache;
};

static struct own_server server;
static struct node a, b;
static struct arena arena;
static void *part;
static struct epochs user;

static void node_new(struct node *n, struct cache_setup setup)
{
    n->redis = setup.redis = connected_to(server.url);
    setup.layout = setup.layout ? setup.layout : "one";
    n->cache = cache_new(&setup);
    assert_non_null(n->cache);
}

static void node_free(struct node *n)
{
    cache_free(n->cache);
    redis_close(n->redis);
    *n = (struct node){ 0 };
}

/* ---- asking ---- */

struct asker {
    struct wait wait;
    struct node *node;
    enum cache_type type;
    struct str key;
    struct epochs under;
    enum cache_got got;
    struct str value;
    int waits;
    bool leaves; /* its client has left when it is woken */
};

static void look(struct asker *k)
{
    k->got = cache_get(k->node->cache, k->type, k->key, &k->under, &arena, &k->value, &k->wait);
    k->waits += k->got == CACHE_WAIT;
}

static void come_again(struct wait *w)
{
    struct asker *k = LIST_OF(w, struct asker, wait);
    if (!k->leaves)
        look(k);
}

static void asker_new(struct asker *k, struct node *n, enum cache_type type, const char *key)
{
    *k = (struct asker){ .node = n, .type = type, .key = str_of(key), .under = user };
    wait_init(&k->wait, come_again);
}

/* Asks alone, and waits for what comes of it. */
static enum cache_got get(struct node *n, const char *key, struct str *value)
{
    struct asker k;
    asker_new(&k, n, CACHE_SESSION, key);
    look(&k);
    loop_run();
    assert_int_not_equal(k.got, CACHE_WAIT);
    *value = k.value;
    return k.got;
}

static void fill(struct node *n, const char *key, struct str value)
{
    cache_fill(n->cache, CACHE_SESSION, str_of(key), &user, value);
    loop_run();
}

/* Loads it there. */
static void load(struct node *n, const char *key, struct str value)
{
    struct str found;
    assert_int_equal(get(n, key, &found), CACHE_FILL);
    fill(n, key, value);
}

/* Until Redis is believed. */
static void settle(struct node *n)
{
    struct asker k;
    for (int i = 0; i < 100; i++) {
        asker_new(&k, n, CACHE_RESULT, "settle");
        look(&k);
        loop_run();
        cache_drop(n->cache, CACHE_RESULT, k.key);
        if (k.waits > 0)
            return;
        run_for(5000);
    }
    fail_msg("Redis is never asked");
}

static struct str what_of(enum epoch_kind kind, const char *id)
{
    static char what[EPOCH_WHAT_MAX];
    return (struct str){ what, epoch_what(what, kind, id, strlen(id)) };
}

/* Another node has changed the user; we have not heard of it. */
static void user_moves_elsewhere(struct node *n)
{
    cache_moved(n->cache, what_of(EPOCH_USER, USER), 7);
    loop_run();
    assert_int_equal(cache_untold(n->cache), 0);
}

static int64_t looks(int outcome)
{
    return metric_read(METRIC_CACHE_SHARED, CACHE_SESSION * 4 + (unsigned)outcome);
}

static int64_t stores(int outcome)
{
    return metric_read(METRIC_CACHE_SHARED_STORES, CACHE_SESSION * 3 + (unsigned)outcome);
}

static int begin(void **state)
{
    static const char *const types[] = { "none", "api", "session", "result", "startup" };
    metric_labels(METRIC_CACHE_SHARED, "type", types, COUNT(types));
    metric_labels(METRIC_CACHE_SHARED_STORES, "type", types, COUNT(types));
    metric_labels(METRIC_CACHE_SHARED_BYTES, "type", types, COUNT(types));
    if (begin_on_redis(state) != 0)
        return -1;
    part = calloc(1, epoch_size());
    epoch_init(part);
    user = (struct epochs){ 0 };
    epochs_add(&user, EPOCH_USER, USER, 16);
    config.redis_ttl = 0;
    own_new(&server, "", false);
    node_new(&a, (struct cache_setup){ .max_bytes = MEBIBYTE });
    node_new(&b, (struct cache_setup){ .max_bytes = MEBIBYTE });
    settle(&a);
    settle(&b);
    return 0;
}

static int end(void **state)
{
    node_free(&a);
    node_free(&b);
    own_free(&server);
    arena_reset(&arena);
    arena_trim();
    free(part);
    return end_on_redis(state);
}

/* ---- one entry ---- */

static void what_one_node_loads_the_others_have(void **state)
{
    (void)state;
    struct str value;
    load(&a, "k", STR("one"));
    assert_int_equal(stores(STORED), 1);
    assert_int_equal(get(&b, "k", &value), CACHE_HIT);
    assert_str(value, "one");
    assert_int_equal(looks(HIT), 1);
    assert_int_equal(get(&b, "k", &value), CACHE_HIT); /* from memory */
    assert_int_equal(looks(HIT), 1);
    assert_int_equal(get(&b, "other", &value), CACHE_FILL);
}

static void an_empty_value_is_shared(void **state)
{
    (void)state;
    struct str value;
    load(&a, "k", STR(""));
    assert_int_equal(get(&b, "k", &value), CACHE_HIT);
    assert_int_equal(value.n, 0);
    assert_non_null(value.p);
}

static int64_t stored_size(const char *key)
{
    char name[128];
    int n = snprintf(name, sizeof(name), "%sf:one:session:%s", test_prefix, key);
    return ask_int(a.redis, 2, (struct str[]){ STR("STRLEN"), { name, (size_t)n } });
}

static void large_values_are_compressed_and_the_largest_not_shared(void **state)
{
    (void)state;
    struct str value;
    static char text[16384 + 1];
    memset(text, 'x', sizeof(text));
    struct str most = { text, sizeof(text) - 1 };
    load(&a, "k", most);
    assert_in_range(stored_size("k"), 40, 400);
    assert_int_equal(get(&b, "k", &value), CACHE_HIT);
    assert_true(str_eq(value, most));

    char noise[2000];
    random_bytes(noise, sizeof(noise));
    load(&a, "noise", (struct str){ noise, sizeof(noise) });
    assert_in_range(stored_size("noise"), 2000, 2100);
    assert_int_equal(get(&b, "noise", &value), CACHE_HIT);
    assert_true(str_eq(value, (struct str){ noise, sizeof(noise) }));

    load(&a, "larger", (struct str){ text, sizeof(text) });
    assert_int_equal(stored_size("larger"), 0);
    assert_int_equal(get(&a, "larger", &value), CACHE_HIT);
}

static void what_is_no_entry_is_a_miss(void **state)
{
    (void)state;
    struct str value;
    static const char *const wrong[] = { "", "x", "\001\000\001\000\000\000\000\000",
                                         "long and senseless" };
    char name[128];
    int n = snprintf(name, sizeof(name), "%sf:one:session:k", test_prefix);
    for (size_t i = 0; i < COUNT(wrong); i++) {
        struct str argv[] = { STR("SET"), { name, (size_t)n }, str_of(wrong[i]) };
        ask_int(a.redis, 3, argv);
        assert_int_equal(get(&a, "k", &value), CACHE_FILL);
        cache_drop(a.cache, CACHE_SESSION, STR("k"));
    }
    assert_int_equal(looks(STALE), COUNT(wrong));
}

/* As while a newer build takes the place of an older one: each reads what it wrote itself. */
static void nodes_of_another_layout_have_entries_of_their_own(void **state)
{
    (void)state;
    struct str value;
    node_free(&b);
    node_new(&b, (struct cache_setup){ .max_bytes = MEBIBYTE, .layout = "another" });
    settle(&b);
    load(&a, "k", STR("in one form"));
    load(&b, "k", STR("in another"));
    for (int i = 0; i < 2; i++) { /* the second time nothing is remembered but by Redis */
        assert_int_equal(get(&a, "k", &value), CACHE_HIT);
        assert_true(str_eq(value, STR("in one form")));
        assert_int_equal(get(&b, "k", &value), CACHE_HIT);
        assert_true(str_eq(value, STR("in another")));
        node_free(&a);
        node_new(&a, (struct cache_setup){ .max_bytes = MEBIBYTE });
        settle(&a);
        node_free(&b);
        node_new(&b, (struct cache_setup){ .max_bytes = MEBIBYTE, .layout = "another" });
        settle(&b);
    }
    user_moves_elsewhere(&a); /* what they stand on is the same */
    assert_int_equal(get(&a, "k", &value), CACHE_FILL);
    cache_drop(a.cache, CACHE_SESSION, STR("k"));
    assert_int_equal(get(&b, "k", &value), CACHE_FILL);
    cache_drop(b.cache, CACHE_SESSION, STR("k"));
}

/* ---- freshness ---- */

static void a_bump_elsewhere_makes_it_stale(void **state)
{
    (void)state;
    struct str value;
    load(&a, "k", STR("old"));
    user_moves_elsewhere(&a);
    assert_int_equal(get(&b, "k", &value), CACHE_FILL);
    assert_int_equal(looks(STALE), 1);
    fill(&b, "k", STR("new"));
    node_free(&a);
    node_new(&a, (struct cache_setup){ .max_bytes = MEBIBYTE });
    settle(&a);
    assert_int_equal(get(&a, "k", &value), CACHE_HIT);
    assert_str(value, "new");
}

static void what_was_loaded_before_a_bump_is_not_shared_after_it(void **state)
{
    (void)state;
    struct str value;
    assert_int_equal(get(&a, "k", &value), CACHE_FILL);
    user_moves_elsewhere(&b);
    fill(&a, "k", STR("old"));
    assert_int_equal(stores(REFUSED), 1);
    assert_int_equal(stored_size("k"), 0);
    assert_int_equal(get(&b, "k", &value), CACHE_FILL);
}

/* Redis may not know of a bump of our own yet. */
static void what_we_have_just_moved_is_not_asked_of_redis(void **state)
{
    (void)state;
    struct str value;
    load(&a, "k", STR("old"));
    int64_t before = looks(HIT) + looks(MISS) + looks(STALE);
    epoch_bump(EPOCH_USER, USER, 16);
    user = (struct epochs){ 0 };
    epochs_add(&user, EPOCH_USER, USER, 16);
    assert_int_equal(get(&b, "k", &value), CACHE_FILL);
    fill(&b, "k", STR("new"));
    assert_int_equal(looks(HIT) + looks(MISS) + looks(STALE), before);
    assert_int_equal(stores(STORED), 1);
}

/* The answer of Redis is older than what we have heard of in the meantime. */
static void a_bump_while_redis_is_asked_is_not_missed(void **state)
{
    (void)state;
    struct asker k;
    load(&a, "k", STR("old"));
    asker_new(&k, &b, CACHE_SESSION, "k");
    look(&k);
    assert_int_equal(k.got, CACHE_WAIT);
    epoch_bump(EPOCH_USER, USER, 16);
    loop_run();
    assert_int_equal(k.got, CACHE_FILL);
}

static void forgetting_makes_all_stale(void **state)
{
    (void)state;
    struct str value;
    struct wait w;
    enum err err = ERR_INTERNAL;
    load(&a, "k", STR("one"));
    load(&a, "l", STR("one"));
    wait_init(&w, woken);
    cache_forget_shared(a.cache, &err, &w);
    assert_true(w.open);
    loop_run();
    assert_int_equal(err, OK);
    assert_int_equal(get(&b, "k", &value), CACHE_FILL);
    assert_int_equal(get(&b, "l", &value), CACHE_FILL);
}

static int64_t delete_counters(struct redis *r)
{
    static struct redis_script script = {
        .text = "local n = 0\nfor _, k in ipairs(redis.call('KEYS', ARGV[1])) do\n"
                "n = n + redis.call('DEL', k) end\nreturn n",
    };
    char pattern[64];
    int n = snprintf(pattern, sizeof(pattern), "%se:*", test_prefix);
    struct str argv[] = { { pattern, (size_t)n } };
    struct redis_reply reply = { 0 };
    struct wait w;
    wait_init(&w, woken);
    redis_run(r, &script, 0, 1, argv, &reply, &w);
    loop_run();
    int64_t deleted = reply.err == OK ? reply.at[0].i : -1;
    redis_reply_fini(&reply);
    return deleted;
}

static void a_counter_that_redis_dropped_makes_stale(void **state)
{
    (void)state;
    struct str value;
    load(&a, "k", STR("one"));
    assert_int_equal(delete_counters(a.redis), 2);
    assert_int_equal(get(&b, "k", &value), CACHE_FILL);
    assert_int_equal(delete_counters(a.redis), 2); /* they were made, but the load does not know these */
    fill(&b, "k", STR("two"));
    assert_int_equal(stores(REFUSED), 1);
    assert_int_equal(get(&a, "other", &value), CACHE_FILL); /* made again */
    fill(&a, "other", STR("three"));
    assert_int_equal(get(&b, "other", &value), CACHE_HIT);
    assert_str(value, "three");
}

/* Redis has come back with what it had saved some time ago, or another one has taken its place. */
static void what_another_redis_holds_is_forgotten(void **state)
{
    (void)state;
    struct str value;
    char name[64];
    int n = snprintf(name, sizeof(name), "%srun", test_prefix);
    load(&a, "k", STR("old"));
    ask_int(a.redis, 3, (struct str[]){ STR("SET"), { name, (size_t)n }, STR("another") });
    node_free(&b);
    node_new(&b, (struct cache_setup){ .max_bytes = MEBIBYTE });
    assert_int_equal(get(&b, "k", &value), CACHE_FILL); /* not asked before that is known */
    cache_drop(b.cache, CACHE_SESSION, STR("k"));
    settle(&b);
    assert_int_equal(get(&b, "k", &value), CACHE_FILL);
    assert_int_equal(looks(STALE), 1);
    fill(&b, "k", STR("new"));

    node_free(&a); /* and the next one finds it settled */
    node_new(&a, (struct cache_setup){ .max_bytes = MEBIBYTE });
    settle(&a);
    assert_int_equal(get(&a, "k", &value), CACHE_HIT);
    assert_str(value, "new");
}

/* As of an API key, whose owner is not known before it has been read. */
static void an_entry_may_stand_on_more_than_was_asked_for(void **state)
{
    (void)state;
    struct str value;
    struct epochs both = user, one = user;
    epochs_add(&both, EPOCH_SESSION, SESSION, 16);
    user = both;
    load(&a, "k", STR("one"));
    user = one;
    assert_int_equal(get(&b, "k", &value), CACHE_HIT);
    assert_str(value, "one");
    assert_int_equal(cache_entries(b.cache), 0); /* there it would outlive a bump of the session */
    cache_moved(a.cache, what_of(EPOCH_SESSION, SESSION), 0);
    loop_run();
    assert_int_equal(get(&b, "k", &value), CACHE_FILL);
    fill(&b, "k", STR("two"));
    node_free(&a);
    node_new(&a, (struct cache_setup){ .max_bytes = MEBIBYTE });
    settle(&a);
    user = both;
    assert_int_equal(get(&a, "k", &value), CACHE_FILL); /* nor is an entry used that stands on less */
}

/* ---- those who wait ---- */

static void fill_when_asked(struct wait *w)
{
    struct asker *k = LIST_OF(w, struct asker, wait);
    look(k);
    if (k->got == CACHE_FILL)
        cache_fill(k->node->cache, k->type, k->key, &k->under, STR("loaded"));
}

/* Who was there first has left; the next one loads, and the last one has it from him. */
static void the_next_one_loads_when_the_first_has_left(void **state)
{
    (void)state;
    for (size_t bytes = 0; bytes <= MEBIBYTE; bytes += MEBIBYTE) {
        struct asker k[3];
        node_free(&b);
        node_new(&b, (struct cache_setup){ .max_bytes = bytes });
        settle(&b);
        load(&b, bytes ? "first k" : "first l", STR("")); /* so that Redis knows the scripts */
        for (int i = 0; i < 3; i++) {
            asker_new(&k[i], &b, CACHE_SESSION, bytes ? "k" : "l");
            wait_init(&k[i].wait, fill_when_asked);
            look(&k[i]);
            assert_int_equal(k[i].got, CACHE_WAIT);
        }
        k[0].wait.wake = woken;
        loop_run();
        assert_int_equal(k[1].got, CACHE_FILL);
        assert_int_equal(k[2].got, CACHE_HIT);
        assert_str(k[2].value, "loaded");
    }
}

static void when_all_have_left_nothing_is_left_behind(void **state)
{
    (void)state;
    struct asker k[2];
    struct str value;
    for (int round = 0; round < 2; round++) { /* a miss, then a hit that memory does not keep */
        node_free(&b);
        node_new(&b, (struct cache_setup){ .max_bytes = 0 });
        settle(&b);
        int64_t before = looks(HIT);
        for (int i = 0; i < 2; i++) {
            asker_new(&k[i], &b, CACHE_SESSION, "k");
            k[i].leaves = true;
            look(&k[i]);
        }
        loop_run();
        if (round == 0)
            load(&a, "k", STR("one"));
        assert_int_equal(get(&b, "k", &value), CACHE_HIT);
        assert_int_equal(looks(HIT), before + 1 + round); /* Redis was asked again */
    }
}

static void without_memory_every_look_goes_to_redis(void **state)
{
    (void)state;
    struct str value;
    struct asker k[5];
    load(&a, "k", STR("one"));
    node_free(&b);
    node_new(&b, (struct cache_setup){ .max_bytes = 0 });
    settle(&b);
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(get(&b, "k", &value), CACHE_HIT);
        assert_int_equal(looks(HIT), i);
    }
    for (size_t i = 0; i < COUNT(k); i++) {
        asker_new(&k[i], &b, CACHE_SESSION, "k");
        look(&k[i]);
    }
    loop_run();
    for (size_t i = 0; i < COUNT(k); i++) {
        assert_int_equal(k[i].got, CACHE_HIT);
        assert_str(k[i].value, "one");
    }
    assert_int_equal(looks(HIT), 4);
    assert_int_equal(cache_entries(b.cache), 0);
}

/* Redis has it for some seconds only, so it is in the last tenth of its life when it comes from there. */
static void what_ages_is_loaded_anew_by_one(void **state)
{
    (void)state;
    struct asker k[3];
    config.redis_ttl = 60;
    asker_new(&k[0], &a, CACHE_STARTUP, "k");
    look(&k[0]);
    loop_run();
    cache_fill(a.cache, CACHE_STARTUP, STR("k"), &user, STR("old"));
    loop_run();
    asker_new(&k[0], &b, CACHE_STARTUP, "k");
    look(&k[0]);
    loop_run();
    assert_int_equal(k[0].got, CACHE_HIT);
    run_for(SECOND + SECOND / 10);

    for (int i = 0; i < 3; i++) {
        asker_new(&k[i], &b, CACHE_STARTUP, "k");
        look(&k[i]);
        assert_int_equal(k[i].got, i == 0 ? CACHE_WAIT : CACHE_HIT);
    }
    loop_run();
    assert_int_equal(k[0].got, CACHE_FILL);
    cache_fill(b.cache, CACHE_STARTUP, STR("k"), &user, STR("new"));
    loop_run();
    look(&k[1]);
    assert_int_equal(k[1].got, CACHE_HIT);
    assert_str(k[1].value, "new");
}

static void switched_off_redis_is_not_asked(void **state)
{
    (void)state;
    struct str value;
    load(&a, "k", STR("one"));
    node_free(&b);
    node_new(&b, (struct cache_setup){ .max_bytes = MEBIBYTE, .off = true });
    assert_int_equal(get(&b, "k", &value), CACHE_FILL);
    fill(&b, "l", STR("two"));
    assert_int_equal(looks(HIT), 0);
    assert_int_equal(stored_size("l"), 0);
}

/* ---- Redis lost ---- */

static bool nothing_untold(void *node)
{
    return cache_untold(((struct node *)node)->cache) == 0;
}

static void redis_lost_is_a_miss(void **state)
{
    (void)state;
    struct asker k;
    asker_new(&k, &a, CACHE_SESSION, "k");
    look(&k);
    own_kill(&server); /* while it is asked */
    loop_run();
    assert_int_equal(k.got, CACHE_FILL);
    fill(&a, "k", STR("one"));
    look(&k);
    assert_int_equal(k.got, CACHE_HIT);
    asker_new(&k, &a, CACHE_SESSION, "l");
    look(&k);
    assert_int_equal(k.got, CACHE_FILL);
}

static void what_redis_was_not_told_it_is_told_later(void **state)
{
    (void)state;
    struct str value;
    load(&b, "k", STR("old"));
    kill(server.pid, SIGSTOP);
    cache_moved(a.cache, what_of(EPOCH_USER, USER), 8);
    assert_int_equal(cache_untold(a.cache), 1);
    run_for(SECOND);
    assert_int_equal(cache_untold(a.cache), 1);
    assert_true(epochs_doubtful(&user)); /* and meanwhile nobody of this node asks Redis */
    epoch_init(memset(part, 0, epoch_size()));
    kill(server.pid, SIGCONT);
    assert_true(run_until(nothing_untold, &a, 2 * SECOND));
    epoch_init(memset(part, 0, epoch_size()));
    node_free(&b);
    node_new(&b, (struct cache_setup){ .max_bytes = MEBIBYTE });
    settle(&b);
    assert_int_equal(get(&b, "k", &value), CACHE_FILL);
    assert_int_equal(looks(STALE), 1);
}

static void too_much_to_tell_is_everything(void **state)
{
    (void)state;
    struct str value;
    load(&b, "k", STR("old"));
    load(&b, "l", STR("old"));
    kill(server.pid, SIGSTOP);
    for (int i = 0; i < 5000; i++)
        cache_moved(a.cache, what_of(EPOCH_SESSION, SESSION), i);
    assert_in_range(cache_untold(a.cache), 1000, 1100);
    assert_true(epochs_doubtful(&user));
    kill(server.pid, SIGCONT);
    assert_true(run_until(nothing_untold, &a, 5 * SECOND));
    epoch_init(memset(part, 0, epoch_size()));
    node_free(&b);
    node_new(&b, (struct cache_setup){ .max_bytes = MEBIBYTE });
    settle(&b);
    assert_int_equal(get(&b, "k", &value), CACHE_FILL);
    assert_int_equal(get(&b, "l", &value), CACHE_FILL);
}

static char heard[128];
static size_t heard_n;

static void hear(struct str message)
{
    assert_true(message.n < sizeof(heard));
    if (message.n > 0)
        memcpy(heard, message.p, message.n);
    heard_n = message.n;
}

static bool was_heard(void *of)
{
    (void)of;
    return heard_n > 0;
}

static void bumps_are_published(void **state)
{
    (void)state;
    struct str what = what_of(EPOCH_USER, USER);
    redis_subscribe(b.redis, "bumps", hear);
    for (int i = 0; i < 50 && heard_n == 0; i++) {
        cache_moved(a.cache, what, 0x0102030405060708);
        run_until(was_heard, NULL, 20 * 1000);
    }
    assert_int_equal(heard_n, 8 + what.n);
    assert_memory_equal(heard, "\1\2\3\4\5\6\7\10", 8);
    assert_memory_equal(heard + 8, what.p, what.n);
}

#define test(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(what_one_node_loads_the_others_have),
        test(an_empty_value_is_shared),
        test(large_values_are_compressed_and_the_largest_not_shared),
        test(what_is_no_entry_is_a_miss),
        test(nodes_of_another_layout_have_entries_of_their_own),
        test(a_bump_elsewhere_makes_it_stale),
        test(what_was_loaded_before_a_bump_is_not_shared_after_it),
        test(what_we_have_just_moved_is_not_asked_of_redis),
        test(a_bump_while_redis_is_asked_is_not_missed),
        test(forgetting_makes_all_stale),
        test(a_counter_that_redis_dropped_makes_stale),
        test(what_another_redis_holds_is_forgotten),
        test(an_entry_may_stand_on_more_than_was_asked_for),
        test(the_next_one_loads_when_the_first_has_left),
        test(when_all_have_left_nothing_is_left_behind),
        test(without_memory_every_look_goes_to_redis),
        test(what_ages_is_loaded_anew_by_one),
        test(switched_off_redis_is_not_asked),
        test(redis_lost_is_a_miss),
        test(what_redis_was_not_told_it_is_told_later),
        test(too_much_to_tell_is_everything),
        test(bumps_are_published),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
