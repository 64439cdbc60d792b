/* net/file.h: files whose every touch is a job of a pool of threads, since a disk may take its time: one outstanding
 * ask each, completed through the wait like any other. A file comes with a piece of memory for its bytes, and both with
 * a slab, so that moving bytes allocates nothing. Given back at any time: what is still open is closed by the pool,
 * and a file that was made and not kept is removed.
 */
#ifndef NET_FILE_H
#define NET_FILE_H

#include "net/offload.h"

#include <stddef.h>
#include <stdint.h>

#define FILE_PIECE 65536
#define FILE_PATH 4096

struct file {
    struct file *next;
    struct job job;
    struct wait gone; /* of the job that closes it */
    struct offload *pool;
    enum err err;     /* of the last ask */
    int fd;           /* -1: not open */
    bool made;        /* it lies at `path` and is removed unless kept */
    char path[FILE_PATH];
    char to[FILE_PATH];
    int64_t offset;   /* of the next read or write */
    int64_t size;     /* of a file that was opened */
    size_t n;         /* bytes of the piece: to be written, or that were read */
    /* told of what was written, on a thread of the pool; NULL: nobody */
    void (*wrote)(void *owner, const char *piece, size_t n);
    void *owner;
    char piece[FILE_PIECE];
};

/* NULL when memory is out. */
struct file *file_take(struct offload *pool);
/* Takes NULL. No ask may be under way. */
void file_give(struct file *f);
void file_fini(void);

/* Asks; f->err says what became of it: ERR_NO_SPACE (disk, quota or limit of size), ERR_NOT_FOUND, ERR_UNAVAILABLE.
 * ERR_BUSY at once: the pool is full and nothing was asked. */
/* Makes the file at f->path (mode 0600), its folder too (0700). */
enum err file_make(struct file *f, struct wait *w) CHECKED;
/* Writes f->piece, f->n bytes, behind what was written before. */
enum err file_write(struct file *f, struct wait *w) CHECKED;
/* Makes it last, at f->to, whose folder is made as well: after a crash it is there whole or not at all. */
enum err file_keep(struct file *f, struct wait *w) CHECKED;
/* Opens the file at f->path to be read; f->size is known then. */
enum err file_open(struct file *f, struct wait *w) CHECKED;
/* Reads up to f->n bytes at f->offset into f->piece; f->n are those that came. */
enum err file_read(struct file *f, struct wait *w) CHECKED;

#endif
