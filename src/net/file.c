#include "net/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILES_KEPT 32

static struct {
    struct file *spare;
    unsigned spares;
} files;

static enum err err_of(int number)
{
    switch (number) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return ERR_NO_SPACE;
    case ENOENT:
        return ERR_NOT_FOUND;
    default:
        return ERR_UNAVAILABLE;
    }
}

/* ---- on a thread of the pool ---- */

static struct file *file_of(struct job *job)
{
    struct file *f = LIST_OF(job, struct file, job);
    f->err = OK;
    return f;
}

/* The folder that the path lies in, in `out`. */
static void folder_of(const char *path, char out[FILE_PATH])
{
    const char *slash = strrchr(path, '/');
    size_t n = slash && slash > path ? (size_t)(slash - path) : 0;
    memcpy(out, path, n);
    out[n] = '\0';
}

/* A folder and those above it, as far as they are missing. The entry of a new one is made to last. */
static bool make_folder(const char *path)
{
    char above[FILE_PATH];
    if (path[0] == '\0' || mkdir(path, 0700) == 0 || errno == EEXIST)
        return true;
    if (errno != ENOENT)
        return false;
    folder_of(path, above);
    return above[0] != '\0' && make_folder(above) && (mkdir(path, 0700) == 0 || errno == EEXIST);
}

static bool sync_folder(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0)
        close(fd);
    return ok;
}

static void make(struct job *job)
{
    struct file *f = file_of(job);
    char folder[FILE_PATH];
    folder_of(f->path, folder);
    if (make_folder(folder))
        f->fd = open(f->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (f->fd < 0)
        f->err = err_of(errno == ENOENT ? EIO : errno);
    f->made = f->fd >= 0;
}

static void write_piece(struct job *job)
{
    struct file *f = file_of(job);
    for (size_t at = 0; at < f->n;) {
        ssize_t n = pwrite(f->fd, f->piece + at, f->n - at, f->offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            f->err = err_of(n == 0 ? ENOSPC : errno);
            return;
        }
        at += (size_t)n;
        f->offset += n;
    }
    if (f->wrote)
        f->wrote(f->owner, f->piece, f->n);
}

static void keep(struct job *job)
{
    struct file *f = file_of(job);
    char folder[FILE_PATH], above[FILE_PATH];
    folder_of(f->to, folder);
    folder_of(folder, above);
    bool ok = fsync(f->fd) == 0 && make_folder(folder) && rename(f->path, f->to) == 0;
    if (ok) {
        f->made = false;
        ok = sync_folder(folder) && sync_folder(above);
    }
    if (!ok)
        f->err = err_of(errno == ENOENT ? EIO : errno);
}

static void open_file(struct job *job)
{
    struct file *f = file_of(job);
    struct stat st;
    f->fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (f->fd < 0 || fstat(f->fd, &st) < 0) {
        f->err = err_of(errno);
        return;
    }
    f->size = st.st_size;
}

static void read_piece(struct job *job)
{
    struct file *f = file_of(job);
    size_t got = 0;
    while (got < f->n) {
        ssize_t n = pread(f->fd, f->piece + got, f->n - got, f->offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            f->err = ERR_UNAVAILABLE;
        if (n <= 0)
            break;
        got += (size_t)n;
        f->offset += n;
    }
    f->n = got;
}

static void let_go(struct job *job)
{
    struct file *f = file_of(job);
    if (f->fd >= 0)
        close(f->fd);
    if (f->made)
        unlink(f->path);
    f->fd = -1;
    f->made = false;
}

/* ---- on the loop ---- */

static void put_away(struct file *f)
{
    if (files.spares == FILES_KEPT) {
        free(f);
        return;
    }
    f->next = files.spare;
    files.spare = f;
    files.spares++;
}

static void was_let_go(struct wait *w)
{
    put_away(LIST_OF(w, struct file, gone));
}

struct file *file_take(struct offload *pool)
{
    struct file *f = files.spare;
    if (f) {
        files.spare = f->next;
        files.spares--;
    } else if (!(f = malloc(sizeof(*f)))) {
        return NULL;
    }
    memset(f, 0, offsetof(struct file, piece));
    f->fd = -1;
    f->pool = pool;
    wait_init(&f->gone, was_let_go);
    return f;
}

static enum err ask(struct file *f, void (*run)(struct job *job), struct wait *w)
{
    f->job.run = run;
    return offload_run(f->pool, &f->job, w);
}

void file_give(struct file *f)
{
    if (!f)
        return;
    if (f->fd < 0 && !f->made) {
        put_away(f);
    } else if (ask(f, let_go, &f->gone) != OK) { /* the pool is full: rather a moment here than a leak */
        let_go(&f->job);
        put_away(f);
    }
}

void file_fini(void)
{
    struct file *f;
    while ((f = files.spare)) {
        files.spare = f->next;
        free(f);
    }
    files.spares = 0;
}

enum err file_make(struct file *f, struct wait *w)
{
    return ask(f, make, w);
}

enum err file_write(struct file *f, struct wait *w)
{
    must(f->n <= FILE_PIECE);
    return ask(f, write_piece, w);
}

enum err file_keep(struct file *f, struct wait *w)
{
    return ask(f, keep, w);
}

enum err file_open(struct file *f, struct wait *w)
{
    return ask(f, open_file, w);
}

enum err file_read(struct file *f, struct wait *w)
{
    must(f->n <= FILE_PIECE);
    return ask(f, read_piece, w);
}
