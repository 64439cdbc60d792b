#include "base/metric.h"

#include "dies.h"
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

#define BLOCKS 3

static const char *const routes[] = { "/api/v1/startups", "/odd\"\\\nname" };
static const char *const stages[] = { "route", "identity", "limit" };

static struct arena arena;
static void *part;

static int begin(void **state)
{
    (void)state;
    metric_labels(METRIC_HTTP_REQUESTS, "route", routes, COUNT(routes));
    metric_labels(METRIC_HTTP_DURATION, "route", routes, COUNT(routes));
    metric_labels(METRIC_GATE_PASSED, "stage", stages, COUNT(stages));
    metric_labels(METRIC_GATE_MICROSECONDS, "stage", stages, COUNT(stages));
    part = calloc(1, metric_size(BLOCKS));
    metric_init(part, BLOCKS);
    metric_use(0);
    return part ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    arena_reset(&arena);
    arena_trim();
    free(part);
    metric_init(NULL, 0);
    return 0;
}

static struct str page(void)
{
    struct text t = text_new(&arena, 0);
    metric_page(&t);
    assert_false(t.failed);
    return text_str(&t);
}

static bool shows(const char *line)
{
    struct str all = page(), one;
    while (str_cut(&all, '\n', &one))
        if (str_eq(one, str_of(line)))
            return true;
    return false;
}

/* Runs first: what happens before the segment is there is nobody's. */
static void counting_before_the_start_is_harmless(void **state)
{
    (void)state;
    metric_add(METRIC_TASKS, 4, 1);
    metric_add(METRIC_HTTP_REQUESTS, 100000, 1);
    metric_set(METRIC_CACHE_BYTES, 0, 5);
    metric_observe(METRIC_HTTP_DURATION, UINT32_MAX, 5);
    assert_int_equal(metric_read(METRIC_TASKS, 4), 0);
    assert_int_equal(page().n > 0, true);
    arena_reset(&arena);
    arena_trim();
}

static void blocks_are_added_up(void **state)
{
    (void)state;
    metric_add(METRIC_TASKS, 2, 5);
    metric_use(1);
    metric_add(METRIC_TASKS, 2, 7);
    metric_use(2);
    metric_add(METRIC_TASKS, 3, 1);
    assert_int_equal(metric_read(METRIC_TASKS, 2), 12);
    assert_int_equal(metric_read(METRIC_TASKS, 3), 1);
    assert_int_equal(metric_read(METRIC_TASKS, 1), 0);
    assert_true(shows("tasks_total{status=\"completed\"} 12"));
    assert_true(shows("tasks_total{status=\"failed\"} 1"));
    assert_false(shows("tasks_total{status=\"in_progress\"} 0"));
}

static void two_dimensions_are_row_by_row(void **state)
{
    (void)state;
    metric_add(METRIC_HTTP_REQUESTS, 0 * 5 + 1, 3);
    metric_add(METRIC_HTTP_REQUESTS, 1 * 5 + 4, 4);
    metric_add(METRIC_STORE_ASKS, 1 * 2 + 0, 9);
    assert_true(shows("http_requests_total{route=\"/api/v1/startups\",status=\"2xx\"} 3"));
    assert_true(shows("http_requests_total{route=\"/odd\\\"\\\\\\nname\",status=\"5xx\"} 4"));
    assert_true(shows("store_statements_total{kind=\"write\",outcome=\"ok\"} 9"));
}

