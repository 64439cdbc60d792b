#include "master.h"

#include "base/clock.h"
#include "base/config.h"
#include "base/epoch.h"
#include "base/log.h"
#include "base/metric.h"
#include "data.h"
#include "reload.h"
#include "start.h"

#include <err.h>
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAUSE_MIN (SECOND / 10) /* before a dead worker is started again: at first */
#define PAUSE_MAX (5 * SECOND)  /* and at most */
#define STEADY (30 * SECOND)    /* alive for so long, its deaths are forgotten */
#define START_PATIENCE (60 * SECOND)
#define END_PATIENCE (30 * SECOND)
#define MIGRATE_PAUSE (SECOND / 2) /* between tries to reach the store */

struct child {
    pid_t pid;     /* 0: none runs */
    int ready;     /* read end of its pipe, -1: it has said so */
    int64_t began; /* monotonic */
    int64_t due;   /* when the next one is to start, while none runs */
    int64_t pause;
};

static struct {
    struct worker_start start;
    struct child children[WORKERS_MAX];
    int n;
    int signals;       /* signalfd */
    const char *program;
    pid_t migration;   /* its process, 0: none runs */
    int64_t migrate_at; /* when the next one is due; 0: the schema is what it should be */
    bool serving;      /* every worker has been ready */
    bool ending, failed;
    int64_t until;     /* the start, or the end, takes no longer */
} master;

/* ---- workers ---- */

static int alive(void)
{
    int n = 0;
    for (int i = 0; i < master.n; i++)
        n += master.children[i].pid > 0;
    return n;
}

static void tell_all(int signum)
{
    for (int i = 0; i < master.n; i++)
        if (master.children[i].pid > 0)
            kill(master.children[i].pid, signum);
}

static void start_child(int number)
{
    struct child *s = &master.children[number];
    log_flush(); /* or the worker would write these lines again */
    s->began = clock_mono();
    s->pid = start_worker(&master.start, number, &s->ready);
    if (s->pid > 0) {
        metric_add(METRIC_WORKER_STARTS, 0, 1);
        return;
    }
    log_say(LOG_ERROR, "worker.fork", "cannot start worker %d: %s", number, strerror(errno));
    s->pid = 0;
    s->ready = -1;
    s->due = s->began + PAUSE_MAX;
}

static void set_ready(struct child *s)
{
    close(s->ready);
    s->ready = -1;
    atomic_fetch_add(&master.start.server->running, 1);
}

static void end_all(int signum, int64_t patience)
{
    master.ending = true;
    master.until = clock_mono() + patience;
    start_close_listeners(); /* each socket ends when its worker stops accepting */
    tell_all(signum);
}

static void log_death(int number, pid_t pid, int status)
{
    log_begin(master.ending && status == 0 ? LOG_INFO : LOG_ERROR, "worker.ended");
    log_int("worker", number);
    log_int("pid", pid);
    if (WIFSIGNALED(status))
        log_int("signal", WTERMSIG(status));
    else
        log_int("status", WEXITSTATUS(status));
    log_end();
}

static void child_died(int number, int status)
{
    struct child *s = &master.children[number];
    log_death(number, s->pid, status);
    epoch_bump_all(); /* it may have committed what it did not live to announce */
    s->pid = 0;
    if (s->ready < 0) {
        atomic_fetch_sub(&master.start.server->running, 1);
    } else {
        close(s->ready);
        s->ready = -1;
    }

    if (!master.serving && !master.ending) { /* what a first start meets, a second one meets again */
        master.failed = true;
        end_all(SIGINT, END_PATIENCE);
    }
    bool steady = clock_mono() - s->began >= STEADY;
    s->pause = steady || s->pause == 0 ? PAUSE_MIN : s->pause * 2;
    if (s->pause > PAUSE_MAX)
        s->pause = PAUSE_MAX;
    s->due = clock_mono() + s->pause;
}

