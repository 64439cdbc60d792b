/* Files by way of a pool of threads. file.c is included, so that the disk does as the test says: each touch of it may
 * be short, interrupted or refused. */
#include "unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

/* What the next touches meet; then the disk is as it should be. */
static struct {
    int fails;     /* errno of each touch; 0: it does not fail */
    int interrupts; /* touches that are interrupted first */
    size_t most;   /* bytes of one touch; 0: any */
    bool takes_nothing;
    int touches;
} disk;

static bool refused(void)
{
    disk.touches++;
    if (disk.interrupts > 0) {
        disk.interrupts--;
        errno = EINTR;
        return true;
    }
    errno = disk.fails;
    return disk.fails != 0;
}

static size_t at_most(size_t n)
{
    return disk.most && n > disk.most ? disk.most : n;
}

static ssize_t disk_pwrite(int fd, const void *p, size_t n, off_t at)
{
    if (disk.takes_nothing)
        return 0;
    return refused() ? -1 : pwrite(fd, p, at_most(n), at);
}

static ssize_t disk_pread(int fd, void *p, size_t n, off_t at)
{
    return refused() ? -1 : pread(fd, p, at_most(n), at);
}

static int disk_fsync(int fd)
{
    return refused() ? -1 : fsync(fd);
}

#define pwrite disk_pwrite
#define pread disk_pread
#define fsync disk_fsync
#include "../../../src/net/file.c"
#undef pwrite
#undef pread
#undef fsync

static char top[200];
static struct offload *pool;
static struct file *f;
static struct wait done;

static void woken(struct wait *w)
{
    (void)w;
}

static char *below(const char *name, char out[FILE_PATH])
{
    snprintf(out, FILE_PATH, "%s/%s", top, name);
    return out;
}

static int begin(void **state)
{
    const char *tmp = getenv("TMPDIR");
    if (begin_loop(state) != 0)
        return -1;
    loop_stop(); /* so that it runs only while someone waits */
    memset(&disk, 0, sizeof(disk));
    snprintf(top, sizeof(top), "%s/file-XXXXXX", tmp ? tmp : "/tmp");
    pool = offload_new(1, 8, 0);
    wait_init(&done, woken);
    if (!mkdtemp(top) || !pool || !(f = file_take(pool)))
        return -1;
    below("tmp/one", f->path);
    below("kept/here", f->to);
    return 0;
}

static int end(void **state)
{
    char command[300];
    file_give(f);
    loop_run();
    offload_free(pool);
    file_fini();
    snprintf(command, sizeof(command), "rm -rf '%s'", top);
    return system(command) == 0 ? end_loop(state) : -1;
}

/* What comes of one ask. */
static enum err ask_for(enum err (*what)(struct file *f, struct wait *w))
{
    f->err = ERR_INTERNAL;
    assert_int_equal(what(f, &done), OK);
    assert_true(done.open);
    loop_run();
    return f->err;
}

static enum err write_text(const char *text, size_t n)
{
    memcpy(f->piece, text, n);
    f->n = n;
    return ask_for(file_write);
}

static void give(void)
{
    file_give(f);
    f = NULL;
    loop_run();
}

static void take(const char *name)
{
    f = file_take(pool);
    assert_non_null(f);
    below(name, f->path);
}

static bool is_there(const char *name)
{
    char path[FILE_PATH];
    return access(below(name, path), F_OK) == 0;
}

static int files_in(const char *name)
{
    char path[FILE_PATH];
    int n = 0;
    DIR *dir = opendir(below(name, path));
    while (dir && readdir(dir))
        n++;
    if (dir)
        closedir(dir);
    return n - 2; /* itself and what is above */
}

static mode_t mode_of(const char *name)
{
    char path[FILE_PATH];
    struct stat st;
    assert_int_equal(stat(below(name, path), &st), 0);
    return st.st_mode & 0777;
}

/* A file that lies there, by other means. */
static void put(const char *name, const char *text)
{
    char path[FILE_PATH];
    FILE *file = fopen(below(name, path), "w");
    assert_true(file && fputs(text, file) >= 0 && fclose(file) == 0);
}

/* ---- the good path ---- */

static void what_is_kept_is_read_again(void **state)
{
    (void)state;
    assert_int_equal(ask_for(file_make), OK);
    assert_int_equal(write_text("hello ", 6), OK);
    assert_int_equal(write_text("world", 5), OK);
    assert_int_equal(mode_of("tmp/one"), 0600);
    assert_int_equal(mode_of("tmp"), 0700);
    assert_int_equal(ask_for(file_keep), OK);
    give();
    assert_int_equal(files_in("tmp"), 0);
    assert_int_equal(mode_of("kept"), 0700);

    take("kept/here");
    assert_int_equal(ask_for(file_open), OK);
    assert_int_equal(f->size, 11);
    f->n = 8;
    assert_int_equal(ask_for(file_read), OK);
    assert_int_equal(f->n, 8);
    assert_memory_equal(f->piece, "hello wo", 8);
    f->n = 8;
    assert_int_equal(ask_for(file_read), OK);
    assert_int_equal(f->n, 3); /* its end */
    assert_memory_equal(f->piece, "rld", 3);
    f->n = 8;
    assert_int_equal(ask_for(file_read), OK);
    assert_int_equal(f->n, 0);
    f->offset = 4;
    f->n = 3;
    assert_int_equal(ask_for(file_read), OK);
    assert_memory_equal(f->piece, "o w", 3);
    give();
    assert_true(is_there("kept/here")); /* who reads removes nothing */
}

