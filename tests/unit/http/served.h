/* served.h: one connection to a flow whose requests walk a table of the test's, and the client at its other end. The
 * loop turns by hand: await() until what is waited for has come, rest() to see that nothing comes.
 */
#ifndef TESTS_HTTP_SERVED_H
#define TESTS_HTTP_SERVED_H

#include "../../../src/net/uvloop.h"
#include "../net/unit.h"

#include "base/config.h"
#include "http/flow.h"
#include "http/reply.h"
#include "http/stream.h"
#include "net/conn.h"
#include "net/listen.h"
#include "net/wheel.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>

#define GET_X "GET /x HTTP/1.1\r\nHost: h\r\n\r\n"
#define PATIENCE (10 * SECOND) /* of a slow machine */

static struct {
    const struct stage *path; /* what each request walks */
    size_t body_max;
    struct req *r;            /* the last that began */
    int ended, left;          /* walks that came to their end, and whose client left */
    int let_go;               /* requests that were told so: those whose let_go is gone() */
    enum err err;             /* what the last was denied with */
    int listens, client;
    char *got; /* by the client, with a NUL behind it */
    size_t n, cap;
    bool closed; /* nothing more will come */
} served;

/* ---- the walk ---- */

static inline enum verdict walk_path(struct req *r, bool resumed)
{
    enum verdict v = NEXT;
    while (v == NEXT && r->at->name) {
        v = resumed ? r->at->resume(r) : r->at->enter(r);
        resumed = false;
        if (v == NEXT)
            r->at++;
    }
    return v;
}

static inline void walk(struct req *r, bool resumed)
{
    enum verdict v = walk_path(r, resumed);
    while (v == AGAIN) {
        r->at = served.path;
        if (r->kept.blocks)
            arena_reset(&r->arena);
        v = walk_path(r, false);
    }
    if (v == WAIT)
        return;
    served.ended++;
    served.err = v == DENY ? r->err : OK;
    if (v == DENY && !stream_begun(r))
        reply_problem(r, r->err);
    flow_end(r);
}

static inline void walk_begins(struct req *r)
{
    served.r = r;
    r->at = served.path;
    walk(r, false);
}

static inline void walk_goes_on(struct req *r)
{
    walk(r, true);
}

static inline void walk_is_left(struct req *r)
{
    (void)r;
    served.left++;
}

static inline size_t body_max(const struct req *r)
{
    (void)r;
    return served.body_max;
}

static inline void gone(struct req *r)
{
    (void)r;
    served.let_go++;
}

static inline bool is_let_go(void)
{
    return served.let_go > 0;
}

/* ---- the client ---- */

static inline void client_reads(void)
{
    for (;;) {
        if (served.cap - served.n < 65537) {
            served.cap = served.cap * 2 + 131072;
            served.got = realloc(served.got, served.cap);
            assert_non_null(served.got);
        }
        ssize_t n = recv(served.client, served.got + served.n, 65536, MSG_DONTWAIT);
        if (n > 0)
            served.n += (size_t)n;
        served.got[served.n] = '\0';
        if (n == 0 || (n < 0 && errno != EAGAIN))
            served.closed = true;
        if (n <= 0)
            return;
    }
}

/* Forgets what has come so far. */
static inline void client_forgets(void)
{
    client_reads();
    served.n = 0;
    served.got[0] = '\0';
}

static inline void client_says(const char *text)
{
    size_t n = strlen(text);
    assert_int_equal(send(served.client, text, n, MSG_NOSIGNAL), n);
}

static inline void client_leaves(void)
{
    close(served.client);
    served.client = -1;
}

/* At once, so that nobody can wait for it to read. */
static inline void client_resets(void)
{
    setsockopt(served.client, SOL_SOCKET, SO_LINGER, &(struct linger){ 1, 0 },
               sizeof(struct linger));
    client_leaves();
}

/* small: its socket takes little at once. */
static inline void client_comes(bool small)
{
    struct sockaddr_in at = { 0 };
    socklen_t n = sizeof(at);
    assert_int_equal(getsockname(served.listens, (struct sockaddr *)&at, &n), 0);
    served.client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (small)
        setsockopt(served.client, SOL_SOCKET, SO_RCVBUF, &(int){ 4096 }, sizeof(int));
    assert_int_equal(connect(served.client, (struct sockaddr *)&at, n), 0);
    served.closed = false;
}

/* ---- time ---- */

static inline void turn(void)
{
    uv_run(loop_uv(), UV_RUN_NOWAIT);
    usleep(200);
}

/* Lets the loop turn until it is so. */
static inline void await_at(int line, bool (*so)(void))
{
    int64_t until = clock_mono_now() + PATIENCE;
    while (!so()) {
        if (clock_mono_now() > until)
            fail_msg("line %d: it never came; the client has got %zu bytes: %.300s", line, served.n,
                     served.got ? served.got : "");
        turn();
    }
}
#define await(so) await_at(__LINE__, (so))

static inline void rest(int64_t microseconds)
{
    int64_t until = clock_mono_now() + microseconds;
    while (clock_mono_now() < until)
        turn();
}

static const char *awaited;

static inline bool has_come(void)
{
    client_reads();
    return strstr(served.got, awaited);
}

static inline bool is_closed(void)
{
    client_reads();
    return served.closed;
}

static inline bool has_ended(void)
{
    return served.ended > 0;
}

static inline bool is_left(void)
{
    return served.left > 0;
}

static inline bool nobody_is_here(void)
{
    return conn_count() == 0;
}

static inline bool all_is_over(void)
{
    return conn_count() == 0 && flow_active() == 0;
}

/* Until the client has got this text. */
#define await_text(text) (awaited = (text), await(has_come))

/* ---- life ---- */

static inline int serve(void **state)
{
    static char nothing[] = "";
    static const struct flow_setup setup = {
        .start = walk_begins, .resume = walk_goes_on, .left = walk_is_left, .body_max = body_max
    };
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    if (begin_loop(state) != 0)
        return -1;
    memset(&served, 0, sizeof(served));
    served.body_max = 1 << 20;
    config.cors_origins = config.trusted_proxies = nothing;
    wheel_init();
    flow_init(&setup);
    served.client = -1;
    served.listens = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(served.listens, (struct sockaddr *)&at, sizeof(at)) != 0)
        return -1;
    return listen_start(served.listens, false) == OK ? 0 : -1;
}

static inline int serve_no_more(void **state)
{
    if (served.client >= 0)
        client_leaves();
    await(all_is_over);
    listen_stop(true);
    close(served.listens);
    flow_fini();
    wheel_fini();
    free(served.got);
    return end_loop(state);
}

#define test_served(f) cmocka_unit_test_setup_teardown(f, serve, serve_no_more)

#endif
