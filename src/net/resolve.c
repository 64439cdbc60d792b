#include "net/resolve.h"

#include "uvloop.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct asked {
    uv_getaddrinfo_t uv;
    struct resolved *out;
    struct wait *wait;
};

static void fail(struct resolved *out, const char *why)
{
    out->err = ERR_UNAVAILABLE;
    snprintf(out->says, sizeof(out->says), "%s", why);
}

static void take(struct resolved *out, const struct addrinfo *at)
{
    for (; at && out->n < ADDRESSES_MAX; at = at->ai_next)
        if (uv_ip_name(at->ai_addr, out->address[out->n], ADDRESS_TEXT) == 0)
            out->n++;
    if (out->n == 0)
        fail(out, "the name has no address");
}

static void looked_up(uv_getaddrinfo_t *uv, int status, struct addrinfo *found)
{
    struct asked *a = uv->data;
    loop_woke();
    if (status < 0)
        fail(a->out, uv_strerror(status));
    else
        take(a->out, found);
    uv_freeaddrinfo(found);
    wait_done(a->wait);
    free(a);
}

static bool numeric(const char *host)
{
    unsigned char bytes[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

void resolve_ask(const char *host, struct resolved *out, struct wait *w)
{
    const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG };
    *out = (struct resolved){ 0 };
    wait_open(w);
    if (numeric(host)) {
        snprintf(out->address[0], ADDRESS_TEXT, "%s", host);
        out->n = 1;
        wait_done(w);
        return;
    }

    struct asked *a = calloc(1, sizeof(*a));
    if (!a) {
        fail(out, "out of memory");
        wait_done(w);
        return;
    }
    a->out = out;
    a->wait = w;
    a->uv.data = a;
    int status = uv_getaddrinfo(loop_uv(), &a->uv, looked_up, host, NULL, &hints);
    if (status < 0) {
        fail(out, uv_strerror(status));
        wait_done(w);
        free(a);
    }
}
