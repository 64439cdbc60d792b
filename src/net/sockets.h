/* net/sockets.h: what conn.c and listen.c know of each other. */
#ifndef NET_SOCKETS_H
#define NET_SOCKETS_H

#include "net/conn.h"

#include <uv.h>

struct socket {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } uv;
    struct conn conn;
};

/* A connection in `opening`, not yet accepted; NULL when memory is out. */
struct socket *conn_new(bool local);

#endif