/* What the start could not do, as the store was not there. */
static void migration_ended(int status)
{
    enum migrated done = start_migrated(status);
    master.migration = 0;
    master.migrate_at = done == MIGRATED_LATER ? clock_mono() + MIGRATE_PAUSE : 0;
    if (done == MIGRATED)
        log_say(LOG_INFO, "store", "PostgreSQL can be reached, and has the schema of this program");
    if (done != MIGRATED_NEVER || master.ending)
        return;
    master.failed = true;
    end_all(SIGINT, END_PATIENCE);
}

static void migrate_due(void)
{
    if (master.migrate_at == 0 || master.migrate_at > clock_mono() || master.ending)
        return;
    master.migration = start_migration(master.start.store);
    master.migrate_at = master.migration < 0 ? clock_mono() + MIGRATE_PAUSE : 0;
}

static void reap(void)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid == master.migration)
            migration_ended(status);
        for (int i = 0; i < master.n; i++)
            if (master.children[i].pid == pid)
                child_died(i, status);
    }
}

/* ---- what the operator is told ---- */

/* A word that a shell reads as it is. */
static void print_word(const char *word)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-";
    if (word[strspn(word, plain)] == '\0') {
        printf("%s", word);
        return;
    }
    putchar('\'');
    for (; *word; word++)
        if (*word == '\'')
            printf("'\\''");
        else
            putchar(*word);
    putchar('\'');
}

static void print_first_admin(void)
{
    printf("\nThere is no admin yet. This makes the first one:\n  printf '%%s' 'PASSWORD' | ");
    if (getenv("DATA_DIR")) {
        printf("DATA_DIR=");
        print_word(config.data_dir);
        putchar(' ');
    }
    print_word(master.program);
    if (master.start.config) {
        printf(" --config ");
        print_word(master.start.config);
    }
    printf(" user add --email you@example.com --role admin\n");
}

static void announce(void)
{
    const struct server *server = master.start.server;
    printf("Gatehouse %s\n", GATEHOUSE_VERSION);
    printf("  listens on  %s\n", start_address());
    printf("  store       %s\n", server->store);
    printf("  cache       memory, %lld MiB a worker%s%s\n", (long long)config.cache_megabytes,
           server->cache[0] ? "; " : "", server->cache);
    printf("  workers     %d\n", master.n);
    if (server->fallback)
        printf("  POSTGRESQL CANNOT BE REACHED: this is the embedded store (DATABASE_FALLBACK)\n");
    if (config.rate_limit_profile == PROFILE_OFF)
        printf("  LIMITS ARE OFF (RATE_LIMIT_PROFILE=off): only failed sign-ins are refused\n");
    if (server->no_admin)
        print_first_admin();
    fflush(stdout);
}

/* ---- the turns ---- */

static void on_signal(int signum)
{
    switch (signum) {
    case SIGCHLD:
        reap();
        break;
    case SIGHUP:
        if (reload(master.start.config, true)) {
            log_say(LOG_INFO, "reload", "the settings have been read again");
            tell_all(SIGHUP);
        }
        break;
    case SIGTERM:
        if (master.ending)
            break;
        log_say(LOG_INFO, "drain", "ending in %lld s", (long long)config.drain_seconds);
        end_all(SIGTERM, config.drain_seconds * SECOND + END_PATIENCE);
        break;
    case SIGINT:
        log_say(LOG_INFO, "drain", "ending now");
        end_all(SIGINT, END_PATIENCE);
        break;
    }
}

static void read_signals(void)
{
    struct signalfd_siginfo info;
    while (read(master.signals, &info, sizeof(info)) == sizeof(info))
        on_signal((int)info.ssi_signo);
}

static void read_ready(struct child *s)
{
    char byte;
    if (read(s->ready, &byte, 1) == 1)
        set_ready(s);
    const struct server *server = master.start.server;
    if (master.serving || master.ending || atomic_load(&server->running) < master.n)
        return;
    master.serving = true;
    long long took = (clock_mono_now() - server->started) / 1000;
    log_say(LOG_INFO, "ready", "%d workers, %s, %lld ms", master.n, start_address(), took);
    announce();
}

