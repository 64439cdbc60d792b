/* bench/peers/libuv_w0.c: the least that an HTTP responder on libuv can do (W0 of the targets).
 * It looks for the empty line that ends a request's head and answers with 300 fixed bytes. One read
 * buffer serves all connections, and a reply is written at once, without a write request.
 *
 *     libuv_w0 <port>
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#define REPLY_BYTES 300
#define MOST_AT_ONCE 64 /* pipelined requests answered by one write */

struct conn {
    uv_tcp_t tcp; /* first, so that a handle is its connection */
    unsigned ended; /* how many bytes of the final CR LF CR LF have been seen */
};

struct rest {
    uv_write_t write;
    char bytes[];
};

static char replies[REPLY_BYTES * MOST_AT_ONCE];
static char shared[65536];

static void must(int status, const char *what)
{
    if (status >= 0)
        return;
    fprintf(stderr, "%s: %s\n", what, uv_strerror(status));
    exit(1);
}

static void fill_replies(void)
{
    char *first = replies;
    int body = REPLY_BYTES;
    int head = 0;

    do {
        body = REPLY_BYTES - head;
        head = snprintf(first, REPLY_BYTES,
                        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                        "Content-Length: %d\r\n\r\n",
                        body);
    } while (head + body != REPLY_BYTES);

    memset(first + head, 'x', (size_t)body);
    for (int i = 1; i < MOST_AT_ONCE; i++)
        memcpy(replies + i * REPLY_BYTES, first, REPLY_BYTES);
}

static void closed(uv_handle_t *handle)
{
    free(handle);
}

static void conn_close(struct conn *c)
{
    if (!uv_is_closing((uv_handle_t *)&c->tcp))
        uv_close((uv_handle_t *)&c->tcp, closed);
}

static void rest_written(uv_write_t *write, int status)
{
    if (status < 0)
        conn_close((struct conn *)write->handle);
    free(write);
}

/* Sends n replies; what the socket does not take at once is queued. */
static void conn_reply(struct conn *c, int n)
{
    size_t size = (size_t)n * REPLY_BYTES;
    uv_buf_t buf = uv_buf_init(replies, (unsigned)size);
    int sent = uv_try_write((uv_stream_t *)&c->tcp, &buf, 1);

    if (sent < 0 && sent != UV_EAGAIN) {
        conn_close(c);
        return;
    }
    size_t done = sent > 0 ? (size_t)sent : 0;
    if (done == size)
        return;

    struct rest *rest = malloc(sizeof *rest + size - done);
    if (rest == NULL) {
        conn_close(c);
        return;
    }
    memcpy(rest->bytes, replies + done, size - done);
    buf = uv_buf_init(rest->bytes, (unsigned)(size - done));
    must(uv_write(&rest->write, (uv_stream_t *)&c->tcp, &buf, 1, rest_written), "write");
}

static void give_buffer(uv_handle_t *handle, size_t wanted, uv_buf_t *buf)
{
    (void)handle;
    (void)wanted;
    *buf = uv_buf_init(shared, sizeof shared);
}

static void conn_readable(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf)
{
    struct conn *c = (struct conn *)stream;
    int requests = 0;

    if (got < 0) {
        conn_close(c);
        return;
    }
    /* The usual case, one whole request, is decided by its last four bytes. */
    if (c->ended == 0 && got >= 4 && memcmp(buf->base + got - 4, "\r\n\r\n", 4) == 0 &&
        memmem(buf->base, (size_t)got - 1, "\r\n\r\n", 4) == NULL) {
        conn_reply(c, 1);
        return;
    }
    for (ssize_t i = 0; i < got; i++) {
        char wanted = c->ended % 2 == 0 ? '\r' : '\n';
        c->ended = buf->base[i] == wanted ? c->ended + 1 : buf->base[i] == '\r';
        if (c->ended < 4)
            continue;
        c->ended = 0;
        if (++requests == MOST_AT_ONCE) {
            conn_reply(c, requests);
            requests = 0;
        }
    }
    if (requests > 0)
        conn_reply(c, requests);
}

static void connected(uv_stream_t *server, int status)
{
    struct conn *c = malloc(sizeof *c);
    if (status < 0 || c == NULL) {
        free(c);
        return;
    }
    c->ended = 0;
    uv_tcp_init(server->loop, &c->tcp);
    if (uv_accept(server, (uv_stream_t *)&c->tcp) < 0) {
        conn_close(c);
        return;
    }
    uv_tcp_nodelay(&c->tcp, 1);
    uv_read_start((uv_stream_t *)&c->tcp, give_buffer, conn_readable);
}

int main(int argc, char **argv)
{
    static uv_tcp_t server;
    struct sockaddr_in address;
    uv_loop_t *loop = uv_default_loop();

    if (argc != 2) {
        fprintf(stderr, "libuv_w0 <port>\n");
        return 2;
    }
    fill_replies();
    must(uv_ip4_addr("127.0.0.1", atoi(argv[1]), &address), "address");
    must(uv_tcp_init(loop, &server), "socket");
    must(uv_tcp_bind(&server, (const struct sockaddr *)&address, 0), "bind");
    must(uv_listen((uv_stream_t *)&server, 4096, connected), "listen");
    return uv_run(loop, UV_RUN_DEFAULT);
}