static void a_run_of_cells_counts_together(void **state)
{
    (void)state;
    metric_add_each(METRIC_GATE_PASSED, 0, 2, 1);
    metric_add_each(METRIC_GATE_PASSED, 1, 3, 10);
    metric_add_each(METRIC_GATE_PASSED, 2, 2, 100);
    metric_add_each(METRIC_GATE_PASSED, 2, 1, 100);
    metric_add_each(METRIC_GATE_PASSED, 2, 1000, 1000);
    metric_add_each(METRIC_GATE_PASSED, 3, 1000, 1000);
    assert_int_equal(metric_read(METRIC_GATE_PASSED, 0), 1);
    assert_int_equal(metric_read(METRIC_GATE_PASSED, 1), 11);
    assert_int_equal(metric_read(METRIC_GATE_PASSED, 2), 1010);
    for (int m = 0; m < METRIC_COUNT; m++)
        if (m != METRIC_GATE_PASSED)
            assert_int_equal(metric_read((enum metric)m, 0), 0);
}

static void every_cell_of_every_family_is_its_own(void **state)
{
    (void)state;
    for (int m = 0; m < METRIC_COUNT; m++)
        metric_add((enum metric)m, 0, 1);
    for (unsigned cell = 0; cell < 10; cell++)
        metric_add(METRIC_HTTP_REQUESTS, cell, cell);
    for (unsigned cell = 1; cell < 10; cell++)
        assert_int_equal(metric_read(METRIC_HTTP_REQUESTS, cell), cell);
    assert_int_equal(metric_read(METRIC_HTTP_CONNECTIONS, 0), 1);
    assert_int_equal(metric_read(METRIC_ERRORS, 0), 0); /* its dimension was not filled */
}

static void a_cell_that_does_not_exist_harms_nobody(void **state)
{
    (void)state;
    metric_add(METRIC_HTTP_REQUESTS, 10, 1);
    metric_add(METRIC_TASKS, UINT32_MAX, 1);
    metric_observe(METRIC_STORE_DURATION, 2, 1);
    metric_set(METRIC_STORE_QUEUED, 77, 1);
    for (int m = 0; m < METRIC_COUNT; m++)
        for (unsigned cell = 0; cell < 12; cell++)
            assert_int_equal(metric_read((enum metric)m, cell), 0);
}

static void observations_fall_into_their_buckets(void **state)
{
    (void)state;
    static const int64_t seen[] = { -5,     0,       100,      101,      250,
                                    999999, 1000000, 10000000, 10000001, 7000000 };
    for (size_t i = 0; i < COUNT(seen); i++)
        metric_observe(METRIC_HTTP_DURATION, 0, seen[i]);
    assert_int_equal(metric_read(METRIC_HTTP_DURATION, 0), COUNT(seen));
    static const char *const lines[] = {
        "http_request_duration_seconds_bucket{route=\"/api/v1/startups\",le=\"0.0001\"} 3",
        "http_request_duration_seconds_bucket{route=\"/api/v1/startups\",le=\"0.00025\"} 5",
        "http_request_duration_seconds_bucket{route=\"/api/v1/startups\",le=\"0.5\"} 5",
        "http_request_duration_seconds_bucket{route=\"/api/v1/startups\",le=\"1\"} 7",
        "http_request_duration_seconds_bucket{route=\"/api/v1/startups\",le=\"10\"} 9",
        "http_request_duration_seconds_bucket{route=\"/api/v1/startups\",le=\"+Inf\"} 10",
        "http_request_duration_seconds_sum{route=\"/api/v1/startups\"} 29.000451",
        "http_request_duration_seconds_count{route=\"/api/v1/startups\"} 10",
    };
    for (size_t i = 0; i < COUNT(lines); i++)
        if (!shows(lines[i]))
            fail_msg("no line %s", lines[i]);
}

static void seconds_are_counted_in_microseconds(void **state)
{
    (void)state;
    metric_add(METRIC_GATE_MICROSECONDS, 2, 61000042);
    assert_int_equal(metric_read(METRIC_GATE_MICROSECONDS, 2), 61000042);
    assert_true(shows("gate_seconds_total{stage=\"limit\"} 61.000042"));
    assert_true(shows("# TYPE gate_seconds_total counter"));
}

