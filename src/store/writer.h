/* store/writer.h: the one thread of a worker that changes the database. Takes every change that waits, commits them as one
 * transaction (one fsync), moves their epochs, then wakes who asked.
 */
#ifndef STORE_WRITER_H
#define STORE_WRITER_H

#include "db.h"
#include "queue.h"
#include "turn.h"

/* An epoch to be moved once the transaction is in. */
struct moved {
    enum epoch_kind kind;
    const void *id; /* a parameter's bytes; NULL: see uuid */
    size_t n;
    struct uuid uuid; /* of a returned row */
};

struct writer {
    struct db db;
    struct queue queue;
    pthread_t thread;
    bool running;
    struct turn *turn;     /* of all workers, or our own */
    struct turn own;
    struct moved *moved;
    int nmoved, moved_cap;
    bool moved_lost;       /* memory was out: everything must move */
    int wal_pages;         /* in the WAL after the last commit */
    int checkpoint_at;
    char complaint[DB_SAYS]; /* of a checkpoint; the next ask takes it to the log */
};

/* turn: of all workers; NULL outside of a server, where nothing is checkpointed either. On failure db.says tells. Stop always. */
enum err writer_start(struct writer *w, const char *path, struct turn *turn) CHECKED;
/* Commits what waits, then ends. */
void writer_stop(struct writer *w);

#endif
