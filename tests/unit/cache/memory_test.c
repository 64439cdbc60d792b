#include "../base/unit.h"

#include "../../../src/cache/memory.h"

#include "base/hash.h"
#include "base/metric.h"

#include <stdlib.h>

#define KIBIBYTE ((size_t)1024)
#define MAX (256 * KIBIBYTE)
#define VALUE 300

static struct memory *m;
static void *metrics;

static int begin(void **state)
{
    (void)state;
    static const char *const types[] = { "none", "api", "session", "result", "startup" };
    metric_labels(METRIC_CACHE_BYTES, "type", types, COUNT(types));
    metrics = calloc(1, metric_size(1));
    metric_init(metrics, 1);
    metric_use(0);
    m = memory_new(MAX);
    return m ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    memory_free(m);
    memory_free(NULL);
    metric_init(NULL, 0);
    free(metrics);
    return 0;
}

static uint64_t hash_of(int key)
{
    return hash_kind(CACHE_API, &key, sizeof(key));
}

static struct entry *find(int key)
{
    return memory_find(m, CACHE_API, (struct str){ (char *)&key, sizeof(key) }, hash_of(key));
}

static void put_sized(int key, size_t n)
{
    static const char value[64 * 1024];
    struct epochs none = { 0 };
    memory_put(m, CACHE_API, (struct str){ (char *)&key, sizeof(key) }, hash_of(key),
               (struct str){ value, n }, &none, INT64_MAX);
    assert_true(memory_bytes(m) <= MAX);
}

static void put(int key)
{
    put_sized(key, VALUE);
}

/* As the cache does: a hit, or a load and a put. */
static bool ask(int key)
{
    struct entry *e = find(key);
    if (e)
        memory_hit(e);
    else
        put(key);
    return e;
}

static int holds(int from, int to)
{
    int n = 0;
    for (int key = from; key < to; key++)
        n += find(key) != NULL;
    return n;
}

static void bytes_are_bounded_and_used(void **state)
{
    (void)state;
    unsigned seed = 1;
    for (int i = 0; i < 20000; i++)
        put_sized(i, (size_t)rand_r(&seed) % 4000);
    assert_true(memory_bytes(m) > MAX * 9 / 10);
    assert_int_equal(holds(0, 20000), (int)memory_entries(m));
    assert_int_equal(metric_read(METRIC_CACHE_EVICTED, 0), 20000 - (int64_t)memory_entries(m));
}

static void all_that_fits_stays(void **state)
{
    (void)state;
    int fits = (int)(MAX / (VALUE + 200));
    for (int i = 0; i < fits; i++)
        put(i);
    assert_int_equal(holds(0, fits), fits);
    assert_int_equal(metric_read(METRIC_CACHE_EVICTED, 0), 0);
}

static void a_scan_does_not_push_out_what_is_used(void **state)
{
    (void)state;
    int hot = 200; /* of about 600 that fit */
    for (int round = 0; round < 4; round++)
        for (int i = 0; i < hot; i++)
            ask(i);
    for (int i = 0; i < 50000; i++)
        ask(1000 + i);
    assert_int_equal(holds(0, hot), hot);
}

/* All are in the main queue; a third of them is asked for all the time. */
static void of_the_main_queue_the_unused_go_first(void **state)
{
    (void)state;
    for (int i = 0; i < 500; i++)
        for (int thrice = 0; thrice < 3; thrice++)
            ask(i);
    for (int i = 1000; i < 1600; i++)
        ask(i);
    assert_true(holds(0, 500) > 450 && find(0)->main && find(499)->main);

    for (int i = 2000; i < 3000; i++) {
        for (int thrice = 0; thrice < 3; thrice++)
            ask(i);
        ask(i % 150);
    }
    assert_int_equal(holds(0, 150), 150);
    assert_true(holds(150, 500) < 50);
}

static void a_new_hot_set_takes_over(void **state)
{
    (void)state;
    int hot = 400;
    for (int set = 0; set < 3; set++) {
        int misses = 0;
        for (int round = 0; round < 30; round++) {
            misses = 0;
            for (int i = 0; i < hot; i++)
                misses += !ask(set * hot + i);
        }
        assert_true(misses < hot / 20);
    }
}

