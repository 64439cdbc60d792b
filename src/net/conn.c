#include "net/conn.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/metric.h"
#include "net/loop.h"
#include "sockets.h"
#include "uvloop.h"

#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define READ_SIZE 65536
#define FLUSH_PATIENCE (30 * SECOND) /* without a byte taken by the peer */
#define LINGER (1 * SECOND)          /* that a finished connection still reads and drops */

/* Outputs are pooled by size: of replies, and of pieces of streams. Larger ones are freed after use. */
static const struct {
    size_t size;
    unsigned kept; /* for later, at most */
} kinds[] = { { 16384, 64 }, { 65536, 16 } };
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* Bytes to be sent. [0, sent) has been taken by the socket. */
struct output {
    struct output *next;
    size_t n, sent, cap;
    size_t left; /* of what flushes, when its deadline was set */
    uv_write_t write;
    char bytes[];
};

static struct {
    const struct conn_calls *calls;
    struct list lists[CONN_CLOSING + 1]; /* every connection, by state */
    struct list dirty;
    struct turn_hook hook;
    struct {
        struct output *first;
        unsigned n;
    } spare[KINDS];
    unsigned count;
    char buffer[READ_SIZE]; /* what was just read, until `bytes` returns */
} conns;

static struct socket *socket_of(struct conn *c)
{
    return LIST_OF(c, struct socket, conn);
}

/* ---- output ---- */

static struct output *output_take(size_t need)
{
    size_t kind = 0;
    while (kind < KINDS && need > kinds[kind].size)
        kind++;
    if (kind < KINDS && conns.spare[kind].first) {
        struct output *o = conns.spare[kind].first;
        conns.spare[kind].first = o->next;
        conns.spare[kind].n--;
        return o;
    }

    size_t cap = kind < KINDS ? kinds[kind].size : need;
    struct output *o = malloc(sizeof(*o) + cap);
    if (o)
        *o = (struct output){ .cap = cap };
    return o;
}

static void output_give(struct output *o)
{
    if (!o)
        return;
    size_t kind = 0;
    while (kind < KINDS && o->cap != kinds[kind].size)
        kind++;
    if (kind == KINDS || conns.spare[kind].n >= kinds[kind].kept) {
        free(o);
        return;
    }
    o->n = o->sent = 0;
    o->next = conns.spare[kind].first;
    conns.spare[kind].first = o;
    conns.spare[kind].n++;
}

char *conn_room(struct conn *c, size_t n)
{
    struct output *o = c->output;
    must(c->state != CONN_FLUSHING);

    if (o && o->cap - o->n < n) {
        struct output *larger = output_take((o->n + n) * 2);
        if (!larger)
            return NULL;
        memcpy(larger->bytes, o->bytes, o->n);
        larger->n = o->n;
        output_give(o);
        c->output = o = larger;
    }
    if (!o)
        c->output = o = output_take(n);
    return o ? o->bytes + o->n : NULL;
}

void conn_wrote(struct conn *c, size_t n)
{
    must(n <= c->output->cap - c->output->n);
    c->output->n += n;
    if (list_empty(&c->dirty))
        list_push(&conns.dirty, &c->dirty);
}

size_t conn_backlog(const struct conn *c)
{
    return c->output ? c->output->n - c->output->sent : 0;
}

static void sent_all(struct conn *c)
{
    output_give(c->output);
    c->output = NULL;
    if (c->last)
        conn_finish(c);
    else if (c->state == CONN_FLUSHING || c->flow)
        conns.calls->flushed(c);
}

/* The kernel took the rest (or failed). The output outlives an aborted connection until here. */
static void write_ended(uv_write_t *write, int status)
{
    struct conn *c = write->data;
    if (c->state == CONN_CLOSING && !c->last)
        return; /* aborted: closed() gives the output back */
    if (status < 0) {
        conn_abort(c);
        return;
    }
    metric_add(METRIC_HTTP_SENT_BYTES, 0, conn_backlog(c));
    c->output->sent = c->output->n;
    sent_all(c);
}

