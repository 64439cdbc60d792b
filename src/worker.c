#include "worker.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/log.h"
#include "base/metric.h"
#include "cache/cache.h"
#include "cache/redis.h"
#include "cache/window.h"
#include "gate/emergency.h"
#include "gate/keyring.h"
#include "gen/layout.h"
#include "gen/stmt.h"
#include "http/compress.h"
#include "http/flow.h"
#include "jobs/jobs.h"
#include "net/conn.h"
#include "net/file.h"
#include "net/listen.h"
#include "net/loop.h"
#include "net/offload.h"
#include "net/wheel.h"
#include "pipeline.h"
#include "reload.h"
#include "route/match.h"
#include "store/store.h"
#include "watch/watch.h"

#include <errno.h>
#include <linux/filter.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define POOL_THREADS 2
#define POOL_DEPTH 1024
#define PASSWORDS_DEPTH 64
#define FILES_THREADS 4 /* that wait for disks, so that what the store asks need not */
#define FILES_DEPTH 1024
#define PASSWORDS_NICE 10
#define END_TURN_MS 20            /* how often an ending worker looks whether all is done */
#define QUEUE_GRACE (SECOND / 10) /* for who has connected, but has not been accepted yet */
#define IDLE_GRACE (SECOND / 2)   /* after that: for a request that is on its way on an idle connection */

/* starting -> serving -> draining -> shutting -> finishing; a signal may end it from any of them. */
enum worker_state {
    WORKER_STARTING,  /* the store is asked for the keys */
    WORKER_SERVING,
    WORKER_DRAINING,  /* told to end: accepts until `until`, but is not ready any more */
    WORKER_SHUTTING,  /* nobody new can connect; accepts who did before, until `until` */
    WORKER_FINISHING, /* accepts no more, finishes what is under way, until `until` at most */
};

static struct {
    struct worker_start start;
    enum worker_state state;
    int status;
    int64_t until;      /* monotonic: the end of the state */
    int64_t grace;      /* how much longer than the listener idle connections are kept */
    int64_t idle_until;
    struct ticker *ending;

    struct store *store;
    struct redis *redis; /* NULL: none is set */
    struct cache *cache;
    struct windows *windows;
    struct offload *pool, *passwords, *files;
    struct keyring *keyring;

    /* what is asked at the start */
    struct arena arena;
    struct rows rows;
    enum err err;
    struct wait wait;
} worker;

/* ---- the end ---- */

/* A closed listener resets who is in its queue. So newcomers are kept out of it first: their SYN is dropped as if it
 * was lost, and when they try again, a second later, they are refused in good order. */
static void shut_out(int fd)
{
    static struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 13), /* the flags in the TCP header (RFC 9293 section 3.1) */
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0x12),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x02, 0, 1), /* SYN without ACK */
        BPF_STMT(BPF_RET | BPF_K, 0),
        BPF_STMT(BPF_RET | BPF_K, 0xffffffff),
    };
    const struct sock_fprog program = { COUNT(code), code };
    if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0)
        log_say(LOG_WARN, "drain", "newcomers cannot be kept out: %s", strerror(errno));
}

static void stop_accepting(void)
{
    listen_stop(false);
    if (worker.start.listener >= 0)
        close(worker.start.listener); /* the last hold on the socket: who comes now is refused, not left waiting */
    worker.start.listener = -1;
    jobs_stop();
    flow_drain();
}

static bool all_done(void)
{
    return flow_active() == 0 && conn_count() == 0 && !jobs_busy() && !worker.wait.open;
}

static void end_turn(void *owner)
{
    (void)owner;
    if (worker.state == WORKER_DRAINING && clock_mono() >= worker.until) {
        worker.state = WORKER_SHUTTING;
        if (worker.start.listener >= 0) {
            shut_out(worker.start.listener);
            worker.until = clock_mono() + QUEUE_GRACE;
        }
    }
    if (worker.state == WORKER_SHUTTING && clock_mono() >= worker.until) {
        stop_accepting();
        worker.state = WORKER_FINISHING;
        worker.idle_until = clock_mono() + worker.grace;
        worker.until = clock_mono() + WORKER_PATIENCE;
    }
    if (worker.state != WORKER_FINISHING)
        return;
    if (clock_mono() >= worker.idle_until)
        conn_close_idle();
    if (all_done() || clock_mono() >= worker.until) {
        listen_stop(true);
        conn_close_all();
        loop_stop();
    }
}