static void what_returns_soon_goes_to_the_main_queue(void **state)
{
    (void)state;
    for (int i = 0; i < 200; i++)
        for (int twice = 0; twice < 3; twice++)
            ask(i);
    for (int i = 1000; i < 2000 && !(i > 1000 && !find(1000)); i++)
        ask(i);
    assert_null(find(1000)); /* pushed out of the small queue, and remembered */
    ask(1000);
    assert_true(find(1000)->main);
    ask(5000);
    assert_false(find(5000)->main);
}

static void what_is_replaced_keeps_its_queue(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        ask(1);
    for (int i = 1000; i < 2000; i++)
        ask(i);
    assert_true(find(1)->main);
    put(1);
    assert_true(find(1)->main);
    memory_drop(m, find(1));
    assert_null(find(1));
    put(1);
    assert_true(find(1)->main);
}

static void the_large_are_not_kept(void **state)
{
    (void)state;
    put_sized(1, MAX / 16);
    assert_null(find(1));
    put_sized(2, MAX / 16 - 300);
    assert_non_null(find(2));
    put_sized(2, MAX / 16); /* and do not leave the old one behind */
    assert_null(find(2));
    assert_int_equal(memory_bytes(m), 0);
}

static void hot_entries_alone_do_not_hold_up_a_put(void **state)
{
    (void)state;
    for (int i = 0; i < 5000; i++) {
        put(i);
        for (int hits = 0; hits < 4; hits++)
            ask(i);
    }
    assert_true(memory_bytes(m) <= MAX);
    assert_non_null(find(4999));
}

/* A table of its own tells what should be there at most, and with which value. */
static void random_use_against_the_plain_rule(void **state)
{
    (void)state;
    enum { KEYS = 3000 };
    static size_t sizes[KEYS];
    unsigned seed = 7;
    memset(sizes, 0, sizeof(sizes));
    for (int i = 0; i < 60000; i++) {
        int key = rand_r(&seed) % (rand_r(&seed) % 2 ? KEYS : KEYS / 10);
        struct entry *e = find(key);
        switch (rand_r(&seed) % 8) {
        case 0:
            if (e)
                memory_drop(m, e);
            assert_null(find(key));
            break;
        case 1:
        case 2:
            sizes[key] = (size_t)rand_r(&seed) % 2000;
            put_sized(key, sizes[key]);
            assert_int_equal(entry_value(find(key)).n, sizes[key]);
            break;
        default:
            if (e) {
                assert_int_equal(entry_value(e).n, sizes[key]);
                memory_hit(e);
            }
        }
    }
    assert_int_equal(holds(0, KEYS), (int)memory_entries(m));
}

static void bytes_are_told_by_type(void **state)
{
    (void)state;
    int key = 1;
    struct str name = { (char *)&key, sizeof(key) };
    struct epochs none = { 0 };
    put(1);
    memory_put(m, CACHE_SESSION, name, hash_kind(CACHE_SESSION, &key, sizeof(key)), STR("s"), &none,
               INT64_MAX);
    int64_t api = metric_read(METRIC_CACHE_BYTES, CACHE_API);
    int64_t session = metric_read(METRIC_CACHE_BYTES, CACHE_SESSION);
    assert_true(api > VALUE && session > 0 && session < api);
    assert_int_equal(api + session, (int64_t)memory_bytes(m));
    memory_drop(m, find(1));
    assert_int_equal(metric_read(METRIC_CACHE_BYTES, CACHE_API), 0);
    assert_int_equal(metric_read(METRIC_CACHE_BYTES, CACHE_SESSION), session);
}

static void the_smallest_memory_holds_nothing(void **state)
{
    (void)state;
    memory_free(m);
    m = memory_new(0);
    put_sized(1, 0);
    assert_int_equal(memory_entries(m), 0);
}

#define test(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(bytes_are_bounded_and_used),
        test(all_that_fits_stays),
        test(a_scan_does_not_push_out_what_is_used),
        test(of_the_main_queue_the_unused_go_first),
        test(a_new_hot_set_takes_over),
        test(what_returns_soon_goes_to_the_main_queue),
        test(what_is_replaced_keeps_its_queue),
        test(the_large_are_not_kept),
        test(hot_entries_alone_do_not_hold_up_a_put),
        test(random_use_against_the_plain_rule),
        test(bytes_are_told_by_type),
        test(the_smallest_memory_holds_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