/* Bytes that the peer has not taken: ours, and those that the kernel holds. The kernel tells of room only when much is
 * free, so a slow peer shows in the second alone. */
static size_t untaken(struct conn *c)
{
    struct socket *s = socket_of(c);
    size_t all = uv_stream_get_write_queue_size(&s->uv.stream);
    uv_os_fd_t fd;
    int held = 0;
    if (uv_fileno(&s->uv.handle, &fd) == 0 && ioctl(fd, SIOCOUTQ, &held) == 0 && held > 0)
        all += (size_t)held;
    return all;
}

/* Tries to write at once; what the socket does not take is left to libuv, and the connection flushes. */
static void flush(struct conn *c)
{
    struct output *o = c->output;
    if (!o || (c->state == CONN_CLOSING && !c->last))
        return;

    uv_buf_t buf = uv_buf_init(o->bytes, (unsigned)o->n);
    uv_stream_t *stream = &socket_of(c)->uv.stream;
    int taken = uv_try_write(stream, &buf, 1);
    if (taken < 0 && taken != UV_EAGAIN) {
        conn_abort(c);
        return;
    }
    if (taken > 0) {
        o->sent = (size_t)taken;
        metric_add(METRIC_HTTP_SENT_BYTES, 0, o->sent);
    }
    if (o->sent == o->n) {
        sent_all(c);
        return;
    }

    buf = uv_buf_init(o->bytes + o->sent, (unsigned)(o->n - o->sent));
    o->write.data = c;
    if (uv_write(&o->write, stream, &buf, 1, write_ended) < 0) {
        conn_abort(c);
        return;
    }
    o->left = untaken(c);
    conn_move(c, c->last ? CONN_CLOSING : CONN_FLUSHING, clock_mono() + FLUSH_PATIENCE);
}

static void flush_dirty(struct turn_hook *hook)
{
    (void)hook;
    struct list *node;
    while ((node = list_take(&conns.dirty)))
        flush(LIST_OF(node, struct conn, dirty));
}

/* ---- input ---- */

static void give_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    (void)handle;
    (void)suggested;
    *buf = uv_buf_init(conns.buffer, READ_SIZE);
}

static void was_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct conn *c = &LIST_OF(stream, struct socket, uv.stream)->conn;
    loop_woke();

    if (n > 0) {
        metric_add(METRIC_HTTP_READ_BYTES, 0, (uint64_t)n);
        if (c->state != CONN_CLOSING)
            conns.calls->bytes(c, buf->base, (size_t)n);
        return;
    }
    if (n == 0)
        return; /* EAGAIN */
    if (n != UV_EOF || (c->state == CONN_CLOSING && !c->last)) {
        conn_abort(c);
        return;
    }
    c->ended = true; /* it may still read what we send */
    uv_read_stop(stream);
    c->paused = true;
    if (c->state != CONN_CLOSING)
        conns.calls->ended(c);
}

void conn_pause(struct conn *c, bool stop)
{
    if (c->paused == stop || c->ended || c->state == CONN_CLOSING)
        return;
    uv_stream_t *stream = &socket_of(c)->uv.stream;
    if (stop)
        uv_read_stop(stream);
    else if (uv_read_start(stream, give_buffer, was_read) < 0) {
        conn_abort(c);
        return;
    }
    c->paused = stop;
}

/* ---- life ---- */

static void was_closed(uv_handle_t *handle)
{
    struct socket *s = handle->data;
    if (!s->conn.local)
        metric_set(METRIC_HTTP_CONNECTIONS, 0, --conns.count);
    list_remove(&s->conn.node);
    list_remove(&s->conn.dirty);
    output_give(s->conn.output);
    conns.calls->closed(&s->conn);
    free(s);
}

void conn_abort(struct conn *c)
{
    struct socket *s = socket_of(c);
    c->last = false;
    conn_move(c, CONN_CLOSING, 0);
    if (!uv_is_closing(&s->uv.handle))
        uv_close(&s->uv.handle, was_closed);
}

