#include "redis_link.h"

#include "base/clock.h"
#include "net/poll.h"
#include "net/resolve.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define OUT_FIRST 4096
#define OUT_KEPT (256 * 1024)
#define OUT_MOST ((size_t)16 << 20)
#define READ_SIZE (16 * 1024) /* hiredis moves what is left of it with each answer, so it is small */
#define READS_MAX 16          /* of one event; then others have their turn */
#define NUMBER_MAX 24         /* "$18446744073709551615\r\n" */

/* A name being looked up. It cannot be called off, so it outlives a link that no longer wants it. */
struct lookup {
    struct wait wait;
    struct resolved found;
    struct link *link; /* NULL: no longer wanted */
};

static void fail(struct link *l, const char *why)
{
    redis_link_close(l);
    l->closed(l, why);
}

/* ---- commands as bytes ---- */

size_t command_size(int argc, const struct str *argv)
{
    size_t n = NUMBER_MAX;
    for (int i = 0; i < argc; i++)
        n += NUMBER_MAX + argv[i].n + 2;
    return n;
}

static char *write_number(char *p, char kind, size_t number)
{
    char digits[20];
    int n = 0;
    do {
        digits[n++] = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    *p++ = kind;
    while (n > 0)
        *p++ = digits[--n];
    *p++ = '\r';
    *p++ = '\n';
    return p;
}

char *command_write(char *p, int parts, int argc, const struct str *argv)
{
    if (parts > 0)
        p = write_number(p, '*', (size_t)parts);
    for (int i = 0; i < argc; i++) {
        p = write_number(p, '$', argv[i].n);
        if (argv[i].n > 0)
            memcpy(p, argv[i].p, argv[i].n);
        p += argv[i].n;
        *p++ = '\r';
        *p++ = '\n';
    }
    return p;
}

/* ---- out ---- */

char *redis_link_room(struct link *l, size_t n)
{
    if (l->out_at > 0 && l->out_cap - l->out_n < n) {
        memmove(l->out, l->out + l->out_at, l->out_n - l->out_at);
        l->out_n -= l->out_at;
        l->out_at = 0;
    }
    if (n > OUT_MOST - l->out_n)
        return NULL;
    size_t cap = l->out_cap ? l->out_cap : OUT_FIRST;
    while (cap - l->out_n < n)
        cap *= 2;
    if (cap > l->out_cap) {
        char *out = realloc(l->out, cap);
        if (!out)
            return NULL;
        l->out = out;
        l->out_cap = cap;
    }
    return l->out + l->out_n;
}

void redis_link_wrote(struct link *l, const char *end)
{
    l->out_n = (size_t)(end - l->out);
}

enum err redis_link_command(struct link *l, int argc, const struct str *argv)
{
    char *p = redis_link_room(l, command_size(argc, argv));
    if (!p)
        return ERR_UNAVAILABLE;
    redis_link_wrote(l, command_write(p, argc, argc, argv));
    return OK;
}

static void out_empty(struct link *l)
{
    l->out_at = l->out_n = 0;
    if (l->out_cap <= OUT_KEPT)
        return;
    free(l->out);
    l->out = NULL;
    l->out_cap = 0;
}

static void watch(struct link *l, bool full)
{
    l->full = full;
    poll_want(l->poll, true, full);
}

void redis_link_flush(struct link *l)
{
    if (l->state != LINK_OPEN || l->full)
        return;
    while (l->out_at < l->out_n) {
        ssize_t n = send(l->fd, l->out + l->out_at, l->out_n - l->out_at, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            watch(l, true);
            return;
        }
        if (n < 0) {
            fail(l, strerror(errno));
            return;
        }
        l->out_at += (size_t)n;
    }
    out_empty(l);
}

/* ---- in ---- */

/* Hands over what is whole. False: the link is not what it was. */
static bool hand_over(struct link *l)
{
    struct reader *rd = l->reader;
    struct redis_block *b;
    for (;;) {
        if (reader_take(rd, &b) != OK) {
            fail(l, "it does not speak the protocol of Redis, or said more than we take");
            return false;
        }
        if (!b)
            return true;
        l->answered(l, b);
        if (l->reader != rd || l->state != LINK_OPEN)
            return false;
    }
}

static void read_some(struct link *l)
{
    static char buffer[READ_SIZE];
    for (int i = 0; i < READS_MAX; i++) {
        ssize_t n = recv(l->fd, buffer, sizeof(buffer), 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return;
        if (n <= 0) {
            fail(l, n == 0 ? "Redis closed the connection" : strerror(errno));
            return;
        }
        if (reader_feed(l->reader, buffer, (size_t)n) != OK) {
            fail(l, "out of memory");
            return;
        }
        if (!hand_over(l) || (size_t)n < sizeof(buffer))
            return;
    }
}

void redis_link_read(struct link *l)
{
    if (l->state != LINK_OPEN || l->reading)
        return;
    l->reading = true;
    read_some(l);
    l->reading = false;
    reader_free(l->spent);
    l->spent = NULL;
}

/* ---- the way to an open one ---- */

static void connected(struct link *l)
{
    int error = 0;
    socklen_t n = sizeof(error);
    if (getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &error, &n) < 0)
        error = errno;
    if (error) {
        fail(l, strerror(error));
        return;
    }
    l->reader = reader_new();
    if (!l->reader) {
        fail(l, "out of memory");
        return;
    }
    l->state = LINK_OPEN;
    watch(l, false);
    l->opened(l);
}

static void ready(void *owner, bool readable, bool writable)
{
    struct link *l = owner;
    if (l->state == LINK_CONNECTING) {
        if (writable)
            connected(l);
        return;
    }
    if (writable && l->full) {
        watch(l, false);
        redis_link_flush(l);
    }
    if (readable)
        redis_link_read(l);
}

/* Numeric, so nothing is looked up here. False: errno. */
static bool dial(struct link *l, const char *address)
{
    struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons((uint16_t)l->place.port) };
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6,
                               .sin6_port = htons((uint16_t)l->place.port) };
    bool is_v4 = inet_pton(AF_INET, address, &v4.sin_addr) == 1;
    if (!is_v4 && inet_pton(AF_INET6, address, &v6.sin6_addr) != 1) {
        errno = EINVAL;
        return false;
    }

    l->fd = socket(is_v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (l->fd < 0)
        return false;
    int on = 1;
    setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(l->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    int done = is_v4 ? connect(l->fd, (struct sockaddr *)&v4, sizeof(v4))
                     : connect(l->fd, (struct sockaddr *)&v6, sizeof(v6));
    return done == 0 || errno == EINPROGRESS;
}

static void looked_up(struct wait *w)
{
    struct lookup *up = LIST_OF(w, struct lookup, wait);
    struct link *l = up->link;
    if (!l) {
        free(up);
        return;
    }
    struct resolved found = up->found;
    l->lookup = NULL;
    free(up);

    if (found.err != OK) {
        fail(l, found.says);
        return;
    }
    l->state = LINK_CONNECTING;
    if (!dial(l, found.address[l->attempt++ % found.n])) {
        fail(l, strerror(errno));
        return;
    }
    l->poll = poll_new(l->fd, ready, l);
    if (!l->poll) {
        fail(l, "out of memory");
        return;
    }
    poll_want(l->poll, false, true);
}

static void impatient(struct deadline *d)
{
    struct link *l = LIST_OF(d, struct link, patience);
    fail(l, l->state == LINK_OPEN ? "Redis does not answer" : "the connection takes too long");
}

void redis_link_init(struct link *l)
{
    l->state = LINK_CLOSED;
    l->fd = -1;
    deadline_init(&l->patience, impatient);
}

void redis_link_open(struct link *l, const struct redis_place *place, int64_t until)
{
    must(l->state == LINK_CLOSED);
    l->place = *place;
    l->state = LINK_RESOLVING;
    deadline_set(&l->patience, until);
    l->lookup = calloc(1, sizeof(*l->lookup));
    if (!l->lookup)
        return; /* the deadline ends it */
    l->lookup->link = l;
    wait_init(&l->lookup->wait, looked_up);
    resolve_ask(l->place.host, &l->lookup->found, &l->lookup->wait);
}

void redis_link_settled(struct link *l)
{
    deadline_clear(&l->patience);
}

void redis_link_close(struct link *l)
{
    if (l->lookup)
        l->lookup->link = NULL;
    l->lookup = NULL;
    deadline_clear(&l->patience);
    poll_free(l->poll);
    l->poll = NULL;
    if (l->fd >= 0)
        close(l->fd);
    l->fd = -1;
    if (l->reading && !l->spent)
        l->spent = l->reader;
    else
        reader_free(l->reader);
    l->reader = NULL;
    free(l->out);
    l->out = NULL;
    l->out_at = l->out_n = l->out_cap = 0;
    l->full = false;
    l->state = LINK_CLOSED;
}
