/* jobs/sealer.c: committed audit rows get their place in the chain, a batch a transaction. What is slow is done on the
 * pool: the links of a batch, and the head's line in DATA_DIR with its fsync. The line is written behind the commit, so
 * a head never names what the store does not have; when it is not known whether a batch was committed, the chain's end
 * is read again.
 */
#include "each.h"

#include "base/clock.h"
#include "base/config.h"
#include "base/log.h"
#include "base/metric.h"
#include "crypto/chain.h"
#include "gen/stmt.h"
#include "net/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define TURN_MS 250
#define OTHERS_TURNS 2 /* between looks of a node that does not hold the duty */
#define BATCH 500
#define SAID_EVERY (10 * SECOND) /* heads in the log */
#define FILE_MAX (4 << 20)       /* bytes of heads; then the file becomes the old one */

static struct {
    const struct jobs_setup *use;
    struct ticker *ticker;
    unsigned turns;
    bool mine;          /* this look is for the duty */
    bool failed;        /* as it was last said */
    bool file_failed;
    struct uuid waited; /* the first row of the last look without the duty */

    bool known;               /* the end of the chain is: */
    struct chain_head head;
    int64_t said, said_at;    /* the number that the log had last, and when */

    struct arena arena;
    struct rows tail, last;
    struct change change;
    struct rows sealed;
    struct wait wait;
    struct job work;

    int n; /* the batch in hand */
    struct uuid *ids;
    uint8_t (*macs)[SHA256_SIZE], (*links)[SHA256_SIZE];
    bool *missing; /* the row is gone from the table: it is linked all the same, and found by who verifies */
    struct chain_head next;
    int file_err; /* errno of the head's line */
} job;

static void say(enum err err)
{
    if ((err != OK) == job.failed)
        return;
    job.failed = !job.failed;
    if (job.failed)
        log_say(LOG_WARN, "audit", "rows cannot be sealed: %s", err_info(err)->code);
    else
        log_say(LOG_INFO, "audit", "rows are sealed again");
}

static void end(enum err err)
{
    if (err != OK)
        job.known = false;
    say(err);
    rows_fini(&job.tail);
    rows_fini(&job.last);
    rows_fini(&job.sealed);
}

static void say_head(bool at_once)
{
    char line[CHAIN_HEAD_LINE];
    if (job.said == job.head.number || (!at_once && clock_mono() - job.said_at < SAID_EVERY))
        return;
    job.said = job.head.number;
    job.said_at = clock_mono();
    size_t n = chain_head_write(&job.head, line);
    log_begin(LOG_INFO, "audit_head");
    log_int("number", job.head.number);
    log_text("head", (struct str){ line, n });
    log_end();
}

/* ---- the head's line, on the pool ---- */

static int open_heads(void)
{
    char path[PATH_MAX], old[PATH_MAX];
    struct stat st;
    int n = snprintf(path, sizeof(path), "%s/audit.heads", config.data_dir);
    int m = snprintf(old, sizeof(old), "%s/audit.heads.old", config.data_dir);
    if (n < 0 || m < 0 || n >= (int)sizeof(path) || m >= (int)sizeof(old))
        return -1;
    if (stat(path, &st) == 0 && st.st_size >= FILE_MAX && rename(path, old) < 0)
        return -1;
    return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
}

static void write_head(struct job *work)
{
    (void)work;
    char line[CHAIN_HEAD_LINE];
    size_t n = chain_head_write(&job.next, line);
    line[n++] = '\n';
    errno = 0;
    int fd = open_heads();
    bool written = fd >= 0 && write(fd, line, n) == (ssize_t)n && fdatasync(fd) == 0;
    job.file_err = written ? 0 : errno ? errno : EIO;
    if (fd >= 0)
        close(fd);
}

static void look(void);

static void head_written(struct wait *w)
{
    (void)w;
    if (job.file_err && !job.file_failed)
        log_say(LOG_ERROR, "audit", "the head cannot be written to DATA_DIR: %s",
                strerror(job.file_err));
    job.file_failed = job.file_err != 0;
    say_head(false);
    if (job.n == BATCH && job.ticker)
        look();
}

/* ---- the batch ---- */

static void sealed(struct wait *w)
{
    (void)w;
    enum err err = job.sealed.err;
    end(err);
    if (err != OK)
        return;
    job.head = job.next;
    job.known = true;
    metric_add(METRIC_AUDIT_SEALED, 0, (uint64_t)job.n);
    job.work.run = write_head;
    wait_init(&job.wait, head_written);
    if (offload_run(job.use->pool, &job.work, &job.wait) != OK)
        say_head(false); /* the next head covers this one too */
}

