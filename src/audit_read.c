#include "audit_read.h"

#include "base/clock.h"
#include "base/config.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/shm.h"
#include "data.h"
#include "declare.h"
#include "net/loop.h"

#include <err.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE (10 * SECOND) /* for a store that does not answer yet */
#define RETRY_MS 20
#define ROUND 64 /* as shm_carve aligns */

static void woken(struct wait *w)
{
    (void)w;
}

/* What a store counts in. */
static bool make_segment(void)
{
    declare_metrics();
    size_t size = metric_size(1) + epoch_size() + 2 * (size_t)ROUND;
    if (shm_init(size) != OK)
        return false;
    metric_init(shm_carve(metric_size(1)), 1);
    metric_use(0);
    epoch_init(shm_carve(epoch_size()));
    return true;
}

static bool schema_fits(const char *where)
{
    int here, known;
    const char *name = store_is_remote(where) ? "the database" : where;
    if (store_schema(where, &here, &known) != OK) {
        warnx("%s cannot be read", name);
        return false;
    }
    if (here != known)
        warnx("%s has schema %d; this program knows %d", name, here, known);
    return here == known;
}

static bool open_store(struct audit_reading *a, const char *where)
{
    struct store_setup setup = {
        .where = where,
        .pooler = config.database_pooler == POOLER_TRANSACTION,
    };
    for (int i = 0; i < LANE_COUNT; i++)
        setup.lanes[i] = (struct lane_size){ 0, 1 };
    if (make_segment() && loop_init() == OK) {
        loop_stop(); /* it runs only while something is asked */
        if (store_open(&a->store, &setup) == OK)
            return true;
        loop_fini();
    }
    warnx("the store cannot be opened");
    return false;
}

/* PostgreSQL takes a moment to be reached. */
static bool answers(struct audit_reading *a)
{
    const struct timespec pause = { .tv_nsec = RETRY_MS * 1000 * 1000 };
    int64_t until = clock_mono_now() + PATIENCE;
    do {
        audit_read_next(a);
        ask_audit_clock(a->store, &a->arena, &a->rows, &a->wait);
        loop_run();
        if (a->rows.err == OK)
            return true;
        nanosleep(&pause, NULL);
    } while (clock_mono_now() < until);
    warnx("the store does not answer");
    return false;
}

bool audit_read_open(struct audit_reading *a)
{
    static char where[PATH_MAX];
    *a = (struct audit_reading){ 0 };
    log_open(STDERR_FILENO, LOG_ERROR, LOG_TEXT);
    log_who("command");
    clock_tick();
    if (!declare_resources() || !data_store(where) || !schema_fits(where))
        return false;
    struct str secret = data_secret();
    if (!secret.p)
        return false;
    chain_keys(secret, &a->keys);
    if (!open_store(a, where))
        return false;
    if (answers(a))
        return true;
    audit_read_close(a);
    return false;
}

void audit_read_close(struct audit_reading *a)
{
    rows_fini(&a->rows);
    arena_reset(&a->arena);
    store_close(a->store);
    loop_run();
    loop_fini();
    shm_fini();
    log_flush();
    explicit_bzero(&a->keys, sizeof(a->keys));
}

void audit_read_next(struct audit_reading *a)
{
    rows_fini(&a->rows);
    arena_reset(&a->arena);
    wait_init(&a->wait, woken);
}

bool audit_read_done(struct audit_reading *a)
{
    loop_run();
    if (a->rows.err != OK)
        warnx("the store cannot be read: %s", err_info(a->rows.err)->code);
    return a->rows.err == OK;
}

/* ---- rows ---- */

bool audit_read_row(const struct rows *rows, struct chain_row *out)
{
    *out = (struct chain_row){
        .id = rows_uuid(rows, COL_AUDIT_ROW_ID),
        .writer = rows_uuid(rows, COL_AUDIT_ROW_WRITER),
        .sequence = rows_int(rows, COL_AUDIT_ROW_SEQUENCE),
        .at = rows_int(rows, COL_AUDIT_ROW_AT),
        .principal_kind = rows_text(rows, COL_AUDIT_ROW_PRINCIPAL_KIND),
        .principal_id = rows_uuid(rows, COL_AUDIT_ROW_PRINCIPAL_ID),
        .session_id = rows_uuid(rows, COL_AUDIT_ROW_SESSION_ID),
        .action = rows_text(rows, COL_AUDIT_ROW_ACTION),
        .target = rows_uuid(rows, COL_AUDIT_ROW_TARGET),
        .outcome = rows_text(rows, COL_AUDIT_ROW_OUTCOME),
        .decision = rows_uuid(rows, COL_AUDIT_ROW_DECISION),
        .risk = rows_text(rows, COL_AUDIT_ROW_RISK),
        .correlation = rows_text(rows, COL_AUDIT_ROW_CORRELATION),
        .subject = rows_uuid(rows, COL_AUDIT_ROW_SUBJECT),
        .sealed = rows_text(rows, COL_AUDIT_ROW_SEALED),
    };
    return !rows_null(rows, COL_AUDIT_ROW_ID);
}

struct str audit_read_payload(struct audit_reading *a, const struct chain_row *row,
                              struct str subject_key)
{
    uint8_t key[CHAIN_KEY];
    struct str plain = STR_NONE;
    if (subject_key.n == 0 ||
        chain_subject_open(&a->arena, &a->keys, &row->subject, subject_key, key) != OK)
        return STR_NONE;
    if (chain_payload_open(&a->arena, key, &row->id, row->sealed, &plain) != OK)
        plain = STR_NONE;
    explicit_bzero(key, sizeof(key));
    return plain;
}
