/* jobs/media.c: bytes that no row names: of an upload that ended before its row did, of content that was replaced, of
 * a medium that was deleted. Whatever is older than GRACE is compared with the rows, folder by folder; what is still
 * being received is younger, as each piece makes it. Looking, asking and removing are one outstanding ask after the
 * other.
 */
#include "each.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "gen/stmt.h"
#include "route/media.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define GRACE (60 * 60) /* seconds */
#define AT_ONCE 2000    /* files looked at in one round, and what the last folder of it has more */
#define FOLDERS 65536   /* of the second level */

struct found {
    struct found *next;
    bool named;
    char name[MEDIA_NAME + 1];
};

static struct {
    const struct jobs_setup *use;
    struct job job;
    unsigned folder;      /* where the next round begins; FOLDERS: the round of all is over */
    struct arena arena;   /* of one round */
    struct found *found;
    int nfound, removed;
    struct rows rows;
    struct wait wait;
} job = { .folder = FOLDERS };

/* ---- on a thread of the pool ---- */

static bool old(int folder, const char *name)
{
    struct stat st;
    return fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
           st.st_mtime + GRACE < clock_wall_now() / SECOND;
}

/* Calls each(folder, name) for the old files of a folder, if it is there. */
static void walk(const char *path, void (*each)(int folder, const char *name))
{
    DIR *dir = opendir(path);
    const struct dirent *entry;
    while (dir && (entry = readdir(dir)))
        if (media_is_name(str_of(entry->d_name)) && old(dirfd(dir), entry->d_name))
            each(dirfd(dir), entry->d_name);
    if (dir)
        closedir(dir);
}

static void unlink_it(int folder, const char *name)
{
    if (unlinkat(folder, name, 0) == 0)
        job.removed++;
}

static void remember(int folder, const char *name)
{
    (void)folder;
    struct found *f = ARENA_NEW(&job.arena, struct found);
    if (!f)
        return;
    memcpy(f->name, name, sizeof(f->name));
    f->next = job.found;
    job.found = f;
    job.nfound++;
}

static void look(struct job *j)
{
    (void)j;
    char root[FILE_PATH], path[FILE_PATH + 16];
    if (!media_root(root))
        return;
    if (job.folder == 0) {
        snprintf(path, sizeof(path), "%s/tmp", root);
        walk(path, unlink_it);
    }
    while (job.folder < FOLDERS && job.nfound < AT_ONCE) {
        unsigned at = job.folder;
        snprintf(path, sizeof(path), "%s/%02x", root, at >> 8);
        if ((at & 255) == 0 && access(path, X_OK) < 0) {
            job.folder += 256;
            continue;
        }
        snprintf(path, sizeof(path), "%s/%02x/%02x", root, at >> 8, at & 255);
        walk(path, remember);
        job.folder++;
    }
}

static void mark(struct str name)
{
    for (struct found *f = job.found; f; f = f->next)
        if (str_eq(str_of(f->name), name))
            f->named = true;
}

static void discard(struct job *j)
{
    (void)j;
    char path[FILE_PATH];
    while (rows_next(&job.rows))
        mark(rows_text(&job.rows, COL_MEDIA_NAMED_FILE));
    for (const struct found *f = job.found; f; f = f->next)
        if (!f->named && media_path(str_of(f->name), path) && unlink(path) == 0)
            job.removed++;
}

/* ---- on the loop ---- */

static void looked(struct wait *w), known(struct wait *w), discarded(struct wait *w);

static void run(void (*what)(struct job *j), wait_fn *then)
{
    job.job.run = what;
    wait_init(&job.wait, then);
    if (offload_run(job.use->files, &job.job, &job.wait) != OK)
        job.folder = FOLDERS; /* another time */
}

static void next_round(void)
{
    arena_reset(&job.arena);
    job.found = NULL;
    job.nfound = 0;
    if (job.folder < FOLDERS && duty_held()) {
        run(look, looked);
    } else if (job.removed > 0) {
        log_say(LOG_INFO, "media", "files that no row names: %d removed", job.removed);
        job.removed = 0;
    }
}

static struct str names(void)
{
    struct text t = text_new(&job.arena, 4096);
    text_char(&t, '[');
    for (const struct found *f = job.found; f; f = f->next) {
        json_put_text(&t, str_of(f->name));
        text_char(&t, f->next ? ',' : ']');
    }
    return t.failed ? STR_NONE : text_str(&t);
}

static void looked(struct wait *w)
{
    (void)w;
    struct str all = job.nfound > 0 ? names() : STR_NONE;
    if (!all.p) {
        next_round();
        return;
    }
    wait_init(&job.wait, known);
    ask_media_named(job.use->store, &job.arena, all, &job.rows, &job.wait);
}

/* Where the store does not say what is named, nothing is removed. */
static void known(struct wait *w)
{
    (void)w;
    if (job.rows.err == OK) {
        run(discard, discarded);
        return;
    }
    job.folder = FOLDERS;
    rows_fini(&job.rows);
    next_round();
}

static void discarded(struct wait *w)
{
    (void)w;
    rows_fini(&job.rows);
    next_round();
}

void media_sweep(const struct jobs_setup *use)
{
    job.use = use;
    if (media_busy() || job.folder < FOLDERS)
        return;
    job.folder = 0;
    next_round();
}

void media_stop(void)
{
    job.folder = FOLDERS;
}

bool media_busy(void)
{
    return job.wait.open;
}

void media_fini(void)
{
    rows_fini(&job.rows);
    arena_reset(&job.arena);
}
