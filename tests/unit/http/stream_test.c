/* What goes piece by piece and is never held whole, over a real connection, and who only listens: what becomes of both
 * when the client is slow or gone. */
#include "served.h"

#include "../base/stopped.h"

#include "net/offload.h"

#include <semaphore.h>

/* ---- outgoing ---- */

#define LARGE (200 * (size_t)STREAM_PIECE) /* more than sockets hold, however they grow */

static struct {
    int64_t length;  /* as declared */
    size_t size;     /* of what is written */
    size_t at;
    size_t denies_at; /* it is denied there; 0: nowhere */
    int waits;
} out;

static char byte_at(size_t at)
{
    return (char)('a' + at / 7 % 26);
}

static enum verdict begins(struct req *r)
{
    if (out.at == 0 && !r->reply.streamed) {
        reply_body(r, 200, "text/plain", STR_NONE);
        stream_reply(r, out.length);
    }
    assert_false(stream_begun(r));
    enum verdict v = stream_begin(r);
    out.waits += v == WAIT;
    assert_int_equal(stream_begun(r), v == NEXT);
    return v;
}

static enum verdict writes(struct req *r)
{
    static char piece[STREAM_PIECE];
    r->let_go = gone;
    while (out.at < out.size) {
        size_t n = out.size - out.at < sizeof(piece) ? out.size - out.at : sizeof(piece);
        if (out.denies_at && out.at >= out.denies_at)
            return req_deny(r, ERR_UNAVAILABLE);
        for (size_t i = 0; i < n; i++)
            piece[i] = byte_at(out.at + i);
        enum verdict v = stream_write(r, (struct str){ piece, n });
        if (v != NEXT) {
            out.waits += v == WAIT;
            return v;
        }
        out.at += n;
    }
    return NEXT;
}

static const struct stage download[] = {
    { "begin", begins, begins }, { "write", writes, writes }, { 0 }
};

static void downloads(size_t size, int64_t length, bool small)
{
    memset(&out, 0, sizeof(out));
    out.size = size;
    out.length = length;
    served.path = download;
    client_comes(small);
    client_says(GET_X);
}

static bool all_has_come(void)
{
    client_reads();
    const char *body = strstr(served.got, "\r\n\r\n");
    return body && served.n - (size_t)(body + 4 - served.got) >= out.size;
}

static void expect_body(size_t n)
{
    const char *body = strstr(served.got, "\r\n\r\n") + 4;
    assert_int_equal(served.n - (size_t)(body - served.got), n);
    for (size_t i = 0; i < n; i++)
        if (body[i] != byte_at(i))
            fail_msg("byte %zu is %d, not %d", i, body[i], byte_at(i));
}

static void what_is_declared_comes_and_the_connection_goes_on(void **state)
{
    (void)state;
    downloads(100, 100, false);
    await(all_has_come);
    expect_body(100);
    assert_non_null(strstr(served.got, "Content-Length: 100\r\n"));
    client_forgets();
    out.at = 0;
    client_says(GET_X);
    await(all_has_come);
    expect_body(100);
    assert_int_equal(served.ended, 2);
    assert_int_equal(conn_count(), 1);
}

/* However much it is, no more than a piece is ahead of the socket. */
static void a_slow_reader_is_waited_for(void **state)
{
    (void)state;
    const size_t size = LARGE + 1;
    downloads(size, (int64_t)size, true);
    rest(200000);
    assert_int_equal(served.ended, 0);
    assert_true(out.waits > 0 && out.at < size);
    size_t before = out.at;
    rest(50000);
    assert_int_equal(out.at, before);
    await(all_has_come);
    expect_body(size);
    assert_int_equal(served.ended, 1);
    assert_int_equal(served.let_go, 1);
}

static void who_leaves_while_it_is_written_ends_it(void **state)
{
    (void)state;
    const size_t size = LARGE;
    downloads(size, (int64_t)size, true);
    rest(200000);
    assert_true(out.waits > 0);
    client_leaves();
    await(is_left);
    assert_int_equal(served.ended, 0);
    assert_int_equal(served.let_go, 1);
}

