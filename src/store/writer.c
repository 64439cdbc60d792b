/* store/writer.c: group commit. */
#include "writer.h"

#include "base/clock.h"
#include "result.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define QUEUE_MOST 1024
#define GROUP_MOST 256
#define CHECKPOINT_PAGES 1000
#define WAL_LARGE (64 * 1024 * 1024 / 4096) /* pages; from here on the file is cut */
#define CUT_PATIENCE (SECOND / 5)           /* how long cutting waits for readers */
#define REFUSED_FOR (5 * SECOND)            /* that a file which took no change is thought to take none */

/* ---- epochs ---- */

static void moved_add(struct writer *w, struct moved m)
{
    if (w->nmoved == w->moved_cap) {
        int cap = w->moved_cap ? w->moved_cap * 2 : 64;
        struct moved *more = realloc(w->moved, sizeof(*more) * (size_t)cap);
        if (!more) {
            w->moved_lost = true;
            return;
        }
        w->moved = more;
        w->moved_cap = cap;
    }
    w->moved[w->nmoved++] = m;
}

static struct moved moved_uuid(enum epoch_kind kind, struct uuid id)
{
    return (struct moved){ .kind = kind, .n = sizeof(id.b), .uuid = id };
}

/* Notes what a statement that has just run moves; rows: what it returned. */
static void moved_note(struct writer *w, const struct stmt *stmt, const struct value *params,
                       const struct rows *rows)
{
    for (int i = 0; i < stmt->nbumps; i++) {
        const struct bump *bump = &stmt->bumps[i];
        if (bump->returned) {
            struct rows each = *rows;
            each.row = NULL;
            while (rows_next(&each))
                moved_add(w, moved_uuid(bump->kind, rows_uuid(&each, bump->param)));
        } else if (bump->param < 0) {
            moved_add(w, (struct moved){ .kind = bump->kind });
        } else {
            const struct value *v = &params[bump->param];
            if (v->null)
                continue;
            if (v->type == VALUE_UUID)
                moved_add(w, moved_uuid(bump->kind, v->uuid));
            else
                moved_add(w, (struct moved){ .kind = bump->kind, .text = v->text });
        }
    }
}

static void moved_apply(struct writer *w)
{
    for (int i = 0; i < w->nmoved; i++) {
        const struct moved *m = &w->moved[i];
        if (m->text.p)
            epoch_bump(m->kind, m->text.p, m->text.n);
        else
            epoch_bump(m->kind, m->uuid.b, m->n);
    }
    if (w->moved_lost)
        epoch_bump_all();
    w->moved_lost = false;
}

/* ---- one change ---- */

/* A change that returns rows nobody wanted may still need them: they name epochs. */
static bool needs_rows(const struct stmt *stmt)
{
    for (int i = 0; i < stmt->nbumps; i++)
        if (stmt->bumps[i].returned)
            return true;
    return false;
}

static enum err change_run(struct writer *w, struct ask *ask)
{
    const struct change *c = &ask->change;
    ask->out->changed = 0;
    for (int i = 0; i < c->n; i++) {
        const struct stmt *stmt = c->at[i].stmt;
        struct rows unwanted = { .stmt = stmt };
        struct rows *rows = i == c->answer ? ask->out : needs_rows(stmt) ? &unwanted : NULL;
        int64_t changed = 0;
        enum err err = db_run(&w->db, stmt, c->at[i].params, rows, &changed);
        ask->out->changed += changed;
        if (err == OK)
            moved_note(w, stmt, c->at[i].params, rows);
        rows_fini(&unwanted);
        if (err == ERR_UNAVAILABLE || err == ERR_NO_MEMORY)
            ask_fail(ask, err, "%s: %s", stmt->name, w->db.says);
        if (err != OK)
            return err;
    }
    return OK;
}

/* Runs a change so that nothing of it is left when it fails; if even that fails, the transaction
 * ends. alone: it is the whole transaction, whose rollback serves as well as a savepoint. */
static enum err change_try(struct writer *w, struct ask *ask, bool alone)
{
    struct db *db = &w->db;
    int mark = w->nmoved;
    db->deadline = ask->deadline;
    enum err err = alone || db_say(db, DB_SAVE) == OK ? change_run(w, ask) : ERR_UNAVAILABLE;
    if (err != OK) {
        w->nmoved = mark;
        rows_clear(ask->out);
    }
    if (alone || !db_inside(db))
        return err;

