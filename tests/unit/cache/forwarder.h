/* forwarder.h: a process that stands between a client and the Redis of the tests, so that this one connection can
 * be slow, hang (SIGSTOP) or break (SIGKILL) while the Redis goes on for others.
 */
#ifndef TESTS_CACHE_FORWARDER_H
#define TESTS_CACHE_FORWARDER_H

#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct forwarder {
    struct sockaddr_in to, at;
    pid_t pid;
    useconds_t delay; /* microseconds before it passes something on */
    char url[256];    /* that leads through it */
};

static inline int pass_on(int from, int to, useconds_t delay)
{
    char bytes[65536];
    usleep(delay);
    ssize_t n = read(from, bytes, sizeof(bytes));
    for (ssize_t sent = 0, more; sent < n; sent += more) {
        if ((more = write(to, bytes + sent, (size_t)(n - sent))) <= 0)
            return -1;
    }
    return n > 0 ? 0 : -1;
}

_Noreturn static inline void forward(int listener, const struct forwarder *f)
{
    struct pollfd fds[64] = { { listener, POLLIN, 0 } };
    nfds_t n = 1; /* then pairs */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (poll(fds, n, -1) > 0) {
        for (nfds_t i = 1; i < n; i++) {
            nfds_t peer = i % 2 ? i + 1 : i - 1;
            if (fds[i].revents && pass_on(fds[i].fd, fds[peer].fd, f->delay) < 0) {
                close(fds[i].fd);
                close(fds[peer].fd);
                fds[i].fd = fds[peer].fd = -1;
            }
        }
        if (fds[0].revents && n + 2 <= sizeof(fds) / sizeof(fds[0])) {
            int in = accept(listener, NULL, NULL), out = socket(AF_INET, SOCK_STREAM, 0);
            if (connect(out, (const struct sockaddr *)&f->to, sizeof(f->to)) < 0)
                _exit(1);
            fds[n++] = (struct pollfd){ in, POLLIN, 0 };
            fds[n++] = (struct pollfd){ out, POLLIN, 0 };
        }
    }
    _exit(1);
}

/* Starts it, again at the same port if it had one. */
static inline void forwarder_start(struct forwarder *f)
{
    int listener = socket(AF_INET, SOCK_STREAM, 0), yes = 1;
    socklen_t n = sizeof(f->at);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    if (bind(listener, (struct sockaddr *)&f->at, n) < 0 || listen(listener, 16) < 0)
        abort();
    getsockname(listener, (struct sockaddr *)&f->at, &n);
    f->pid = fork();
    if (f->pid == 0)
        forward(listener, f);
    close(listener);
}

/* url: redis://[[user]:password@]address:port/database */
static inline void forwarder_init(struct forwarder *f, const char *url)
{
    const char *host = strchr(url, '@') ? strchr(url, '@') + 1 : strstr(url, "//") + 2;
    const char *colon = strchr(host, ':'), *slash = strchr(host, '/');
    char address[64];
    snprintf(address, sizeof(address), "%.*s", (int)(colon - host), host);
    memset(f, 0, sizeof(*f));
    f->to.sin_family = f->at.sin_family = AF_INET;
    f->at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    f->to.sin_port = htons((uint16_t)atoi(colon + 1));
    inet_pton(AF_INET, strcmp(address, "localhost") == 0 ? "127.0.0.1" : address, &f->to.sin_addr);
    forwarder_start(f);
    snprintf(f->url, sizeof(f->url), "%.*s127.0.0.1:%d%s", (int)(host - url), url,
             ntohs(f->at.sin_port), slash ? slash : "");
}

static inline void forwarder_end(struct forwarder *f)
{
    kill(f->pid, SIGKILL);
    waitpid(f->pid, NULL, 0);
}

#endif
