#include "net/listen.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "net/loop.h"
#include "sockets.h"
#include "uvloop.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 4096
#define FIRST_BYTE (10 * SECOND) /* that a new connection may take for a whole request head */
#define LISTENERS_MAX 4

struct listener {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } uv;
    bool local, open;
};

static struct listener listeners[LISTENERS_MAX];

/* Half of the descriptors: the store, the logs and the operator need some as well. */
static unsigned cap(void)
{
    static unsigned half;
    struct rlimit limit;
    if (!half && getrlimit(RLIMIT_NOFILE, &limit) == 0)
        half = (unsigned)(limit.rlim_cur / 2 > 1000000 ? 1000000 : limit.rlim_cur / 2);
    return half;
}

static void peer_of(struct socket *s)
{
    struct sockaddr_storage storage;
    int size = sizeof(storage);
    if (s->conn.local || uv_tcp_getpeername(&s->uv.tcp, (struct sockaddr *)&storage, &size) < 0)
        return;
    if (storage.ss_family == AF_INET6) {
        s->conn.peer = ((struct sockaddr_in6 *)(void *)&storage)->sin6_addr;
        return;
    }
    s->conn.peer.s6_addr[10] = s->conn.peer.s6_addr[11] = 0xff;
    memcpy(&s->conn.peer.s6_addr[12], &((struct sockaddr_in *)(void *)&storage)->sin_addr, 4);
}

static void arrived(uv_stream_t *stream, int status)
{
    struct listener *l = stream->data;
    loop_woke();
    if (status < 0)
        return; /* libuv has dealt with a full descriptor table by closing the newcomer */

    struct socket *s = conn_new(l->local);
    if (!s)
        return;
    if (uv_accept(stream, &s->uv.stream) < 0) {
        conn_abort(&s->conn);
        return;
    }
    if (!l->local && conn_count() > cap()) {
        metric_add(METRIC_HTTP_REFUSED, 0, 1);
        conn_abort(&s->conn);
        return;
    }

    peer_of(s);
    if (!l->local)
        uv_tcp_nodelay(&s->uv.tcp, 1);
    metric_add(METRIC_HTTP_ACCEPTED, 0, 1);
    conn_move(&s->conn, CONN_OPENING, clock_mono() + FIRST_BYTE);
    conn_pause(&s->conn, false);
}

enum err listen_start(int fd, bool local)
{
    struct listener *l = listeners;
    while (l < listeners + LISTENERS_MAX && l->open)
        l++;
    must(l < listeners + LISTENERS_MAX);

    /* libuv closes what it opens; the master's descriptor is only borrowed. */
    int own = dup(fd);
    if (own < 0)
        return ERR_UNAVAILABLE;
    *l = (struct listener){ .local = local, .open = true };
    int status =
        local ? uv_pipe_init(loop_uv(), &l->uv.pipe, 0) : uv_tcp_init(loop_uv(), &l->uv.tcp);
    must(status == 0);
    l->uv.handle.data = l;
    status = local ? uv_pipe_open(&l->uv.pipe, own) : uv_tcp_open(&l->uv.tcp, own);
    if (status == 0)
        status = uv_listen(&l->uv.stream, BACKLOG, arrived);
    if (status == 0)
        return OK;

    log_say(LOG_ERROR, "listen", "cannot accept: %s", uv_strerror(status));
    uv_close(&l->uv.handle, NULL);
    return ERR_UNAVAILABLE;
}

void listen_stop(bool local)
{
    for (struct listener *l = listeners; l < listeners + LISTENERS_MAX; l++) {
        if (!l->open || (l->local && !local))
            continue;
        l->open = false;
        uv_close(&l->uv.handle, NULL);
    }
}