/* pause: how long it goes on accepting; grace: how much longer idle connections are kept than that. */
static void drain(int64_t pause, int64_t grace)
{
    int64_t until = clock_mono() + pause;
    if (worker.state > WORKER_DRAINING ||
        (worker.state == WORKER_DRAINING && until >= worker.until))
        return;
    worker.state = WORKER_DRAINING;
    worker.until = until;
    worker.grace = grace;
    watch_drain();
    if (!worker.ending)
        worker.ending = ticker_new(END_TURN_MS, end_turn, NULL);
}

static void on_signal(int signum)
{
    if (signum == SIGHUP && reload(worker.start.config, false))
        flow_reload();
    else if (signum == SIGTERM)
        drain(config.drain_seconds * SECOND, IDLE_GRACE);
    else if (signum == SIGINT)
        drain(0, 0);
}

static void give_up(const char *why)
{
    log_say(LOG_ERROR, "start", "%s", why);
    worker.status = 1;
    drain(0, 0);
}

/* ---- the start: what is opened at once, then what the store is asked for, then the listeners ---- */

static int cores(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
}

/* The loop's own, and what the master waits for. */
static void mask_signals(int how)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigprocmask(how, &set, NULL);
}

/* The master blocked them before the fork, so that none is lost until here. */
static enum err take_signals(void)
{
    TRY(loop_on_signal(SIGTERM, on_signal));
    TRY(loop_on_signal(SIGINT, on_signal));
    TRY(loop_on_signal(SIGHUP, on_signal));
    mask_signals(SIG_UNBLOCK);
    return OK;
}

/* What those who serve requests work with. */
static enum err lend_rooms(void)
{
    const struct watch_setup watch = {
        .workers = worker.start.workers,
        .running = &worker.start.server->running,
        .started = worker.start.server->started,
        .fallback = worker.start.server->fallback,
        .redis = worker.redis,
    };
    const struct flow_setup flow = {
        .store     = worker.store,
        .cache     = worker.cache,
        .windows   = worker.windows,
        .pool      = worker.pool,
        .passwords = worker.passwords,
        .files     = worker.files,
        .keyring   = worker.keyring,
        .start     = pipeline_start,
        .resume    = pipeline_resume,
        .left      = pipeline_left,
        .body_max  = pipeline_body_max,
    };
    route_init();
    flow_init(&flow);
    return watch_init(&watch);
}

/* Epochs have moved in the store that nodes share: what Redis holds must hear of it. */
static void store_moved(struct str what, int64_t number)
{
    cache_moved(worker.cache, what, number);
}

static enum err open_store(void)
{
    const struct worker_start *start = &worker.start;
    struct store_setup setup = {
        .where = start->store,
        .shared = start->store_shared,
        .pooler = config.database_pooler == POOLER_TRANSACTION,
        .node = start->node,
        .moved = store_moved,
    };
    memcpy(setup.lanes, start->lanes, sizeof(setup.lanes));
    return store_open(&worker.store, &setup);
}

/* The embedded store has one node, whose memory serves as well as Redis: there only the windows are shared. */
static enum err open_cache(void)
{
    const struct worker_start *start = &worker.start;
    if (config.redis_url[0] != '\0')
        TRY(redis_open(&worker.redis, config.redis_url, config.redis_prefix));
    const struct cache_setup cache = {
        .max_bytes = (size_t)config.cache_megabytes << 20,
        .off = config.cache_mode == CACHE_MODE_OFF,
        .redis = store_shared(worker.store) ? worker.redis : NULL,
        .layout = LAYOUT,
    };
    worker.cache = cache_new(&cache);
    worker.windows = windows_new(start->windows_part, start->windows_entries, worker.redis);
    return worker.cache && worker.windows ? OK : ERR_NO_MEMORY;
}

static enum err open_rooms(void)
{
    int hashers = cores() < 2 ? 2 : cores() > 64 ? 64 : cores();

    TRY(loop_init());
    wheel_init();
    TRY(take_signals());
    TRY(open_store());
    TRY(open_cache());
    worker.keyring = keyring_new(worker.store, worker.start.secret);
    worker.pool = offload_new(POOL_THREADS, POOL_DEPTH, 0);
    worker.passwords = offload_new(hashers, PASSWORDS_DEPTH, PASSWORDS_NICE);
    worker.files = offload_new(FILES_THREADS, FILES_DEPTH, 0);
    if (!worker.keyring || !worker.pool || !worker.passwords || !worker.files)
        return ERR_NO_MEMORY;
    return lend_rooms();
}