    db->deadline = INT64_MAX; /* undoing is never given up */
    bool left = err == OK || db_say(db, DB_UNDO) == OK;
    if (left && db_say(db, DB_RELEASE) == OK)
        return err;
    db_rollback(db);
    return ERR_UNAVAILABLE;
}

/* ---- one group: the changes of one transaction ---- */

static struct ask *ask_of(struct list *node)
{
    return LIST_OF(node, struct ask, node);
}

/* Moves those whose time is over to done. Returns the earliest deadline of the others. */
static int64_t group_expire(struct list *group, struct list *done)
{
    int64_t now = clock_mono_now(), first = INT64_MAX;
    for (struct list *node = group->next, *next; node != group; node = next) {
        next = node->next;
        struct ask *ask = ask_of(node);
        if (ask->deadline > now) {
            first = ask->deadline < first ? ask->deadline : first;
            continue;
        }
        ask_fail(ask, ERR_UNAVAILABLE, "given up: it waited too long for its turn");
        list_remove(node);
        list_push(done, node);
    }
    return first;
}

/* As if nothing had been tried. */
static void group_forget(struct writer *w, struct list *group)
{
    w->nmoved = 0;
    for (struct list *node = group->next; node != group; node = node->next) {
        rows_clear(ask_of(node)->out);
        ask_of(node)->out->err = OK;
        ask_of(node)->says[0] = 0;
    }
}

/* All fail with the transaction, also those that had failed by themselves: they may have met what
 * the others did. The log hears of it once. */
static void group_fail(struct writer *w, struct list *group, struct list *done, enum err err)
{
    group_forget(w, group);
    for (struct list *node = group->next; node != group; node = node->next)
        ask_of(node)->out->err = err;
    ask_fail(ask_of(group->next), err, "%s", w->db.says);
    list_splice(done, group);
}

/* Runs all of them. False when the transaction was lost on the way: SQLite ends it with a change
 * that took too long, and the others may try again; with any other failure they fail too. */
static bool group_run(struct writer *w, struct list *group, struct list *done)
{
    bool alone = group->next->next == group;
    for (struct list *node = group->next; node != group; node = node->next) {
        ask_of(node)->out->err = change_try(w, ask_of(node), alone);
        if (db_inside(&w->db))
            continue;
        if (w->db.code == SQLITE_INTERRUPT) {
            list_remove(node);
            list_push(done, node);
            group_forget(w, group);
        } else {
            group_fail(w, group, done, ERR_UNAVAILABLE);
        }
        return false;
    }
    return true;
}

/* ERR_COMMIT_UNKNOWN: all was written but maybe not safely, and a crash could bring it back. */
static enum err group_end(struct writer *w, int64_t deadline)
{
    struct db *db = &w->db;
    db->deadline = deadline;
    while (db_say(db, DB_COMMIT) != OK) {
        if ((db->code & 0xff) == SQLITE_BUSY && clock_mono_now() < deadline) {
            usleep(1000);
            continue;
        }
        db_rollback(db);
        bool unknown = db->code == SQLITE_IOERR_FSYNC || db->code == SQLITE_IOERR_DIR_FSYNC;
        return unknown ? ERR_COMMIT_UNKNOWN : ERR_UNAVAILABLE;
    }
    return OK;
}

/* One transaction; who is settled by it moves to done. The others stay for another try. */
static void group_commit(struct writer *w, struct list *group, struct list *done, int64_t first)
{
    db_rollback(&w->db); /* what a failure may have left */
    w->db.deadline = first;
    if (db_say(&w->db, DB_BEGIN) != OK) {
        if ((w->db.code & 0xff) != SQLITE_BUSY)
            group_fail(w, group, done, ERR_UNAVAILABLE);
        return;
    }
    if (!group_run(w, group, done))
        return;

    struct ask *good = NULL;
    int64_t last = 0;
    for (struct list *node = group->next; node != group; node = node->next) {
        if (ask_of(node)->out->err == OK)
            good = ask_of(node);
        last = ask_of(node)->deadline > last ? ask_of(node)->deadline : last;
    }
    enum err err = OK;
    if (good) {
        good->committed = true;
        err = group_end(w, last);
    } else {
        db_rollback(&w->db);
    }
    if (err == OK || err == ERR_COMMIT_UNKNOWN)
        moved_apply(w);
    w->nmoved = 0;
    if (err != OK) {
        good->committed = false;
        group_fail(w, group, done, err);
    }
    list_splice(done, group);
}

