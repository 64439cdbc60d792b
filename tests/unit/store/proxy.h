/* A way to PostgreSQL that can be cut, closed and held up: a child that passes bytes on. */
#ifndef STORE_PROXY_H
#define STORE_PROXY_H

#include "remote.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define PROXY_PAIRS 40

struct proxy {
    int port, target;
    pid_t pid; /* 0: closed */
    char url[500];
};

static inline struct sockaddr_in proxy_place(int port)
{
    return (struct sockaddr_in){ .sin_family = AF_INET,
                                 .sin_port = htons((uint16_t)port),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static inline int proxy_listen(int *port)
{
    struct sockaddr_in at = proxy_place(*port);
    socklen_t n = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &n), 0);
    *port = ntohs(at.sin_port);
    return fd;
}

static inline bool proxy_pass_on(int from, int to)
{
    char bytes[65536];
    ssize_t n = read(from, bytes, sizeof(bytes));
    for (ssize_t done = 0, once; done < n; done += once)
        if ((once = write(to, bytes + done, (size_t)(n - done))) <= 0)
            return false;
    return n > 0;
}

/* The child's life. fds[2 k + 1] and fds[2 k + 2] belong together. What it inherited of the store's connections would
 * keep them open, and the parent's epoll would go on telling of them. */
static inline _Noreturn void proxy_serve(int listener, int target)
{
    if (listener > 3)
        close_range(3, (unsigned)listener - 1, 0);
    close_range((unsigned)listener + 1, ~0U, 0);
    struct pollfd fds[1 + 2 * PROXY_PAIRS] = { { .fd = listener, .events = POLLIN } };
    int n = 1;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGPIPE, SIG_IGN);
    while (poll(fds, (nfds_t)n, -1) >= 0) {
        if (fds[0].revents && n + 2 <= 1 + 2 * PROXY_PAIRS) {
            struct sockaddr_in to = proxy_place(target);
            fds[n] = (struct pollfd){ .fd = accept(listener, NULL, NULL), .events = POLLIN };
            fds[n + 1] = (struct pollfd){ .fd = socket(AF_INET, SOCK_STREAM, 0), .events = POLLIN };
            if (connect(fds[n + 1].fd, (struct sockaddr *)&to, sizeof(to)) != 0)
                _exit(1);
            n += 2;
        }
        for (int i = 1; i < n; i++) {
            int other = i % 2 ? i + 1 : i - 1;
            if (!fds[i].revents || proxy_pass_on(fds[i].fd, fds[other].fd))
                continue;
            close(fds[i].fd);
            close(fds[other].fd);
            fds[i].fd = fds[other].fd = -1;
            fds[i].revents = fds[other].revents = 0;
        }
    }
    _exit(0);
}

/* A port of its own, and the URL of the test's database through it; closed. */
static inline void proxy_init(struct proxy *p, const struct remote *r)
{
    *p = (struct proxy){ 0 };
    const char *at = strrchr(r->f.path, '@');
    const char *colon = at ? strchr(at, ':') : NULL;
    assert_non_null(colon);
    p->target = atoi(colon + 1);
    close(proxy_listen(&p->port));
    snprintf(p->url, sizeof(p->url), "%.*s@127.0.0.1:%d/%s", (int)(at - r->f.path), r->f.path,
             p->port, r->name);
}

static inline void proxy_open(struct proxy *p)
{
    int listener = proxy_listen(&p->port);
    assert_int_equal(listen(listener, 100), 0);
    p->pid = fork();
    if (p->pid == 0)
        proxy_serve(listener, p->target);
    close(listener);
}

/* Every connection through it is cut. */
static inline void proxy_close(struct proxy *p)
{
    if (!p->pid)
        return;
    kill(p->pid, SIGKILL);
    waitpid(p->pid, NULL, 0);
    p->pid = 0;
}

#endif
