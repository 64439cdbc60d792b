/* What follows an anomaly is in force, and written down: who, why, and for how long. */
#include "responses.h"

#include "base/json.h"

#include <fcntl.h>

static void it_is_in_force_before_it_is_written(void **state)
{
    (void)state;
    struct held held = anomaly_of(1, ANOMALY_RATE);
    assert_int_equal(held.level, RESTRAINT_HALF);
    assert_int_equal(held.until, clock_wall() + HOUR);
    assert_int_equal(store.asked, 1);
    assert_int_equal(store.statements, 2);
    assert_true(uuid_eq(&store.row, &store.target));
    assert_true(respond_busy());
    answers(OK);
    assert_false(respond_busy());
    respond_retry();
    assert_int_equal(store.asked, 1);
}

/* What the audit row holds, of somebody at that address. */
static void expect_payload(const char *address)
{
    struct arena arena = { 0 };
    struct text t = text_new(&arena, 500);
    text_printf(
        &t,
        "{\"address\":\"%s\",\"detail\":{\"kind\":\"%s\",\"subject\":\"%s\",\"level\":\"%s\","
        "\"reason\":\"%s\",\"until\":",
        address, store.said[0], store.said[1], store.said[2], store.said[3]);
    json_put_time(&t, store.until);
    text_lit(&t, "}}");
    text_char(&t, '\0');
    assert_string_equal(store.payload, text_str(&t).p);
    arena_reset(&arena);
}

static void a_row_says_who_and_why(void **state)
{
    (void)state;
    char id[UUID_TEXT + 1] = "";
    anomaly_of(200, ANOMALY_RATE); /* the key comes with the first row about somebody */
    uuid_format(&me.user_id, id);
    assert_string_equal(store.said[0], "principal");
    assert_string_equal(store.said[1], id);
    assert_string_equal(store.said[2], "half");
    assert_string_equal(store.said[3], "rate");
    assert_int_equal(store.until, clock_wall() + HOUR);
    assert_string_equal(store.correlation, "request-1");
    assert_true(uuid_eq(&store.person, &me.user_id));
    expect_payload("192.0.2.7");
    answers(OK);
}

/* Of nobody who is signed in. */
static void of_an_address_it_names_the_network(void **state)
{
    (void)state;
    struct req r = { .id = STR("request-1"), .now = clock_wall(), .keyring = ring };
    assert_true(network_address(STR("2001:db8:1:2:3:4:5:6"), &r.address));
    respond(&r, RESTRAINT_ADDRESS, ANOMALY_PROBES);
    assert_int_equal(restraint_look(restraint_address(&r.address), r.now).level, RESTRAINT_BLOCK);
    assert_string_equal(store.said[0], "address");
    assert_string_equal(store.said[1], "2001:db8:1:2::/64");
    assert_string_equal(store.said[2], "block");
    assert_string_equal(store.said[3], "probes");
    expect_payload("2001:db8:1:2:3:4:5:6");
    answers(OK);
}

static void correlations_are_kept_up_to_a_length(void **state)
{
    (void)state;
    static char long_one[200];
    memset(long_one, 'i', sizeof(long_one));
    const struct str ids[] = {
        STR_NONE, STR("x"), { long_one, 127 }, { long_one, 128 }, { long_one, 200 }
    };
    for (int i = 0; i < COUNT(ids); i++) {
        correlation = ids[i];
        anomaly_of((uint8_t)i, ANOMALY_RATE);
        size_t n = ids[i].n < 128 ? ids[i].n : 128;
        assert_int_equal(strlen(store.correlation), n);
        assert_memory_equal(store.correlation, ids[i].p ? ids[i].p : "", n);
        answers(OK);
    }
    correlation = STR("request-1");
}

/* What the log says, by what the test does meanwhile. */
static int begin_log(void)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    log_open(ends[1], LOG_WARN, LOG_JSON);
    return ends[0];
}

static void expect_logged(int reading, const char *wanted)
{
    char said[1000] = "";
    ssize_t n = read(reading, said, sizeof(said) - 1);
    close(reading);
    log_open(STDERR_FILENO, LOG_ERROR, LOG_JSON);
    if (n < 0 || !strstr(said, wanted))
        fail_msg("%s is not in %s", wanted, said);
}

static void operators_are_told(void **state)
{
    (void)state;
    char wanted[300], id[UUID_TEXT + 1] = "";
    int reading = begin_log();
    anomaly_of(1, ANOMALY_RATE);
    uuid_format(&me.user_id, id);
    snprintf(wanted, sizeof(wanted),
             "\"event\":\"anomaly\",\"reason\":\"rate\",\"kind\":\"principal\",\"subject\":\"%s\","
             "\"level\":\"half\",\"correlation_id\":\"request-1\"}\n",
             id);
    expect_logged(reading, wanted);
    reading = begin_log();
    answers(ERR_INTERNAL);
    snprintf(wanted, sizeof(wanted), "a response could not be written: %s",
             err_info(ERR_INTERNAL)->code);
    expect_logged(reading, wanted);
}

static void events_are_handed_on_where_they_are(void **state)
{
    (void)state;
    config.redis_url = "redis://somewhere";
    anomaly_of(1, ANOMALY_RATE);
    assert_int_equal(store.statements, 3);
    answers(OK);
}

static void who_is_blocked_stays_so(void **state)
{
    (void)state;
    struct held held = anomaly_of(1, ANOMALY_PROBES);
    answers(OK);
    assert_int_equal(anomaly_of(1, ANOMALY_RATE).until, held.until);
    assert_int_equal(store.asked, 1);
    assert_int_equal(metric_read(METRIC_LIMIT_ANOMALIES, ANOMALY_RATE - 1), 1); /* but it is counted */
    assert_int_equal(metric_read(METRIC_LIMIT_RESTRAINTS, RESTRAINT_BLOCK), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_is_in_force_before_it_is_written),
        TEST(a_row_says_who_and_why),
        TEST(of_an_address_it_names_the_network),
        TEST(correlations_are_kept_up_to_a_length),
        TEST(operators_are_told),
        TEST(events_are_handed_on_where_they_are),
        TEST(who_is_blocked_stays_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