static void gauges_go_both_ways_and_always_show(void **state)
{
    (void)state;
    assert_true(shows("http_connections 0"));
    assert_true(shows("store_queued{kind=\"write\"} 0"));
    metric_set(METRIC_HTTP_CONNECTIONS, 0, 9);
    metric_use(1);
    metric_set(METRIC_HTTP_CONNECTIONS, 0, -2);
    assert_int_equal(metric_read(METRIC_HTTP_CONNECTIONS, 0), 7);
    assert_true(shows("http_connections 7"));
}

static void a_restarted_worker_counts_on(void **state)
{
    (void)state;
    metric_use(1);
    metric_add(METRIC_HTTP_ACCEPTED, 0, 10);
    metric_set(METRIC_HTTP_CONNECTIONS, 0, 4);
    metric_use(1);
    assert_int_equal(metric_read(METRIC_HTTP_ACCEPTED, 0), 10);
    assert_int_equal(metric_read(METRIC_HTTP_CONNECTIONS, 0), 0); /* they died with it */
}

static void each_closed_family_shows_a_line(void **state)
{
    (void)state;
    assert_true(shows("# TYPE http_connections_total counter"));
    assert_true(shows("http_connections_total 0"));
    assert_true(shows("# TYPE process_loop_turn_seconds histogram"));
    assert_true(shows("process_loop_turn_seconds_count 0"));
    assert_true(shows("process_loop_turn_seconds_sum 0.000000"));
    assert_true(shows("# TYPE http_connections gauge"));
    assert_true(shows("# HELP http_connections Open connections."));
    struct str all = page();
    assert_non_null(memmem(all.p, all.n, "\ntasks_total{", 13));
    assert_non_null(memmem(all.p, all.n, "\nauth_logins_total{", 19));
    assert_null(memmem(all.p, all.n, "\ngate_passed_total{", 19));
}

static void prometheus_accepts_the_page(void **state)
{
    (void)state;
    if (system("promtool --version >/dev/null 2>&1") != 0)
        skip();
    for (int moved = 0; moved < 2; moved++) {
        for (int m = 0; m < METRIC_COUNT && moved; m++)
            for (unsigned cell = 0; cell < 10; cell++)
                metric_add((enum metric)m, cell, 1);
        struct str all = page();
        FILE *tool = popen("promtool check metrics 2>&1", "w");
        assert_int_equal(fwrite(all.p, 1, all.n, tool), all.n);
        assert_int_equal(pclose(tool), 0);
    }
}

static void labels_of_no_dimension(void)
{
    metric_labels(METRIC_TASKS, "status", stages, 3);
}

static void use_a_block_too_many(void)
{
    metric_use(BLOCKS);
}

static void misuse_is_a_bug(void **state)
{
    (void)state;
    assert_true(dies(labels_of_no_dimension));
    assert_true(dies(use_a_block_too_many));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counting_before_the_start_is_harmless),
        cmocka_unit_test_setup_teardown(blocks_are_added_up, begin, end),
        cmocka_unit_test_setup_teardown(two_dimensions_are_row_by_row, begin, end),
        cmocka_unit_test_setup_teardown(a_run_of_cells_counts_together, begin, end),
        cmocka_unit_test_setup_teardown(every_cell_of_every_family_is_its_own, begin, end),
        cmocka_unit_test_setup_teardown(a_cell_that_does_not_exist_harms_nobody, begin, end),
        cmocka_unit_test_setup_teardown(observations_fall_into_their_buckets, begin, end),
        cmocka_unit_test_setup_teardown(seconds_are_counted_in_microseconds, begin, end),
        cmocka_unit_test_setup_teardown(gauges_go_both_ways_and_always_show, begin, end),
        cmocka_unit_test_setup_teardown(a_restarted_worker_counts_on, begin, end),
        cmocka_unit_test_setup_teardown(each_closed_family_shows_a_line, begin, end),
        cmocka_unit_test_setup_teardown(prometheus_accepts_the_page, begin, end),
        cmocka_unit_test_setup_teardown(misuse_is_a_bug, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
