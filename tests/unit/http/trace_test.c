/* The caller's trace: what is one, and whose it is. */
#include "http/trace.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define ID "4bf92f3577b34da6a3ce929d0e0e4736"
#define SPAN "00f067aa0ba902b7"
#define GOOD "00-" ID "-" SPAN "-01"

static const struct {
    const char *value;
    bool good;
} rows[] = {
    { GOOD, true },
    { "00-" ID "-" SPAN "-00", true },
    { "00-" ID "-" SPAN "-ff", true },
    { "00-00000000000000000000000000000001-0000000000000001-00", true },
    { "", false },
    { "00", false },
    { "00-" ID "-" SPAN, false },
    { "00-" ID "-" SPAN "-", false },
    { "00-" ID "-" SPAN "-0", false },
    { "00-" ID "-" SPAN "-0g", false },
    { "00-" ID "-" SPAN "-0F", false },
    { "00-" ID "-" SPAN "-011", false },
    { "00-" ID "-" SPAN "-01-", false },
    { "00-" ID "-" SPAN "-01-00", false },
    { "01-" ID "-" SPAN "-01", false },
    { "ff-" ID "-" SPAN "-01", false },
    { "0g-" ID "-" SPAN "-01", false },
    { "00-00000000000000000000000000000000-" SPAN "-01", false },
    { "00-" ID "-0000000000000000-01", false },
    { "00-4BF92F3577B34DA6A3CE929D0E0E4736-" SPAN "-01", false },
    { "00-" ID "-00F067AA0BA902B7-01", false },
    { "00-4bf92f3577b34da6a3ce929d0e0e473-" SPAN "-011", false },
    { "00-4bf92f3577b34da6a3ce929d0e0e473 -" SPAN "-01", false },
    { "00_" ID "-" SPAN "-01", false },
    { "00-" ID "_" SPAN "-01", false },
    { "00-" ID "-" SPAN "_01", false },
    { "00-" ID "-" SPAN "-01 ", false },
};

static void values(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct trace t;
        if (trace_read(str_of(rows[i].value), &t) != rows[i].good)
            fail_msg("%s", rows[i].value);
    }
}

static struct req request(const char *first, const char *second)
{
    struct req r = { 0 };
    r.headers[r.nheaders++] = (struct header){ STR("Host"), STR("a.example") };
    if (first)
        r.headers[r.nheaders++] = (struct header){ STR("TraceParent"), str_of(first) };
    if (second)
        r.headers[r.nheaders++] = (struct header){ STR("traceparent"), str_of(second) };
    return r;
}

static void one_header_alone_is_taken(void **state)
{
    (void)state;
    struct trace t;
    struct req r = request(" " GOOD "\t", NULL);
    assert_true(trace_of(&r, &t));
    assert_true(str_eq(t.id, STR(ID)) && str_eq(t.parent, STR(SPAN)));
    r = request(NULL, NULL);
    assert_false(trace_of(&r, &t));
    r = request("x", NULL);
    assert_false(trace_of(&r, &t));
    r = request(GOOD, GOOD);
    assert_false(trace_of(&r, &t));
    r = request(GOOD, "x");
    assert_false(trace_of(&r, &t));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values),
        cmocka_unit_test(one_header_alone_is_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
