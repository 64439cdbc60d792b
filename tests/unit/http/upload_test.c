/* Bodies that come and are never held whole, over a real connection: piece by piece, and what becomes of them when the
 * client is slow, wrong or gone. */
#include "served.h"

#include "../base/stopped.h"

#define PUT(headers) "PUT /x HTTP/1.1\r\nHost: h\r\n" headers "\r\n"

static struct {
    char piece[1 << 16];
    size_t room;           /* of a piece */
    char all[1 << 20];     /* what has been read */
    size_t n;
    size_t sizes[200];     /* of the pieces */
    int pieces;
} in;

static enum verdict accepts(struct req *r)
{
    r->let_go = gone;
    return stream_accept(r);
}

static enum verdict reads(struct req *r);

static enum verdict has_read(struct req *r)
{
    size_t n = stream_piece(r);
    if (stream_got(r) != NEXT)
        return DENY;
    assert_true(n <= in.room);
    memcpy(in.all + in.n, in.piece, n);
    in.n += n;
    in.sizes[in.pieces++] = n;
    return reads(r);
}

static enum verdict reads(struct req *r)
{
    while (!stream_whole(r)) {
        enum verdict v = stream_read(r, in.piece, in.room);
        return v == NEXT ? has_read(r) : v;
    }
    reply_json(r, 200, STR("\"read\""));
    return NEXT;
}

static const struct stage upload[] = {
    { "accept", accepts, NULL }, { "read", reads, has_read }, { 0 }
};

static void uploads(size_t room)
{
    memset(&in, 0, sizeof(in));
    in.room = room;
    served.path = upload;
    client_comes(false);
}

/* A denial, and that it was the only answer. */
static void expect_refused(enum err err, const char *status)
{
    await_text(status);
    assert_int_equal(served.err, err);
    assert_int_equal(served.ended, 1);
    assert_int_equal(served.let_go, 1);
}

static void pieces_are_full_until_the_last(void **state)
{
    (void)state;
    uploads(4);
    client_says(PUT("Content-Length: 11\r\n") "a");
    rest(20000);
    assert_int_equal(in.pieces, 0); /* part of one is none */
    client_says("bcd");
    rest(20000);
    assert_int_equal(in.pieces, 1);
    client_says("efghijk");
    await_text("200 OK");
    assert_int_equal(in.n, 11);
    assert_memory_equal(in.all, "abcdefghijk", 11);
    static const size_t sizes[] = { 4, 4, 3 };
    assert_int_equal(in.pieces, 3);
    assert_memory_equal(in.sizes, sizes, sizeof(sizes));
    assert_int_equal(served.let_go, 1);
    assert_false(served.closed);
}

static void chunks_are_pieces_of_the_same_body(void **state)
{
    (void)state;
    uploads(4);
    client_says(PUT("Transfer-Encoding: chunked\r\n") "3\r\nabc\r\n");
    rest(20000);
    client_says("6;x=y\r\ndefghi\r\n0\r\n");
    rest(20000);
    assert_int_equal(served.ended, 0); /* its end has not come */
    client_says("\r\n");
    await_text("200 OK");
    assert_int_equal(in.n, 9);
    assert_memory_equal(in.all, "abcdefghi", 9);
}

static void nothing_is_waited_for_where_nothing_comes(void **state)
{
    (void)state;
    uploads(4);
    client_says(PUT("Content-Length: 0\r\n"));
    await_text("200 OK");
    assert_int_equal(in.pieces, 0);
}

static void who_waits_for_leave_is_given_it_once(void **state)
{
    (void)state;
    uploads(2);
    client_says(PUT("Content-Length: 5\r\nExpect: 100-continue\r\n"));
    await_text("100 Continue");
    client_says("abcde");
    await_text("200 OK");
    assert_null(strstr(strstr(served.got, "100 Continue") + 1, "100 Continue"));
    assert_int_equal(in.n, 5);
}

static void too_much_is_refused_before_it_is_read(void **state)
{
    (void)state;
    served.body_max = 10;
    uploads(4);
    client_says(PUT("Content-Length: 11\r\n"));
    expect_refused(ERR_TOO_LARGE, "413 ");
    assert_int_equal(in.pieces, 0);
    await(is_closed); /* what may still come is not worth being read */
}

static void too_much_that_was_not_declared_is_refused_where_it_is(void **state)
{
    (void)state;
    served.body_max = 10;
    uploads(4);
    client_says(
        PUT("Transfer-Encoding: chunked\r\n") "8\r\nabcdefgh\r\n8\r\nabcdefgh\r\n0\r\n\r\n");
    expect_refused(ERR_TOO_LARGE, "413 ");
    assert_true(in.n <= 10);
}

static void what_is_malformed_is_refused(void **state)
{
    (void)state;
    uploads(4);
    client_says(PUT("Transfer-Encoding: chunked\r\n") "4\r\nabcd\r\n");
    rest(20000);
    client_says("zz\r\n");
    expect_refused(ERR_BAD_REQUEST, "400 ");
}

static void who_falls_silent_is_refused(void **state)
{
    (void)state;
    uploads(8);
    client_says(PUT("Content-Length: 8\r\n") "abcd");
    rest(20000);
    clock_skip(9 * SECOND);
    rest(300000);
    assert_int_equal(served.ended, 0);
    clock_skip(2 * SECOND);
    expect_refused(ERR_TIMEOUT, "408 ");
}

static void who_leaves_midway_is_not_answered(void **state)
{
    (void)state;
    uploads(4);
    client_says(PUT("Content-Length: 11\r\n") "abcdef");
    rest(20000);
    client_leaves();
    await(is_let_go);
    assert_int_equal(in.n, 4);
    assert_int_equal(served.ended + served.left, 1);
    assert_true(served.left || served.err == ERR_BAD_REQUEST);
}

static void who_says_no_more_midway_is_refused(void **state)
{
    (void)state;
    uploads(4);
    client_says(PUT("Content-Length: 11\r\n") "abcdef");
    rest(20000);
    shutdown(served.client, SHUT_WR);
    expect_refused(ERR_BAD_REQUEST, "400 ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        test_served(pieces_are_full_until_the_last),
        test_served(chunks_are_pieces_of_the_same_body),
        test_served(nothing_is_waited_for_where_nothing_comes),
        test_served(who_waits_for_leave_is_given_it_once),
        test_served(too_much_is_refused_before_it_is_read),
        test_served(too_much_that_was_not_declared_is_refused_where_it_is),
        test_served(what_is_malformed_is_refused),
        test_served(who_falls_silent_is_refused),
        test_served(who_leaves_midway_is_not_answered),
        test_served(who_says_no_more_midway_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