static void the_newer_takes_the_place_of_the_older(void **state)
{
    (void)state;
    char path[FILE_PATH];
    assert_int_equal(mkdir(below("kept", path), 0700), 0);
    put("kept/here", "old");
    assert_int_equal(ask_for(file_make), OK);
    assert_int_equal(write_text("newer", 5), OK);
    assert_int_equal(ask_for(file_keep), OK);
    give();
    take("kept/here");
    assert_int_equal(ask_for(file_open), OK);
    assert_int_equal(f->size, 5);
}

static char heard[32];
static size_t heard_n;

static void hears(void *owner, const char *piece, size_t n)
{
    assert_ptr_equal(owner, &disk);
    memcpy(heard + heard_n, piece, n);
    heard_n += n;
}

static void who_wants_to_know_is_told_what_was_written(void **state)
{
    (void)state;
    heard_n = 0;
    f->wrote = hears;
    f->owner = &disk;
    assert_int_equal(ask_for(file_make), OK);
    assert_int_equal(write_text("abc", 3), OK);
    disk.fails = EIO;
    assert_int_equal(write_text("not", 3), ERR_UNAVAILABLE);
    disk.fails = 0;
    assert_int_equal(write_text("de", 2), OK);
    assert_int_equal(heard_n, 5);
    assert_memory_equal(heard, "abcde", 5);
}

/* ---- a disk that does less than it is asked for ---- */

static void short_touches_are_gone_on_with(void **state)
{
    (void)state;
    disk.most = 3;
    disk.interrupts = 2;
    assert_int_equal(ask_for(file_make), OK);
    assert_int_equal(write_text("0123456789", 10), OK);
    assert_int_equal(disk.touches, 6);
    disk.interrupts = 0;
    assert_int_equal(ask_for(file_keep), OK);
    give();

    take("kept/here");
    assert_int_equal(ask_for(file_open), OK);
    assert_int_equal(f->size, 10);
    disk.interrupts = 2;
    disk.touches = 0;
    f->n = 10;
    assert_int_equal(ask_for(file_read), OK);
    assert_int_equal(f->n, 10);
    assert_memory_equal(f->piece, "0123456789", 10);
    assert_int_equal(disk.touches, 6);
}

/* ---- what cannot be had ---- */

static void a_file_that_is_missing(void **state)
{
    (void)state;
    assert_int_equal(ask_for(file_open), ERR_NOT_FOUND);
    assert_int_equal(f->fd, -1);
    give();
    assert_false(is_there("tmp"));
}

static void a_link_is_not_followed(void **state)
{
    (void)state;
    char to[FILE_PATH];
    put("elsewhere", "secret");
    below("link", f->path);
    assert_int_equal(symlink(below("elsewhere", to), f->path), 0);
    assert_int_equal(ask_for(file_open), ERR_UNAVAILABLE);
    assert_int_equal(ask_for(file_make), ERR_UNAVAILABLE);
    give();
    assert_true(is_there("elsewhere"));
}

static void what_is_there_is_not_made_anew(void **state)
{
    (void)state;
    char path[FILE_PATH];
    assert_int_equal(mkdir(below("tmp", path), 0700), 0);
    put("tmp/one", "another's");
    assert_int_equal(ask_for(file_make), ERR_UNAVAILABLE);
    give();
    assert_true(is_there("tmp/one")); /* nor removed by who did not make it */
}

static void a_folder_that_cannot_be_made(void **state)
{
    (void)state;
    put("tmp", "a file");
    assert_int_equal(ask_for(file_make), ERR_UNAVAILABLE);
}

/* ---- errors of the disk ---- */

static void errors_of_the_disk_are_told_apart(void **state)
{
    (void)state;
    static const struct {
        int number;
        enum err err;
    } rows[] = {
        { ENOSPC, ERR_NO_SPACE }, { EDQUOT, ERR_NO_SPACE },  { EFBIG, ERR_NO_SPACE },
        { EIO, ERR_UNAVAILABLE }, { EROFS, ERR_UNAVAILABLE },
    };
    assert_int_equal(ask_for(file_make), OK);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        disk.fails = rows[i].number;
        assert_int_equal(write_text("x", 1), rows[i].err);
        assert_int_equal(ask_for(file_keep), rows[i].err);
        assert_false(is_there("kept/here"));
        assert_true(f->made);
    }
    disk.fails = 0;
    disk.takes_nothing = true;
    assert_int_equal(write_text("x", 1), ERR_NO_SPACE);
    give();
    assert_int_equal(files_in("tmp"), 0); /* what was begun is removed */
}

