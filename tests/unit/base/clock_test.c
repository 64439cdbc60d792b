#include "base/clock.h"

#include "unit.h"

#include <time.h>

static struct str formatted(int64_t wall)
{
    static char out[CLOCK_RFC3339];
    clock_format(wall, out);
    return (struct str){ out, sizeof(out) };
}

static struct str formatted_http(int64_t wall)
{
    static char out[CLOCK_HTTP];
    clock_http(wall, out);
    return (struct str){ out, sizeof(out) };
}

static void the_loop_sees_the_last_tick(void **state)
{
    (void)state;
    clock_tick();
    int64_t wall = clock_wall(), mono = clock_mono();
    while (clock_mono_now() == mono)
        ;
    assert_int_equal(clock_wall(), wall);
    assert_int_equal(clock_mono(), mono);
    clock_tick();
    assert_true(clock_mono() > mono);
    assert_true(clock_wall_now() - clock_wall() < MINUTE);
    assert_true(clock_wall() / SECOND - time(NULL) < 2);
}

static void known_times_are_written(void **state)
{
    (void)state;
    assert_str(formatted(0), "1970-01-01T00:00:00.000000Z");
    assert_str(formatted(1), "1970-01-01T00:00:00.000001Z");
    assert_str(formatted(784111777 * SECOND), "1994-11-06T08:49:37.000000Z");
    assert_str(formatted(951782400 * SECOND + 999999), "2000-02-29T00:00:00.999999Z");
    assert_str(formatted(4107542399 * SECOND), "2100-02-28T23:59:59.000000Z");
    assert_str(formatted(4107542400 * SECOND), "2100-03-01T00:00:00.000000Z");
    assert_str(formatted(253402300799 * SECOND + 999999), "9999-12-31T23:59:59.999999Z");
    assert_str(formatted_http(784111777 * SECOND), "Sun, 06 Nov 1994 08:49:37 GMT");
    assert_str(formatted_http(0), "Thu, 01 Jan 1970 00:00:00 GMT");
}

static void what_cannot_be_written_stays_in_bounds(void **state)
{
    (void)state;
    assert_str(formatted(-1), "1970-01-01T00:00:00.000000Z");
    assert_str(formatted(INT64_MIN), "1970-01-01T00:00:00.000000Z");
    assert_int_equal(formatted(INT64_MAX).p[0], '9');
    assert_str(formatted_http(253402300800 * SECOND), "Fri, 31 Dec 9999 23:59:59 GMT");
}

/* Against the C library, at both ends of each day of five hundred years. */
static void every_day_agrees_with_the_system(void **state)
{
    (void)state;
    for (int64_t day = 0; day < 182622; day++) {
        for (int64_t second = day * 86400; second <= day * 86400 + 86399; second += 86399) {
            char wanted[64];
            struct tm tm;
            time_t t = (time_t)second;
            gmtime_r(&t, &tm);
            strftime(wanted, sizeof(wanted), "%Y-%m-%dT%H:%M:%S.000000Z", &tm);
            struct str got = formatted(second * SECOND);
            int64_t back;
            assert_memory_equal(got.p, wanted, CLOCK_RFC3339);
            assert_true(clock_parse(got, &back) && back == second * SECOND);
            strftime(wanted, sizeof(wanted), "%a, %d %b %Y %H:%M:%S GMT", &tm);
            assert_memory_equal(formatted_http(second * SECOND).p, wanted, CLOCK_HTTP);
        }
    }
}

static void rfc3339_is_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t wall;
    } cases[] = {
        { "1970-01-01T00:00:00Z", 0 },
        { "1985-04-12T23:20:50.52Z", 482196050520000 },
        { "1996-12-19T16:39:57-08:00", 851042397000000 },
        { "1990-12-31T23:59:60Z", 662688000000000 },
        { "1990-12-31T15:59:60-08:00", 662688000000000 },
        { "1937-01-01t12:00:27.87+00:20", -1 },
        { "1994-11-06t08:49:37z", 784111777000000 },
        { "1994-11-06T08:49:37-00:00", 784111777000000 },
        { "1994-11-06T08:49:37.123456789Z", 784111777123456 },
        { "1994-11-06T08:49:37.000000999Z", 784111777000000 },
        { "2000-02-29T00:00:00Z", 951782400000000 },
        { "1970-01-01T00:59:59+01:00", -1 },
        { "1969-12-31T23:00:00-01:00", 0 },
        { "9999-12-31T23:59:59.999999Z", 253402300799999999 },
        { "9999-12-31T23:59:59-00:01", -1 },
        { "0000-01-01T00:00:00Z", -1 },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        int64_t wall = -1;
        assert_int_equal(clock_parse(str_of(cases[i].text), &wall), cases[i].wall >= 0);
        assert_int_equal(wall, cases[i].wall);
    }
}

static void what_is_no_time_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",                            "1994",
        "1994-11-06",                  "1994-11-06T08:49:37",
        "1994-11-06 08:49:37Z",        "1994-11-06T08:49Z",
        "1994-11-06T08:49:37.Z",       "1994-11-06T08:49:37,5Z",
        "1994-11-06T24:00:00Z",        "1994-11-06T08:60:00Z",
        "1994-11-06T08:49:61Z",        "1994-11-06T08:49:60Z",
        "1994-13-06T08:49:37Z",        "1994-00-06T08:49:37Z",
        "1994-11-31T08:49:37Z",        "1994-11-00T08:49:37Z",
        "1900-02-29T00:00:00Z",        "2100-02-29T00:00:00Z",
        "2023-02-29T00:00:00Z",        "1994-11-06T08:49:37+24:00",
        "1994-11-06T08:49:37+00:60",   "1994-11-06T08:49:37+0100",
        "1994-11-06T08:49:37+01",      "1994-11-06T08:49:37Zx",
        "1994-11-06T08:49:37ZZ",       "1994-1-06T08:49:37Z",
        "19941106T084937Z",            "+994-11-06T08:49:37Z",
        "1994-11-06T08:49:-7Z",        " 1994-11-06T08:49:37Z",
        "12345-11-06T08:49:37Z",       "1994-11-06T08:49:37\xe2\x88\x92\x30\x30:00",
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        int64_t wall = 7;
        if (clock_parse(str_of(bad[i]), &wall))
            fail_msg("%s was taken for a time", bad[i]);
        assert_int_equal(wall, 7);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_loop_sees_the_last_tick),
        cmocka_unit_test(known_times_are_written),
        cmocka_unit_test(what_cannot_be_written_stays_in_bounds),
        cmocka_unit_test(every_day_agrees_with_the_system),
        cmocka_unit_test(rfc3339_is_read),
        cmocka_unit_test(what_is_no_time_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