static void without_a_length_the_end_is_the_connections(void **state)
{
    (void)state;
    downloads(100, -1, false);
    await(is_closed);
    expect_body(100);
    assert_null(strstr(served.got, "Content-Length"));
    assert_non_null(strstr(served.got, "Connection: close\r\n"));
    assert_int_equal(served.ended, 1);
}

/* It cannot be told by a status any more: so the connection ends before what was declared has come. */
static void denied_midway_it_is_cut_off(void **state)
{
    (void)state;
    downloads(3 * (size_t)STREAM_PIECE, 3 * (int64_t)STREAM_PIECE, false);
    out.denies_at = STREAM_PIECE;
    await(is_closed);
    assert_int_equal(served.err, ERR_UNAVAILABLE);
    assert_null(strstr(served.got + 1, "HTTP/1.1"));
    assert_true(served.n < 3 * (size_t)STREAM_PIECE);
    assert_int_equal(served.let_go, 1);
}

/* ---- watching ---- */

static int watched, woken;

static enum verdict watches(struct req *r)
{
    r->let_go = gone;
    watched++;
    return stream_watch(r);
}

static enum verdict is_woken(struct req *r)
{
    assert_false(stream_watching(r));
    woken++;
    reply_json(r, 200, STR("\"woken\""));
    return NEXT;
}

static const struct stage watch[] = { { "watch", watches, is_woken }, { 0 } };

static bool is_watched(void)
{
    return watched > 0;
}

static void comes_to_watch(void)
{
    watched = woken = 0;
    served.path = watch;
    client_comes(false);
    client_says(GET_X);
    await(is_watched);
    assert_true(stream_watching(served.r));
}

static void it_sleeps_until_it_is_woken(void **state)
{
    (void)state;
    comes_to_watch();
    clock_skip(HOUR); /* nobody loses patience with who only listens */
    rest(300000);
    assert_int_equal(woken, 0);
    assert_int_equal(conn_count(), 1);
    stream_wake(served.r);
    stream_wake(served.r); /* woken already */
    await_text("\"woken\"");
    assert_int_equal(woken, 1);
    assert_int_equal(served.let_go, 1);
}

static void who_listened_leaves(void **state)
{
    (void)state;
    comes_to_watch();
    client_leaves();
    await(is_left);
    assert_int_equal(woken, 0);
    assert_int_equal(served.let_go, 1);
}

/* ---- what waits for something else meanwhile ---- */

static struct offload *pool;
static struct job job;
static sem_t may_run;
static int ran, resumed;

static void runs(struct job *j)
{
    (void)j;
    sem_wait(&may_run);
    ran++;
}

static enum verdict offloads(struct req *r)
{
    r->let_go = gone;
    job.run = runs;
    return offload_run(pool, &job, &r->wait) == OK ? WAIT : req_deny(r, ERR_BUSY);
}

static enum verdict has_run(struct req *r)
{
    resumed++;
    reply_json(r, 200, STR("\"ran\""));
    return NEXT;
}

static const struct stage offloaded[] = { { "offload", offloads, has_run }, { 0 } };

static bool pool_works(void)
{
    return offload_load(pool) == 1;
}

/* What the pool works on stays whole until it has done so; then it ends where it stood. */
static void who_leaves_while_the_pool_works_is_let_go_afterwards(void **state)
{
    (void)state;
    ran = resumed = 0;
    sem_init(&may_run, 0, 0);
    pool = offload_new(1, 1, 0);
    served.path = offloaded;
    client_comes(false);
    client_says(GET_X);
    await(pool_works);
    client_resets();
    await(nobody_is_here);
    assert_int_equal(served.let_go, 0);
    assert_int_equal(flow_active(), 1);
    sem_post(&may_run);
    await(is_left);
    assert_int_equal(ran, 1);
    assert_int_equal(resumed, 0);
    assert_int_equal(served.let_go, 1);
    offload_free(pool);
    sem_destroy(&may_run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        test_served(what_is_declared_comes_and_the_connection_goes_on),
        test_served(a_slow_reader_is_waited_for),
        test_served(who_leaves_while_it_is_written_ends_it),
        test_served(without_a_length_the_end_is_the_connections),
        test_served(denied_midway_it_is_cut_off),
        test_served(it_sleeps_until_it_is_woken),
        test_served(who_listened_leaves),
        test_served(who_leaves_while_the_pool_works_is_let_go_afterwards),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