static void start_due(void)
{
    if (!master.serving || master.ending)
        return;
    for (int i = 0; i < master.n; i++)
        if (master.children[i].pid == 0 && master.children[i].due <= clock_mono())
            start_child(i);
}

/* Milliseconds until something is due, -1: nothing is. */
static int patience(void)
{
    int64_t next = master.serving && !master.ending ? INT64_MAX : master.until;
    for (int i = 0; i < master.n && master.serving && !master.ending; i++)
        if (master.children[i].pid == 0 && master.children[i].due < next)
            next = master.children[i].due;
    if (master.migrate_at && !master.ending && master.migrate_at < next)
        next = master.migrate_at;
    if (next == INT64_MAX)
        return -1;
    int64_t left = (next - clock_mono()) / 1000 + 1;
    return left < 0 ? 0 : (int)left;
}

/* One turn: waits for a signal, a worker that became ready, or a time. */
static void turn(void)
{
    struct pollfd fds[WORKERS_MAX + 1] = { { .fd = master.signals, .events = POLLIN } };
    for (int i = 0; i < master.n; i++)
        fds[i + 1] = (struct pollfd){ .fd = master.children[i].ready, .events = POLLIN }; /* poll passes over -1 */
    int n = poll(fds, (nfds_t)master.n + 1, patience());

    clock_tick();
    for (int i = 0; i < master.n && n > 0; i++)
        if (fds[i + 1].revents & POLLIN)
            read_ready(&master.children[i]);
    if (n > 0 && fds[0].revents)
        read_signals();
    start_due();
    migrate_due();
    if (!master.serving && !master.ending && clock_mono() >= master.until) {
        log_say(LOG_ERROR, "start", "the workers do not become ready");
        master.failed = true;
        end_all(SIGINT, END_PATIENCE);
    }
    log_flush();
}

/* ---- the whole ---- */

static int cores(void)
{
    cpu_set_t set;
    int n = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
    return n < 1 ? 1 : n > WORKERS_MAX ? WORKERS_MAX : n;
}

static bool take_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    signal(SIGUSR1, SIG_IGN);
    signal(SIGUSR2, SIG_IGN);
    if (sigprocmask(SIG_BLOCK, &set, NULL) == 0)
        master.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (master.signals <= 0)
        warn("cannot take signals");
    return master.signals > 0;
}

static bool open_all(const char *config_path)
{
    if (!data_folder())
        return false;
    enum err err = data_lock();
    if (err == ERR_IN_USE)
        warnx("process %ld uses DATA_DIR %s already", data_holder(), config.data_dir);
    if (err != OK)
        return false;
    master.n = config.workers > 0 ? (int)config.workers : cores();
    bool waits = false;
    if (!start_listeners(master.n) ||
        !start_prepare(&master.start, master.n, config_path, &waits) || !take_signals())
        return false;
    master.migrate_at = waits ? clock_mono() + MIGRATE_PAUSE : 0;
    return true;
}

int master_run(const char *config_path, const char *program)
{
    clock_tick();
    reload_log();
    log_who("master");
    if (!open_all(config_path)) {
        start_end();
        return 1;
    }

    master.program = program;
    master.until = clock_mono() + START_PATIENCE;
    if (config.rate_limit_profile == PROFILE_OFF)
        log_say(LOG_WARN, "limits", "LIMITS ARE OFF: nothing but failed sign-ins is refused");
    clock_tick();
    for (int i = 0; i < master.n; i++)
        start_child(i);
    while (alive() > 0 || !master.ending) {
        turn();
        if (master.ending && clock_mono() >= master.until)
            tell_all(SIGKILL);
    }
    start_end();
    log_say(LOG_INFO, "ended", master.failed ? "the server did not start" : "the server has ended");
    log_flush();
    return master.failed ? 1 : 0;
}
