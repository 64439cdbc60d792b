#include "start.h"

#include "base/clock.h"
#include "base/config.h"
#include "base/epoch.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/mode.h"
#include "base/shm.h"
#include "cache/window.h"
#include "crypto/hash.h"
#include "data.h"
#include "declare.h"
#include "gate/anomaly.h"
#include "gate/restraint.h"
#include "lanes.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WINDOWS_ENTRIES (1u << 17) /* pages arrive on first touch */
#define CONTROL_BACKLOG 64
#define PORT_MS 1000 /* that the port may stay taken */

_Static_assert(WORKERS_MAX <= MODE_WORKERS, "the breakers of each worker have their bit");

static int listeners[WORKERS_MAX];
static int nlisteners;
static struct sockaddr_un control;

/* ---- the segment ---- */

static size_t rounded(size_t size)
{
    return (size + 63) & ~(size_t)63; /* as shm_carve does */
}

static bool make_segment(struct worker_start *out, int workers)
{
    unsigned blocks = (unsigned)workers + 1; /* the last one is the master's */
    declare_metrics();
    size_t size = rounded(metric_size(blocks)) + rounded(epoch_size()) + rounded(mode_size()) +
                  rounded(store_shared_size()) + rounded(windows_size(WINDOWS_ENTRIES)) +
                  rounded(anomaly_size()) + rounded(restraint_size()) +
                  rounded(sizeof(struct server));
    if (shm_init(size) != OK) {
        warnx("no memory to share between workers (%zu bytes)", size);
        return false;
    }

    metric_init(shm_carve(metric_size(blocks)), blocks);
    metric_use(blocks - 1);
    epoch_init(shm_carve(epoch_size()));
    mode_init(shm_carve(mode_size()));
    out->store_shared = shm_carve(store_shared_size());
    store_shared_init(out->store_shared);
    out->windows_part = shm_carve(windows_size(WINDOWS_ENTRIES));
    out->windows_entries = WINDOWS_ENTRIES;
    anomaly_init(shm_carve(anomaly_size()));
    restraint_init(shm_carve(restraint_size()));
    out->server = shm_carve(sizeof(struct server));
    out->server->started = clock_mono_now();
    metric_set(METRIC_PROCESS_START, 0, clock_wall_now() / SECOND);
    return true;
}

/* ---- the schema ---- */

static void migrate_says(const char *line)
{
    log_say(LOG_INFO, "migrate", "%s", line);
}

static int migrate(const char *store)
{
    int here = 0, known = 0;
    const char *name = store_is_remote(store) ? "the database" : store; /* no password on the terminal */
    enum err err = store_migrate(store, migrate_says);
    bool later = err == ERR_UNAVAILABLE && store_is_remote(store);
    if (err == ERR_INVALID && store_schema(store, &here, &known) == OK && here > known)
        warnx("%s has schema %d; this program knows %d and is too old for it", name, here, known);
    else if (err != OK && !later)
        warnx("%s cannot be brought to the schema of this program: %s", name, err_info(err)->code);
    log_flush();
    return err == OK ? MIGRATED : later ? MIGRATED_LATER : MIGRATED_NEVER;
}

pid_t start_migration(const char *store)
{
    pid_t parent = getpid();
    log_flush();
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        exit(getppid() == parent ? migrate(store) : MIGRATED_NEVER);
    }
    if (child < 0)
        warn("cannot start a process");
    return child;
}

enum migrated start_migrated(int status)
{
    if (WIFSIGNALED(status))
        warnx("the migration ended by signal %d", WTERMSIG(status));
    return WIFEXITED(status) ? (enum migrated)WEXITSTATUS(status) : MIGRATED_NEVER;
}

enum migrated start_migrate(const char *store)
{
    int status = -1;
    pid_t child = start_migration(store);
    if (child < 0)
        return MIGRATED_NEVER;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    return start_migrated(status);
}

/* The store as it is to be: its schema is up to date, or will be when it can be reached (*waits). */
static bool prepare_store(struct worker_start *out, char store[PATH_MAX], bool *waits)
{
    enum migrated done = start_migrate(store);
    if (done == MIGRATED_LATER && config.database_fallback == FALLBACK_SQLITE) {
        warnx("POSTGRESQL CANNOT BE REACHED: the embedded store is used (DATABASE_FALLBACK)");
        log_say(LOG_WARN, "store", "PostgreSQL cannot be reached: the embedded store is used");
        out->server->fallback = true;
        if (!data_embedded(store))
            return false;
        done = start_migrate(store);
    }
    *waits = done == MIGRATED_LATER;
    if (*waits)
        log_say(LOG_WARN, "store", "PostgreSQL cannot be reached: serving begins when it can");
    if (store_is_remote(store))
        epoch_listen();
    return done != MIGRATED_NEVER;
}

/* ---- sockets ---- */

/* The lock is ours: a socket that lies there is of a server that is gone. */
static int bind_control(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    unlink(control.sun_path);
    if (fd >= 0 && bind(fd, (struct sockaddr *)&control, sizeof(control)) == 0 &&
        chmod(control.sun_path, 0600) == 0 && listen(fd, CONTROL_BACKLOG) == 0)
        return fd;
    warn("cannot listen on %s", control.sun_path);
    if (fd >= 0)
        close(fd);
    return -1;
}

