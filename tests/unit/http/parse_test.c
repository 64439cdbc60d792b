/* Requests as bytes, read whole and byte by byte: both must come to the same. */
#include "../../../src/http/parse.h"

#include "base/clock.h"
#include "http/flow.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct req req;
static struct parse parse;

static enum parse_got feed(const char *bytes, size_t n, size_t chunk)
{
    arena_reset(&req.arena);
    memset(&req, 0, sizeof(req));
    parse_begin(&parse, &req);
    parse.body_max = BODY_MAX;
    enum parse_got got = PARSE_MORE;
    size_t at = 0;
    struct str in = STR_NONE;
    bool head = true;

    while (got == PARSE_MORE && (at < n || in.n)) {
        if (in.n == 0) {
            size_t take = n - at < chunk ? n - at : chunk;
            in = (struct str){ bytes + at, take };
            at += take;
        }
        got = head ? parse_head(&parse, &in) : parse_body(&parse, &in);
        if (got == PARSE_HEAD) {
            head = false;
            if (!parse_has_body(&parse))
                return PARSE_END;
            got = PARSE_MORE;
        }
    }
    return got;
}

#define H "Host: h\r\n"

static const struct {
    const char *name, *bytes;
    enum parse_got got;
    enum err err;
    const char *path, *body;
} cases[] = {
    { "plain", "GET /a?b=c HTTP/1.1\r\n" H "\r\n", PARSE_END, OK, "/a", "" },
    { "leading empty line", "\r\nGET /a HTTP/1.1\r\n" H "\r\n", PARSE_END, OK, "/a", "" },
    { "absolute form", "GET http://x:1/p HTTP/1.1\r\n" H "\r\n", PARSE_END, OK, "/p", "" },
    { "sized", "POST /a HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nabc", PARSE_END, OK, "/a",
      "abc" },
    { "chunked",
      "POST /a HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
      PARSE_END, OK, "/a", "abc" },
    { "chunked, empty", "POST /a HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      PARSE_END, OK, "/a", "" },
    { "http 1.0 without host", "GET / HTTP/1.0\r\n\r\n", PARSE_END, OK, "/", "" },
    { "unfinished", "GET / HTTP/1.1\r\nHost:", PARSE_MORE, OK, NULL, NULL },
    { "no host", "GET / HTTP/1.1\r\n\r\n", PARSE_BAD, ERR_BAD_REQUEST, NULL, NULL },
    { "two hosts", "GET / HTTP/1.1\r\n" H H "\r\n", PARSE_BAD, ERR_BAD_REQUEST, NULL, NULL },
    { "empty host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", PARSE_BAD, ERR_BAD_REQUEST, NULL, NULL },
    { "odd host", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", PARSE_BAD, ERR_BAD_REQUEST, NULL, NULL },
    { "length and chunked",
      "POST / HTTP/1.1\r\n" H "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      PARSE_BAD, ERR_BAD_REQUEST, NULL, NULL },
    { "two lengths", "POST / HTTP/1.1\r\n" H "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
      PARSE_BAD, ERR_BAD_REQUEST, NULL, NULL },
    { "signed length", "POST / HTTP/1.1\r\n" H "Content-Length: +3\r\n\r\nabc", PARSE_BAD,
      ERR_BAD_REQUEST, NULL, NULL },
    { "listed length", "POST / HTTP/1.1\r\n" H "Content-Length: 3, 3\r\n\r\nabc", PARSE_BAD,
      ERR_BAD_REQUEST, NULL, NULL },
    { "length out of range", "POST / HTTP/1.1\r\n" H "Content-Length: 99999999999999999999\r\n\r\n",
      PARSE_BAD, ERR_BAD_REQUEST, NULL, NULL },
    { "other coding", "POST / HTTP/1.1\r\n" H "Transfer-Encoding: gzip\r\n\r\n", PARSE_BAD,
      ERR_BAD_REQUEST, NULL, NULL },
    { "chunked not last", "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked, gzip\r\n\r\n",
      PARSE_BAD, ERR_BAD_REQUEST, NULL, NULL },
    { "chunked twice",
      "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", PARSE_BAD,
      ERR_BAD_REQUEST, NULL, NULL },
    { "chunked in two lines",
      "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n",
      PARSE_BAD, ERR_BAD_REQUEST, NULL, NULL },
    { "chunked in http 1.0", "POST / HTTP/1.0\r\n" H "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      PARSE_BAD, ERR_BAD_REQUEST, NULL, NULL },
    { "bad chunk size", "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\nx\r\n",
      PARSE_BAD, ERR_BAD_REQUEST, NULL, NULL },
    { "chunk without end", "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n1\r\nabc",
      PARSE_BAD, ERR_BAD_REQUEST, NULL, NULL },
    { "obsolete folding", "GET / HTTP/1.1\r\n" H "X: a\r\n b\r\n\r\n", PARSE_BAD, ERR_BAD_REQUEST,
      NULL, NULL },
    { "bare line feed", "GET / HTTP/1.1\nHost: h\n\n", PARSE_BAD, ERR_BAD_REQUEST, NULL, NULL },
    { "space before colon", "GET / HTTP/1.1\r\nHost : h\r\n\r\n", PARSE_BAD, ERR_BAD_REQUEST, NULL,
      NULL },
    { "lower-case method", "get / HTTP/1.1\r\n" H "\r\n", PARSE_BAD, ERR_BAD_REQUEST, NULL, NULL },
    { "method not known here", "TRACE / HTTP/1.1\r\n" H "\r\n", PARSE_BAD, ERR_NOT_IMPLEMENTED,
      NULL, NULL },
    { "star for GET", "GET * HTTP/1.1\r\n" H "\r\n", PARSE_BAD, ERR_BAD_REQUEST, NULL, NULL },
    { "fragment", "GET /a#b HTTP/1.1\r\n" H "\r\n", PARSE_BAD, ERR_BAD_REQUEST, NULL, NULL },
    { "http 2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", PARSE_BAD, 0, NULL, NULL },
    { "expectation", "POST / HTTP/1.1\r\n" H "Expect: 200-ok\r\nContent-Length: 1\r\n\r\na",
      PARSE_BAD, ERR_EXPECT, NULL, NULL },
    { "two authorizations", "GET / HTTP/1.1\r\n" H "Authorization: a\r\nAuthorization: b\r\n\r\n",
      PARSE_BAD, ERR_BAD_REQUEST, NULL, NULL },
};

static void check(const char *name, size_t i, size_t chunk)
{
    enum parse_got got = feed(cases[i].bytes, strlen(cases[i].bytes), chunk);
    if (got != cases[i].got || (cases[i].err && parse.err != cases[i].err))
        fail_msg("%s, in chunks of %zu: got %d, error %d", name, chunk, got, parse.err);
    if (got != PARSE_END)
        return;
    assert_true(str_eq(req.path, str_of(cases[i].path)));
    assert_true(str_eq(req.body, str_of(cases[i].body)));
}

static void requests(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        check(cases[i].name, i, 1 << 20);
        check(cases[i].name, i, 1);
        check(cases[i].name, i, 7);
    }
}

static void a_nul_in_a_header(void **state)
{
    (void)state;
    static const char bytes[] = "GET / HTTP/1.1\r\nHost: h\r\nX: a\0b\r\n\r\n";
    assert_int_equal(feed(bytes, sizeof(bytes) - 1, 1000), PARSE_BAD);
    assert_int_equal(parse.err, ERR_BAD_REQUEST);
}

/* n bytes of 'a' between two texts. */
static char *filled(const char *before, size_t n, const char *after, size_t *size)
{
    *size = strlen(before) + n + strlen(after);
    char *bytes = malloc(*size + 1);
    assert_non_null(bytes);
    memcpy(bytes, before, strlen(before));
    memset(bytes + strlen(before), 'a', n);
    memcpy(bytes + strlen(before) + n, after, strlen(after));
    return bytes;
}

static void limits(void **state)
{
    (void)state;
    static const struct {
        const char *before, *after;
        size_t n;
        enum parse_got got;
        enum err err;
    } rows[] = {
        { "GET /", " HTTP/1.1\r\n" H "\r\n", TARGET_MAX - 1, PARSE_END, OK },
        { "GET /", " HTTP/1.1\r\n" H "\r\n", TARGET_MAX, PARSE_BAD, ERR_URI_TOO_LONG },
        { "GET /", "", 100000, PARSE_BAD, ERR_URI_TOO_LONG },
        { "GET / HTTP/1.1\r\n" H "X: ", "\r\n\r\n", HEAD_MAX - 6, PARSE_END, OK },
        { "GET / HTTP/1.1\r\n" H "X: ", "\r\n\r\n", HEAD_MAX, PARSE_BAD, ERR_HEADERS_TOO_LARGE },
        { "GET / HTTP/1.1\r\n" H "X: ", "", 100000, PARSE_BAD, ERR_HEADERS_TOO_LARGE },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (size_t chunk = 100; chunk < 1000000; chunk *= 10) {
            size_t size;
            char *bytes = filled(rows[i].before, rows[i].n, rows[i].after, &size);
            enum parse_got got = feed(bytes, size, chunk);
            if (got != rows[i].got || parse.err != rows[i].err)
                fail_msg("row %zu, in chunks of %zu: got %d, error %d", i, chunk, got, parse.err);
            free(bytes);
        }
    }
}

static void too_many_headers(void **state)
{
    (void)state;
    char bytes[8192];
    size_t n = (size_t)snprintf(bytes, sizeof(bytes), "GET / HTTP/1.1\r\n" H);
    for (int i = 0; i < HEADERS_MAX; i++)
        n += (size_t)snprintf(bytes + n, sizeof(bytes) - n, "X%d: a\r\n", i);
    n += (size_t)snprintf(bytes + n, sizeof(bytes) - n, "\r\n");
    assert_int_equal(feed(bytes, n, 100000), PARSE_BAD);
    assert_int_equal(parse.err, ERR_HEADERS_TOO_LARGE);
}

static void what_follows_is_left(void **state)
{
    (void)state;
    static const char bytes[] =
        "POST /a HTTP/1.1\r\n" H "Content-Length: 1\r\n\r\nxGET /b HTTP/1.1\r\n" H "\r\n";
    struct str in = { bytes, sizeof(bytes) - 1 };
    arena_reset(&req.arena);
    memset(&req, 0, sizeof(req));
    parse_begin(&parse, &req);
    parse.body_max = 10;
    assert_int_equal(parse_head(&parse, &in), PARSE_HEAD);
    assert_int_equal(parse_body(&parse, &in), PARSE_END);
    assert_true(str_starts(in, STR("GET /b")));
    parse_begin(&parse, &req);
    memset(&req, 0, offsetof(struct req, arena));
    req.target = req.host = STR_NONE;
    req.nheaders = 0;
    assert_int_equal(parse_head(&parse, &in), PARSE_HEAD);
    assert_true(str_eq(req.path, STR("/b")));
    assert_int_equal(in.n, 0);
}

static void a_body_over_its_limit(void **state)
{
    (void)state;
    static const char bytes[] =
        "POST /a HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n";
    struct str in = { bytes, sizeof(bytes) - 1 };
    arena_reset(&req.arena);
    memset(&req, 0, sizeof(req));
    parse_begin(&parse, &req);
    parse.body_max = 4;
    assert_int_equal(parse_head(&parse, &in), PARSE_HEAD);
    assert_int_equal(parse_body(&parse, &in), PARSE_BAD);
    assert_int_equal(parse.err, ERR_TOO_LARGE);
}

static void correlation_ids(void **state)
{
    (void)state;
    static const char sane[] = "GET / HTTP/1.1\r\n" H "X-Request-ID: abc-1.2_3\r\n\r\n";
    static const char insane[] = "GET / HTTP/1.1\r\n" H "X-Request-ID: a b\r\n\r\n";
    feed(sane, sizeof(sane) - 1, 1000);
    assert_true(str_eq(req.id, STR("abc-1.2_3")));
    feed(insane, sizeof(insane) - 1, 1000);
    assert_int_equal(req.id.n, UUID_TEXT);
}

static int teardown(void **state)
{
    (void)state;
    arena_reset(&req.arena);
    arena_trim();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests),
        cmocka_unit_test(a_nul_in_a_header),
        cmocka_unit_test(limits),
        cmocka_unit_test(too_many_headers),
        cmocka_unit_test(what_follows_is_left),
        cmocka_unit_test(a_body_over_its_limit),
        cmocka_unit_test(correlation_ids),
    };
    clock_tick();
    return cmocka_run_group_tests(tests, NULL, teardown);
}