static void linked(struct wait *w)
{
    (void)w;
    int64_t minute = job.next.at / MINUTE;
    struct str ids = { (const char *)job.ids, (size_t)job.n * sizeof(*job.ids) };
    struct str links = { (const char *)job.links, (size_t)job.n * SHA256_SIZE };
    change_init(&job.change, &job.arena);
    add_audit_seal(&job.change, job.head.number, job.n, ids, links);
    add_audit_unqueue(&job.change, job.n, ids);
    add_audit_head_set(&job.change, minute, job.next.number,
                       (struct str){ (const char *)job.next.link, SHA256_SIZE }, job.next.at,
                       &job.use->node,
                       (struct str){ (const char *)job.next.signature, SHA256_SIZE });
    if (job.arena.failed) {
        end(ERR_NO_MEMORY);
        return;
    }
    wait_init(&job.wait, sealed);
    store_commit(job.use->store, &job.change, &job.sealed, &job.wait);
}

/* On the pool. */
static void link_batch(struct job *work)
{
    (void)work;
    const struct chain_keys *keys = keyring_chain(job.use->keyring);
    const uint8_t *before = job.head.link;
    for (int i = 0; i < job.n; i++) {
        struct str mac = { (const char *)job.macs[i], job.missing[i] ? 0 : SHA256_SIZE };
        chain_link(keys, before, job.head.number + 1 + i, &job.ids[i], mac, job.links[i]);
        before = job.links[i];
    }
    job.next.number = job.head.number + job.n;
    memcpy(job.next.link, before, SHA256_SIZE);
    chain_sign(keys, job.next.number, job.next.link, job.next.at, job.next.signature);
}

static void link_tail(void)
{
    size_t n = (size_t)job.tail.count;
    job.ids = ARENA_ARRAY(&job.arena, struct uuid, n);
    job.macs = arena_zero(&job.arena, n * sizeof(*job.macs));
    job.links = arena_zero(&job.arena, n * sizeof(*job.links));
    job.missing = ARENA_ARRAY(&job.arena, bool, n);
    if (job.arena.failed) {
        end(ERR_NO_MEMORY);
        return;
    }
    for (job.n = 0; rows_next(&job.tail); job.n++) {
        struct str mac = rows_text(&job.tail, COL_AUDIT_TAIL_MAC);
        job.ids[job.n] = rows_uuid(&job.tail, COL_AUDIT_TAIL_ID);
        job.missing[job.n] = mac.n != SHA256_SIZE;
        if (!job.missing[job.n])
            memcpy(job.macs[job.n], mac.p, SHA256_SIZE);
    }
    rows_fini(&job.tail);
    job.next = (struct chain_head){ .at = clock_wall() };
    job.work.run = link_batch;
    wait_init(&job.wait, linked);
    if (offload_run(job.use->pool, &job.work, &job.wait) != OK)
        end(OK); /* the pool is busy: next turn */
}

/* ---- what is there ---- */

static void last_known(struct wait *w)
{
    (void)w;
    if (job.last.err != OK) {
        end(job.last.err);
        return;
    }
    job.head = (struct chain_head){ 0 };
    if (rows_next(&job.last)) {
        struct str link = rows_text(&job.last, COL_AUDIT_LAST_LINK);
        job.head.number = rows_int(&job.last, COL_AUDIT_LAST_NUMBER);
        if (link.n == SHA256_SIZE) /* else it was tampered with, and the next link shows it */
            memcpy(job.head.link, link.p, SHA256_SIZE);
    }
    job.known = true;
    rows_fini(&job.last);
    link_tail();
}

static void tail_known(struct wait *w)
{
    (void)w;
    struct rows first = job.tail;
    if (job.tail.err != OK || job.tail.count == 0) {
        end(job.tail.err);
        return;
    }
    if (!job.mine) {
        struct uuid id = rows_next(&first) ? rows_uuid(&first, COL_AUDIT_TAIL_ID) : job.waited;
        bool waits = uuid_eq(&id, &job.waited);
        job.waited = id;
        job.known = false; /* somebody else may have sealed since */
        if (!waits) {
            end(OK);
            return;
        }
    }
    if (job.known) {
        link_tail();
        return;
    }
    wait_init(&job.wait, last_known);
    ask_audit_last(job.use->store, &job.arena, &job.last, &job.wait);
}

static void look(void)
{
    arena_reset(&job.arena);
    wait_init(&job.wait, tail_known);
    ask_audit_tail(job.use->store, &job.arena, BATCH, &job.tail, &job.wait);
}

static void turn(void *owner)
{
    (void)owner;
    if (job.wait.open)
        return;
    say_head(false);
    bool held = duty_held();
    if (!held && ++job.turns < OTHERS_TURNS)
        return;
    if (held && !job.mine)
        job.known = false;
    job.turns = 0;
    job.mine = held;
    look();
}

void sealer_start(const struct jobs_setup *use)
{
    job.use = use;
    job.ticker = ticker_new(TURN_MS, turn, NULL);
}

void sealer_stop(void)
{
    if (job.ticker)
        say_head(true);
    ticker_free(job.ticker);
    job.ticker = NULL;
}

bool sealer_busy(void)
{
    return job.wait.open;
}

void sealer_fini(void)
{
    rows_fini(&job.tail);
    rows_fini(&job.last);
    rows_fini(&job.sealed);
    arena_reset(&job.arena);
}