/* Tells the peer that nothing follows, without a request of libuv's. */
static void shutdown_output(uv_handle_t *handle)
{
    uv_os_fd_t fd;
    if (uv_fileno(handle, &fd) == 0)
        shutdown(fd, SHUT_WR);
}

/* A connection closed with unread bytes is reset, and the reset may overtake the reply: so the end is announced, and
 * what still comes is read and dropped for a moment. */
void conn_finish(struct conn *c)
{
    if (c->state == CONN_CLOSING && !c->last)
        return;
    c->last = true;
    if (c->output) {
        if (list_empty(&c->dirty) && c->state != CONN_FLUSHING)
            list_push(&conns.dirty, &c->dirty);
        return;
    }

    c->last = false;
    if (c->ended || c->local) {
        conn_abort(c);
        return;
    }
    conn_pause(c, false);
    if (uv_is_closing(&socket_of(c)->uv.handle))
        return;
    conn_move(c, CONN_CLOSING, clock_mono() + LINGER);
    shutdown_output(&socket_of(c)->uv.handle);
}

/* A peer that reads slowly is no reason to close, one that has not read at all since last time is. */
static bool still_reads(struct conn *c)
{
    struct output *o = c->output;
    size_t left = untaken(c);
    if (!o || o->left == 0 || left >= o->left)
        return false;
    o->left = left;
    conn_move(c, c->state, clock_mono() + FLUSH_PATIENCE);
    return true;
}

static void expired(struct deadline *d)
{
    struct conn *c = LIST_OF(d, struct conn, deadline);
    if ((c->state == CONN_FLUSHING || c->last) && still_reads(c))
        return;
    if (c->state == CONN_FLUSHING || c->state == CONN_CLOSING) {
        metric_add(METRIC_HTTP_TIMEOUTS, 0, 1);
        conn_abort(c);
    } else {
        conns.calls->expired(c);
    }
}

void conn_move(struct conn *c, enum conn_state to, int64_t deadline)
{
    if (c->state != to) {
        must(c->state != CONN_CLOSING);
        c->state = to;
        list_remove(&c->node);
        list_push(&conns.lists[to], &c->node);
    }
    if (deadline)
        deadline_set(&c->deadline, deadline);
    else
        deadline_clear(&c->deadline);
}

struct socket *conn_new(bool local)
{
    struct socket *s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    uv_loop_t *loop = loop_uv();
    int status = local ? uv_pipe_init(loop, &s->uv.pipe, 0) : uv_tcp_init(loop, &s->uv.tcp);
    if (status < 0) {
        free(s);
        return NULL;
    }

    s->uv.handle.data = s;
    s->conn.local = local;
    s->conn.paused = true;
    list_init(&s->conn.dirty);
    deadline_init(&s->conn.deadline, expired);
    list_init(&s->conn.node);
    list_push(&conns.lists[CONN_OPENING], &s->conn.node);
    if (!local)
        metric_set(METRIC_HTTP_CONNECTIONS, 0, ++conns.count);
    return s;
}

void conn_init(const struct conn_calls *calls)
{
    conns.calls = calls;
    for (int i = 0; i <= CONN_CLOSING; i++)
        list_init(&conns.lists[i]);
    list_init(&conns.dirty);
    conns.hook.run = flush_dirty;
    loop_each_turn(&conns.hook);
}

void conn_fini(void)
{
    for (size_t kind = 0; kind < KINDS; kind++) {
        struct output *o;
        while ((o = conns.spare[kind].first)) {
            conns.spare[kind].first = o->next;
            free(o);
        }
        conns.spare[kind].n = 0;
    }
}

unsigned conn_count(void)
{
    return conns.count;
}

static void abort_all(enum conn_state state)
{
    struct list *list = &conns.lists[state];
    for (struct list *node = list->next, *next; node != list; node = next) {
        next = node->next;
        conn_abort(LIST_OF(node, struct conn, node));
    }
}

void conn_close_idle(void)
{
    abort_all(CONN_OPENING);
    abort_all(CONN_IDLE);
}

void conn_close_all(void)
{
    for (int i = 0; i <= CONN_CLOSING; i++)
        abort_all((enum conn_state)i);
}
