#include "net/poll.h"

#include "uvloop.h"

#include <stdlib.h>

struct poll {
    uv_poll_t uv;
    poll_fn *ready;
    void *owner;
    int events;
};

static void polled(uv_poll_t *uv, int status, int events)
{
    struct poll *p = uv->data;
    loop_woke();
    if (status < 0)
        events = UV_READABLE | UV_WRITABLE;
    p->ready(p->owner, events & UV_READABLE, events & UV_WRITABLE); /* p may be gone */
}

struct poll *poll_new(int fd, poll_fn *ready, void *owner)
{
    struct poll *p = calloc(1, sizeof(*p));
    if (!p || uv_poll_init(loop_uv(), &p->uv, fd) < 0) {
        free(p);
        return NULL;
    }
    p->uv.data = p;
    p->ready = ready;
    p->owner = owner;
    uv_unref((uv_handle_t *)&p->uv); /* an idle connection does not keep a stopping loop */
    return p;
}

void poll_want(struct poll *p, bool read, bool write)
{
    int events = (read ? UV_READABLE : 0) | (write ? UV_WRITABLE : 0);
    if (events == p->events)
        return;
    p->events = events;
    if (events)
        uv_poll_start(&p->uv, events, polled);
    else
        uv_poll_stop(&p->uv);
}

static void closed(uv_handle_t *handle)
{
    free(handle->data);
}

void poll_free(struct poll *p)
{
    if (p)
        uv_close((uv_handle_t *)&p->uv, closed);
}
