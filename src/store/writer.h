/* store/writer.h: the one thread of a worker that changes the database. It takes every change that
 * waits, commits them as one transaction (one fsync), moves their epochs, then wakes who asked.
 */
#ifndef STORE_WRITER_H
#define STORE_WRITER_H

#include "db.h"
#include "queue.h"
#include "turn.h"

/* An epoch to be moved once the transaction is in. */
struct moved {
    enum epoch_kind kind;
    struct str text;  /* its id, borrowed from a parameter; p is NULL: */
    struct uuid uuid; /* the id, of which n bytes count; 0 where the kind has none */
    size_t n;
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
    _Atomic int64_t refused; /* monotonic: when the file took no change; 0: the last one it took */
    char complaint[DB_SAYS]; /* of a checkpoint; the next ask takes it to the log */
};

/* turn: of all workers; NULL outside of a server. On failure db.says tells. To be stopped in either
 * case. */
enum err writer_start(struct writer *w, const char *path, struct turn *turn) CHECKED;
/* Whether the file took no change a moment ago (the disk is full, or it may not be written), and none since. */
bool writer_refused(const struct writer *w);
/* Commits what waits, then ends. */
void writer_stop(struct writer *w);

#endif
