#include "control.h"

#include "base/clock.h"
#include "base/config.h"
#include "base/log.h"
#include "data.h"
#include "start.h"

#include <err.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_SECONDS 30
#define ANSWER_MAX (16 << 20)
#define SERVER_PATIENCE (5 * SECOND) /* that a server may be starting or ending */
#define RETRY_MS 50

static struct sockaddr_un address;
static pid_t own; /* the worker that was started for this command, 0: a server answers */

/* ---- one request ---- */

static int reach(void)
{
    const struct timeval limit = { .tv_sec = ANSWER_SECONDS };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    close(fd);
    return -1;
}

static bool send_all(int fd, struct str bytes)
{
    while (bytes.n > 0) {
        ssize_t n = write(fd, bytes.p, bytes.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        bytes = (struct str){ bytes.p + n, bytes.n - (size_t)n };
    }
    return true;
}

/* Until the server closes, as it was asked to. */
static bool receive_all(int fd, struct text *t)
{
    for (;;) {
        char *at = text_room(t, 65536);
        if (!at || t->n > ANSWER_MAX)
            return false;
        ssize_t n = read(fd, at, 65536);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n == 0;
        t->n += (size_t)n;
    }
}

static bool read_answer(struct str bytes, struct answer *out)
{
    const char *end = bytes.n ? memmem(bytes.p, bytes.n, "\r\n\r\n", 4) : NULL;
    if (!end || bytes.n < 12 || memcmp(bytes.p, "HTTP/1.1 ", 9) != 0)
        return false;
    out->status = atoi(bytes.p + 9);
    out->body = (struct str){ end + 4, bytes.n - (size_t)(end + 4 - bytes.p) };
    return out->status >= 100;
}

static bool exchange(struct arena *a, const char *method, struct str target, struct str body,
                     struct answer *out)
{
    struct text request = text_new(a, 512 + body.n), reply = text_new(a, 65536);
    text_printf(&request, "%s %.*s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n", method,
                STR_ARG(target));
    if (body.p)
        text_printf(&request, "Content-Type: application/json\r\nContent-Length: %zu\r\n", body.n);
    text_lit(&request, "\r\n");
    text_add(&request, body);

    int fd = request.failed ? -1 : reach();
    if (fd < 0)
        return false;
    bool answered = send_all(fd, text_str(&request)) && receive_all(fd, &reply) &&
                    read_answer(text_str(&reply), out);
    close(fd);
    return answered;
}

bool control_ask(struct arena *a, const char *method, struct str target, struct str body,
                 struct answer *out)
{
    if (exchange(a, method, target, body, out))
        return true;
    warnx("the server did not answer; whether the change was made is not known");
    return false;
}

/* ---- finding who answers ---- */

/* A connection alone proves little: the workers of a killed server may not have ended yet. */
static bool server_answers(void)
{
    struct arena arena = { 0 };
    struct answer answer;
    bool answers = exchange(&arena, "GET", STR("/health/live"), STR_NONE, &answer);
    arena_reset(&arena);
    return answers;
}

/* Quiet: what matters is the answer. */
static bool start_own(const char *config_path)
{
    struct worker_start start;
    char byte;
    int ready;
    log_open(STDERR_FILENO, LOG_ERROR, (enum log_format)config.log_format);
    log_who("command");
    bool waits = false;
    if (!start_prepare(&start, 1, config_path, &waits))
        return false;
    if (waits) {
        warnx("PostgreSQL cannot be reached");
        return false;
    }
    for (int i = 0; i < LANE_COUNT; i++)
        start.lanes[i] = (struct lane_size){ 0, 1 }; /* one request needs few, and those at once */
    own = start_worker(&start, 0, &ready);
    if (own < 0) {
        own = 0;
        warn("cannot start a worker");
        return false;
    }
    bool listens = read(ready, &byte, 1) == 1;
    close(ready);
    if (!listens)
        warnx("the worker for this command did not start");
    return listens;
}

bool control_open(const char *config_path)
{
    const struct timespec pause = { .tv_nsec = RETRY_MS * 1000 * 1000 };
    int64_t until = clock_mono_now() + SERVER_PATIENCE;
    clock_tick();
    signal(SIGPIPE, SIG_IGN);
    if (!data_folder() || !data_control(&address))
        return false;
    while (!server_answers()) {
        enum err err = data_lock();
        if (err == OK)
            return start_own(config_path);
        if (err != ERR_IN_USE)
            return false;
        if (clock_mono_now() > until) {
            warnx("process %ld uses DATA_DIR, but does not answer", data_holder());
            return false;
        }
        nanosleep(&pause, NULL);
    }
    return true;
}

void control_close(void)
{
    if (own > 0) {
        kill(own, SIGINT);
        while (waitpid(own, NULL, 0) < 0 && errno == EINTR)
            ;
        start_end();
    }
    own = 0;
}
