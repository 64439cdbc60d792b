/* own_server.h: a redis-server of the test's own, for what cannot be done to one that others use: stopping it, killing
 * it, making it a replica. In a folder of its own, gone at the end.
 */
#ifndef TESTS_CACHE_OWN_SERVER_H
#define TESTS_CACHE_OWN_SERVER_H

#include "on_redis.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define OWN_ARGS 24

struct own_server {
    int port;
    pid_t pid;
    char folder[64], conf[80], url[128];
};

static inline struct sockaddr_in own_address(int port)
{
    return (struct sockaddr_in){ .sin_family = AF_INET,
                                 .sin_port = htons((uint16_t)port),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static inline int free_port(void)
{
    struct sockaddr_in at = own_address(0);
    socklen_t n = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &n), 0);
    close(fd);
    return ntohs(at.sin_port);
}

static inline bool answers(int port)
{
    struct sockaddr_in at = own_address(port);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    bool does = connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0;
    close(fd);
    return does;
}

/* Starts it (again) on its port, with these lines of configuration, as a Sentinel or not. */
static inline void own_start(struct own_server *s, const char *lines, bool sentinel)
{
    FILE *conf = fopen(s->conf, "w");
    assert_non_null(conf);
    fprintf(conf, "port %d\nbind 127.0.0.1\ndir %s\nset-proc-title no\nlogfile %s/log\n%s\n",
            s->port, s->folder, s->folder, lines);
    if (!sentinel)
        fprintf(conf, "save \"\"\nappendonly no\nrepl-diskless-sync-delay 0\n");
    fclose(conf);
    s->pid = fork();
    if (s->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execlp("redis-server", "redis-server", s->conf, sentinel ? "--sentinel" : NULL, NULL);
        _exit(127);
    }
    int64_t until = clock_mono_now() + 10 * SECOND;
    while (!answers(s->port) && clock_mono_now() < until)
        usleep(5000);
    if (!answers(s->port))
        fail_msg("redis-server does not start; is it installed?");
}

static inline void own_new(struct own_server *s, const char *lines, bool sentinel)
{
    snprintf(s->folder, sizeof(s->folder), "/tmp/gatehouse-redis-XXXXXX");
    assert_non_null(mkdtemp(s->folder));
    snprintf(s->conf, sizeof(s->conf), "%s/conf", s->folder);
    s->port = free_port();
    snprintf(s->url, sizeof(s->url), "redis://127.0.0.1:%d", s->port);
    own_start(s, lines, sentinel);
}

static inline void own_kill(struct own_server *s)
{
    if (s->pid <= 0)
        return;
    kill(s->pid, SIGKILL);
    waitpid(s->pid, NULL, 0);
    s->pid = 0;
}

static inline void own_free(struct own_server *s)
{
    static const char *const files[] = { "conf", "log", "dump.rdb" };
    char path[128];
    own_kill(s);
    for (size_t i = 0; i < COUNT(files); i++) {
        snprintf(path, sizeof(path), "%s/%s", s->folder, files[i]);
        unlink(path);
    }
    rmdir(s->folder);
}

#endif