static void a_read_that_fails(void **state)
{
    (void)state;
    put("there", "text");
    below("there", f->path);
    assert_int_equal(ask_for(file_open), OK);
    disk.fails = EIO;
    f->n = 4;
    assert_int_equal(ask_for(file_read), ERR_UNAVAILABLE);
    assert_int_equal(f->n, 0);
    disk.fails = 0;
    f->n = 4;
    assert_int_equal(ask_for(file_read), OK);
    assert_int_equal(f->n, 4);
}

static void what_cannot_be_moved_to_its_place_is_removed(void **state)
{
    (void)state;
    put("kept", "a file where a folder should be");
    assert_int_equal(ask_for(file_make), OK);
    assert_int_equal(write_text("x", 1), OK);
    assert_int_equal(ask_for(file_keep), ERR_UNAVAILABLE);
    give();
    assert_int_equal(files_in("tmp"), 0);
}

/* ---- given back at any time ---- */

static sem_t may_go_on;

static void holds(struct job *job)
{
    (void)job;
    sem_wait(&may_go_on);
}

static void who_gives_up_leaves_nothing(void **state)
{
    (void)state;
    assert_int_equal(ask_for(file_make), OK);
    assert_int_equal(write_text("x", 1), OK);
    assert_int_equal(files_in("tmp"), 1);
    give();
    assert_int_equal(files_in("tmp"), 0);
    file_give(NULL);
}

/* It is the pool's until it is closed: nobody else gets it before. */
static void given_while_the_pool_works_it_is_not_taken_before_it_is_closed(void **state)
{
    (void)state;
    struct wait held;
    struct job job = { .run = holds };
    sem_init(&may_go_on, 0, 0);
    assert_int_equal(ask_for(file_make), OK);
    wait_init(&held, woken);
    assert_int_equal(offload_run(pool, &job, &held), OK);

    struct file *given = f;
    file_give(f);
    f = file_take(pool);
    assert_ptr_not_equal(f, given);
    assert_int_equal(files_in("tmp"), 1);
    sem_post(&may_go_on);
    loop_run();
    assert_int_equal(files_in("tmp"), 0);
    struct file *again = file_take(pool);
    assert_ptr_equal(again, given);
    assert_int_equal(again->fd, -1);
    file_give(again);
    sem_destroy(&may_go_on);
}

/* The pool ends while it has still to be closed. */
static void a_pool_that_ends_closes_what_was_given(void **state)
{
    (void)state;
    assert_int_equal(ask_for(file_make), OK);
    file_give(f);
    offload_free(pool);
    assert_int_equal(files_in("tmp"), 0);
    loop_run();
    pool = offload_new(1, 8, 0);
    f = file_take(pool);
}

static void a_full_pool_is_not_asked_and_what_is_given_is_closed_here(void **state)
{
    (void)state;
    struct wait held;
    struct job job = { .run = holds };
    struct offload *narrow = offload_new(1, 0, 0);
    sem_init(&may_go_on, 0, 0);
    assert_int_equal(ask_for(file_make), OK);
    wait_init(&held, woken);
    assert_int_equal(offload_run(narrow, &job, &held), OK);

    f->pool = narrow;
    f->n = 1;
    assert_int_equal(file_write(f, &done), ERR_BUSY);
    assert_false(done.open);
    file_give(f);
    assert_int_equal(files_in("tmp"), 0);
    f = NULL;
    sem_post(&may_go_on);
    loop_run();
    offload_free(narrow);
    sem_destroy(&may_go_on);
}

static void more_than_are_kept_are_freed(void **state)
{
    (void)state;
    struct file *many[FILES_KEPT + 8];
    for (size_t i = 0; i < COUNT(many); i++)
        assert_non_null(many[i] = file_take(pool));
    for (size_t i = 0; i < COUNT(many); i++)
        file_give(many[i]);
    assert_int_equal(files.spares, FILES_KEPT);
}

#define test_file(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test_file(what_is_kept_is_read_again),
        test_file(the_newer_takes_the_place_of_the_older),
        test_file(who_wants_to_know_is_told_what_was_written),
        test_file(short_touches_are_gone_on_with),
        test_file(a_file_that_is_missing),
        test_file(a_link_is_not_followed),
        test_file(what_is_there_is_not_made_anew),
        test_file(a_folder_that_cannot_be_made),
        test_file(errors_of_the_disk_are_told_apart),
        test_file(a_read_that_fails),
        test_file(what_cannot_be_moved_to_its_place_is_removed),
        test_file(who_gives_up_leaves_nothing),
        test_file(given_while_the_pool_works_it_is_not_taken_before_it_is_closed),
        test_file(a_pool_that_ends_closes_what_was_given),
        test_file(a_full_pool_is_not_asked_and_what_is_given_is_closed_here),
        test_file(more_than_are_kept_are_freed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