static int bind_one(const struct addrinfo *at, bool shared)
{
    const int on = 1;
    int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (shared && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) < 0) {
        close(fd);
        return -1;
    }
    if (bind(fd, at->ai_addr, at->ai_addrlen) == 0)
        return fd;
    int why = errno;
    close(fd);
    errno = why;
    return -1;
}

/* SO_REUSEPORT would let two servers of one user share a port without a word, so it is tried without at first. The
 * workers of a server that was killed just now may hold it for a moment.
 */
static bool port_is_free(const struct addrinfo *at)
{
    const struct timespec pause = { .tv_nsec = 20 * 1000 * 1000 };
    int fd;
    for (int waited = 0; (fd = bind_one(at, false)) < 0; waited += 20) {
        if (errno != EADDRINUSE || waited >= PORT_MS)
            return false;
        nanosleep(&pause, NULL);
    }
    close(fd);
    return true;
}

bool start_listeners(int n)
{
    char port[8];
    struct addrinfo *at = NULL;
    const struct addrinfo hints = {
        .ai_socktype = SOCK_STREAM,
        .ai_flags = AI_PASSIVE | AI_NUMERICSERV,
    };
    must(n <= WORKERS_MAX);
    snprintf(port, sizeof(port), "%d", (int)config.port);
    int why = getaddrinfo(config.host, port, &hints, &at);
    if (why) {
        warnx("HOST %s: %s", config.host, gai_strerror(why));
        return false;
    }

    bool bound = port_is_free(at);
    for (int i = 0; i < n && bound; i++) {
        listeners[i] = bind_one(at, true);
        bound = listeners[i] >= 0;
        if (bound)
            nlisteners++;
        if (i == 0 && bound) /* PORT 0: all take the port that the first one was given */
            bound = getsockname(listeners[0], at->ai_addr, &at->ai_addrlen) == 0;
    }
    if (!bound)
        warn("cannot listen on %s port %s", config.host, port);
    freeaddrinfo(at);
    return bound;
}

const char *start_address(void)
{
    static char text[NI_MAXHOST + NI_MAXSERV + 16];
    struct sockaddr_storage at;
    socklen_t size = sizeof(at);
    const int flags = NI_NUMERICHOST | NI_NUMERICSERV;
    char host[NI_MAXHOST], port[NI_MAXSERV];
    if (getsockname(listeners[0], (struct sockaddr *)&at, &size) < 0 ||
        getnameinfo((struct sockaddr *)&at, size, host, sizeof(host), port, sizeof(port), flags) !=
            0)
        return "http://?";
    bool v6 = at.ss_family == AF_INET6;
    snprintf(text, sizeof(text), "http://%s%s%s:%s", v6 ? "[" : "", host, v6 ? "]" : "", port);
    return text;
}

void start_close_listeners(void)
{
    for (int i = 0; i < nlisteners; i++)
        if (listeners[i] >= 0)
            close(listeners[i]);
    nlisteners = 0;
}

/* ---- all of it ---- */

static void raise_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

bool start_prepare(struct worker_start *out, int workers, const char *config_path, bool *waits)
{
    static char store[PATH_MAX];
    uint8_t key[SHA256_SIZE];

    *out = (struct worker_start){
        .workers = workers,
        .listener = -1,
        .config = config_path,
        .store = store,
    };
    signal(SIGPIPE, SIG_IGN);
    umask(077);
    raise_descriptors();
    if (!data_store(store) || !data_control(&control) || !lanes_read(workers, out->lanes) ||
        !data_country() || !data_media() || !declare_resources())
        return false;
    out->secret = data_secret();
    if (!out->secret.p)
        return false;
    if (!make_segment(out, workers))
        return false;
    derive_key(out->secret, "hash", key); /* nodes with one secret agree on epochs and windows */
    hash_seed(key);
    out->node = uuid_new(clock_wall_now());
    if (!prepare_store(out, store, waits))
        return false;
    out->control = bind_control();
    return out->control >= 0;
}

pid_t start_worker(const struct worker_start *start, int number, int *ready)
{
    int pipes[2];
    pid_t parent = getpid();
    if (pipe2(pipes, O_CLOEXEC) < 0)
        return -1;
    pid_t child = fork();
    if (child != 0) {
        close(pipes[1]);
        *ready = pipes[0];
        if (child < 0)
            close(pipes[0]);
        return child;
    }

    /* Nothing that was acknowledged is lost by SIGKILL: acknowledged means committed. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    close(pipes[0]);
    struct worker_start mine = *start;
    mine.number = number;
    mine.ready = pipes[1];
    mine.listener = number < nlisteners ? listeners[number] : -1;
    for (int i = 0; i < nlisteners; i++)
        if (i != number)
            close(listeners[i]); /* held here too, it would outlive its worker */
    exit(worker_run(&mine));
}

void start_end(void)
{
    unlink(control.sun_path);
}