static void say_ready(void)
{
    struct server *server = worker.start.server;
    if (worker.start.number == 0) {
        snprintf(server->store, sizeof(server->store), "%s", store_says(worker.store));
        snprintf(server->cache, sizeof(server->cache), "%s",
                 worker.redis ? redis_says(worker.redis) : "");
    }
    if (write(worker.start.ready, "r", 1) != 1)
        give_up("the master does not listen");
    close(worker.start.ready);
}

/* A store that is shared may come later: until then the worker lives, but is not ready for work. */
static bool may_come_later(enum err err)
{
    return err == ERR_UNAVAILABLE && store_shared(worker.store);
}

static void serve(void)
{
    if ((worker.start.listener >= 0 && listen_start(worker.start.listener, false) != OK) ||
        listen_start(worker.start.control, true) != OK) {
        give_up("cannot listen");
        return;
    }
    const struct jobs_setup jobs = {
        .store     = worker.store,
        .cache     = worker.cache,
        .redis     = worker.redis,
        .windows   = worker.windows,
        .keyring   = worker.keyring,
        .pool      = worker.pool,
        .passwords = worker.passwords,
        .files     = worker.files,
        .node      = worker.start.node,
        .first     = worker.start.number == 0,
    };
    jobs_start(&jobs);
    worker.state = WORKER_SERVING;
    say_ready();
}

/* Nothing is served before the mode is known; where the store may come later, all but health is refused until then. */
static void mode_read(struct wait *w)
{
    (void)w;
    if (worker.state != WORKER_STARTING)
        return;
    enum err err = mode_take(&worker.rows);
    rows_fini(&worker.rows);
    if (err != OK && !mode_known() && !may_come_later(err)) {
        give_up("the mode of the system cannot be read");
        return;
    }
    serve();
}

static void admins_known(struct wait *w)
{
    (void)w;
    if (worker.state != WORKER_STARTING)
        return;
    enum err err = worker.rows.err;
    if (err != OK ? !may_come_later(err) : !rows_next(&worker.rows)) {
        give_up("the store does not answer");
        return;
    }
    if (err == OK && rows_int(&worker.rows, COL_USER_ADMINS_N) == 0)
        atomic_store(&worker.start.server->no_admin, true);
    rows_fini(&worker.rows);
    wait_init(&worker.wait, mode_read);
    ask_mode_get(worker.store, &worker.arena, &worker.rows, &worker.wait);
}

static void keys_known(struct wait *w)
{
    (void)w;
    if (worker.state != WORKER_STARTING)
        return;
    if (worker.err == ERR_INVALID) {
        give_up("JWT_SECRET is not the one that the signing keys were sealed under");
        return;
    }
    if (worker.err != OK && !may_come_later(worker.err)) {
        give_up("the signing keys cannot be read");
        return;
    }
    wait_init(&worker.wait, admins_known);
    ask_user_admins(worker.store, &worker.arena, &worker.rows, &worker.wait);
}

/* In the order that lets each let go of what it borrowed. */
static void close_rooms(void)
{
    mask_signals(SIG_BLOCK); /* nobody takes them any more, and what is being closed is to be closed whole */
    ticker_free(worker.ending);
    jobs_fini();
    flow_fini();
    conn_fini();
    compress_fini();
    watch_fini();
    route_fini();
    offload_free(worker.files);
    file_fini();
    offload_free(worker.passwords);
    offload_free(worker.pool);
    keyring_free(worker.keyring);
    store_close(worker.store); /* its last commits still tell the cache */
    windows_free(worker.windows);
    cache_free(worker.cache);
    redis_close(worker.redis);
    rows_fini(&worker.rows);
    arena_reset(&worker.arena);
    wheel_fini();
    loop_fini();
    arena_trim();
    log_flush();
}

int worker_run(const struct worker_start *start)
{
    static char who[24];
    snprintf(who, sizeof(who), "worker-%d", start->number);
    log_who(who);
    clock_tick();
    metric_use((unsigned)start->number);
    mode_worker((unsigned)start->number);
    worker.start = *start;

    enum err err = open_rooms();
    if (err != OK) {
        log_say(LOG_ERROR, "start", "the worker cannot start: %s", err_info(err)->code);
        log_flush();
        return 1;
    }
    wait_init(&worker.wait, keys_known);
    keyring_load(worker.keyring, &worker.err, &worker.wait);
    loop_run();
    close_rooms();
    return worker.status;
}
