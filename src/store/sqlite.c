/* store/sqlite.c: the embedded engine: two threads that read, one that writes (writer.c). */
#include "db.h"
#include "queue.h"
#include "result.h"
#include "writer.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>

#define READERS 2
#define READS_MOST 1024

struct reader {
    struct db db;
    struct queue *queue;
    pthread_t thread;
    bool running;
};

struct sqlite {
    struct store store;
    struct queue reads;
    struct reader readers[READERS];
    struct writer writer;
};

static struct sqlite *sqlite_of(struct store *s)
{
    return LIST_OF(s, struct sqlite, store);
}

/* ---- readers ---- */

static void reader_serve(struct reader *r, struct ask *ask)
{
    const struct stmt *stmt = ask->change.at[0].stmt;
    if (clock_mono_now() >= ask->deadline) {
        ask_fail(ask, ERR_UNAVAILABLE, "given up: it waited too long for a reader");
        return;
    }
    int64_t changed;
    r->db.deadline = ask->deadline;
    enum err err = db_run(&r->db, stmt, ask->change.at[0].params, ask->out, &changed);
    ask->out->err = err;
    if (err == OK)
        return;
    rows_clear(ask->out);
    if (err == ERR_UNAVAILABLE || err == ERR_NO_MEMORY)
        ask_fail(ask, err, "%s", r->db.says);
}

static void *reader_main(void *arg)
{
    struct reader *r = arg;
    struct list one;
    list_init(&one);
    while (queue_take(r->queue, &one, 1)) { /* one at a time: nobody waits behind a slow one */
        struct ask *ask = LIST_OF(list_take(&one), struct ask, node);
        reader_serve(r, ask);
        wait_post(&ask->done);
    }
    return NULL;
}

static enum err reader_start(struct reader *r, struct queue *queue, const char *path)
{
    r->queue = queue;
    TRY(db_open(&r->db, path, DB_READS));
    TRY(thread_start(&r->thread, "store-read", reader_main, r));
    r->running = true;
    return OK;
}

static void reader_stop(struct reader *r)
{
    if (r->running)
        pthread_join(r->thread, NULL);
    db_close(&r->db);
}

/* ---- the engine ---- */

static bool sqlite_read(struct store *s, struct ask *ask)
{
    return queue_put(&sqlite_of(s)->reads, ask);
}

static bool sqlite_commit(struct store *s, struct ask *ask)
{
    return queue_put(&sqlite_of(s)->writer.queue, ask);
}

static bool sqlite_broken(const struct store *s)
{
    return writer_refused(&LIST_OF(s, const struct sqlite, store)->writer);
}

static void sqlite_close(struct store *s)
{
    struct sqlite *q = sqlite_of(s);
    queue_close(&q->reads);
    for (int i = 0; i < READERS; i++)
        reader_stop(&q->readers[i]);
    queue_fini(&q->reads);
    writer_stop(&q->writer); /* last: who closes last tidies the WAL up */
}

static const struct engine sqlite_engine = {
    .ask_size = sizeof(struct ask),
    .read = sqlite_read,
    .commit = sqlite_commit,
    .broken = sqlite_broken,
    .close = sqlite_close,
};

enum err sqlite_open(struct store **out, const struct store_setup *setup)
{
    const char *path = setup->where;
    struct sqlite *q = calloc(1, sizeof(*q));
    if (!q)
        return ERR_NO_MEMORY;
    store_init(&q->store, &sqlite_engine);
    queue_init(&q->reads, READS_MOST);
    const char *says = q->writer.db.says;
    enum err err = writer_start(&q->writer, path, setup->shared);
    for (int i = 0; i < READERS && err == OK; i++) {
        says = q->readers[i].db.says;
        err = reader_start(&q->readers[i], &q->reads, path);
    }
    if (err != OK) {
        log_say(LOG_ERROR, "store", "cannot open %s: %s", path, says);
        store_close(&q->store);
        return err;
    }
    snprintf(q->store.says, sizeof(q->store.says), "SQLite %s at %s (WAL, synchronous=FULL)",
             sqlite3_libversion(), path);
    *out = &q->store;
    return OK;
}