/* ---- whether the file takes changes ---- */

static void note_refusal(struct writer *w)
{
    switch (w->db.code & 0xff) {
    case SQLITE_OK:
        w->refused = 0;
        break;
    case SQLITE_FULL:
    case SQLITE_READONLY:
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
        w->refused = clock_mono_now();
        break;
    default: /* of the change, not of the file */
        break;
    }
}

bool writer_refused(const struct writer *w)
{
    int64_t at = w->refused;
    return at > 0 && clock_mono_now() - at < REFUSED_FOR;
}

/* ---- the thread ---- */

static int on_commit(void *arg, sqlite3 *handle, const char *name, int pages)
{
    (void)handle;
    (void)name;
    struct writer *w = arg;
    if (pages < w->wal_pages) /* the WAL began anew */
        w->checkpoint_at = CHECKPOINT_PAGES;
    w->wal_pages = pages;
    return SQLITE_OK;
}

/* Copies the WAL into the database, in our turn: SQLite before 3.51.3 can damage a WAL that is
 * reset while another process writes. Outside of a server there is no turn that counts: the last
 * process that closes the database does it. */
static void writer_checkpoint(struct writer *w)
{
    if (w->turn == &w->own || w->wal_pages < w->checkpoint_at)
        return;
    int mode = w->wal_pages > WAL_LARGE ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE;
    int pages = 0, copied = 0;
    w->db.deadline = clock_mono_now() + CUT_PATIENCE;
    int code = sqlite3_wal_checkpoint_v2(w->db.handle, NULL, mode, &pages, &copied);
    if (code != SQLITE_OK && (code & 0xff) != SQLITE_BUSY)
        snprintf(w->complaint, sizeof(w->complaint), "checkpoint: %s",
                 sqlite3_errmsg(w->db.handle));
    /* What a reader still needs stays: no use in trying again with each commit. */
    bool whole = code == SQLITE_OK && pages == copied;
    w->checkpoint_at = (whole ? 0 : w->wal_pages) + CHECKPOINT_PAGES;
}

static void writer_answer(struct writer *w, struct list *done)
{
    struct list *node;
    while ((node = list_take(done))) {
        struct ask *ask = ask_of(node);
        if (w->complaint[0] && !ask->says[0]) {
            memcpy(ask->says, w->complaint, sizeof(w->complaint));
            w->complaint[0] = 0;
        }
        wait_post(&ask->done);
    }
}

static void *writer_main(void *arg)
{
    struct writer *w = arg;
    struct list group, done;
    list_init(&group);
    list_init(&done);
    while (queue_take(&w->queue, &group, GROUP_MOST)) {
        while (!list_empty(&group)) {
            int64_t first = group_expire(&group, &done);
            if (!list_empty(&group) && turn_take(w->turn, first) == OK) {
                w->db.code = SQLITE_OK;
                group_commit(w, &group, &done, first);
                note_refusal(w);
                writer_answer(w, &done);
                writer_checkpoint(w);
                turn_give(w->turn);
            }
            writer_answer(w, &done);
        }
    }
    return NULL;
}

enum err writer_start(struct writer *w, const char *path, struct turn *turn)
{
    *w = (struct writer){ .checkpoint_at = CHECKPOINT_PAGES };
    queue_init(&w->queue, QUEUE_MOST);
    turn_init(&w->own);
    w->turn = turn ? turn : &w->own;
    TRY(db_open(&w->db, path, DB_WRITES));
    sqlite3_wal_hook(w->db.handle, on_commit, w);
    TRY(thread_start(&w->thread, "store-write", writer_main, w));
    w->running = true;
    return OK;
}

void writer_stop(struct writer *w)
{
    queue_close(&w->queue);
    if (w->running)
        pthread_join(w->thread, NULL);
    queue_fini(&w->queue);
    db_close(&w->db);
    free(w->moved);
}
