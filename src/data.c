#include "data.h"

#include "route/media.h"
#include "base/base64.h"
#include "base/config.h"
#include "base/random.h"
#include "gate/country.h"
#include "store/store.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SECRET_BYTES 48 /* random; 64 characters of base64url */
#define SECRET_MIN 32
#define SECRET_MAX 1000
#define ORPHANS_MS 2000 /* that the workers of a killed server may take to follow it */

static int lock_fd = -1;

static bool path_of(const char *name, char out[PATH_MAX])
{
    int n = snprintf(out, PATH_MAX, "%s/%s", config.data_dir, name);
    if (n > 0 && n < PATH_MAX)
        return true;
    warnx("DATA_DIR is too long");
    return false;
}

bool data_folder(void)
{
    struct stat st;
    if (mkdir(config.data_dir, 0700) == 0)
        return true;
    if (errno != EEXIST) {
        warn("cannot make DATA_DIR %s", config.data_dir);
        return false;
    }
    if (stat(config.data_dir, &st) == 0 && S_ISDIR(st.st_mode))
        return true;
    warnx("DATA_DIR %s is not a folder", config.data_dir);
    return false;
}

/* ---- the lock ---- */

long data_holder(void)
{
    char text[24];
    ssize_t n = lock_fd < 0 ? -1 : pread(lock_fd, text, sizeof(text) - 1, 0);
    if (n <= 0)
        return 0;
    text[n] = '\0';
    return strtol(text, NULL, 10);
}

/* Workers share the lock of the server that forked them, so a killed server holds it until they have ended too. */
static bool only_orphans_left(void)
{
    long holder = data_holder();
    return holder > 0 && kill((pid_t)holder, 0) < 0 && errno == ESRCH;
}

static bool lock_take(void)
{
    const struct timespec pause = { .tv_nsec = 20 * 1000 * 1000 };
    for (int waited = 0; flock(lock_fd, LOCK_EX | LOCK_NB) < 0; waited += 20) {
        if (waited >= ORPHANS_MS || !only_orphans_left())
            return false;
        nanosleep(&pause, NULL);
    }
    return true;
}

enum err data_lock(void)
{
    char path[PATH_MAX];
    if (!path_of("lock", path))
        return ERR_INVALID;
    if (lock_fd < 0)
        lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (lock_fd < 0) {
        warn("cannot open %s", path);
        return ERR_UNAVAILABLE;
    }
    if (!lock_take())
        return ERR_IN_USE;
    if (ftruncate(lock_fd, 0) < 0 || dprintf(lock_fd, "%ld\n", (long)getpid()) < 0)
        warn("cannot write %s", path); /* the lock holds all the same */
    return OK;
}

/* ---- the secret ---- */

static char secret[SECRET_MAX + 2];

/* The file is whole or not there, also after a power cut. */
static bool secret_make(const char *path)
{
    char fresh[PATH_MAX];
    uint8_t bytes[SECRET_BYTES];
    if (!path_of("secret.new", fresh))
        return false;
    random_bytes(bytes, sizeof(bytes));
    size_t n = base64_encode(bytes, sizeof(bytes), secret);
    secret[n] = '\n';

    unlink(fresh); /* of a start that was cut short; the lock is ours */
    int fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool written = fd >= 0 && write(fd, secret, n + 1) == (ssize_t)(n + 1) && fsync(fd) == 0;
    if (fd >= 0)
        close(fd);
    int folder = open(config.data_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    written = written && folder >= 0 && rename(fresh, path) == 0 && fsync(folder) == 0;
    if (folder >= 0)
        close(folder);
    if (!written)
        warn("cannot write %s", path);
    return written;
}

static struct str secret_read(const char *path, int fd)
{
    struct stat st;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || (st.st_mode & 077)) {
        warnx("%s can be read by others; chmod 600 it, or replace it if they may have", path);
        return STR_NONE;
    }
    ssize_t n = read(fd, secret, sizeof(secret));
    while (n > 0 && (secret[n - 1] == '\n' || secret[n - 1] == '\r'))
        n--;
    if (n < SECRET_MIN || n > SECRET_MAX) {
        warnx("%s must hold %d to %d characters", path, SECRET_MIN, SECRET_MAX);
        return STR_NONE;
    }
    return (struct str){ secret, (size_t)n };
}

struct str data_secret(void)
{
    char path[PATH_MAX];
    if (config.jwt_secret[0] != '\0')
        return str_of(config.jwt_secret);
    if (store_is_remote(config.database_url)) {
        warnx("JWT_SECRET must be set with a PostgreSQL store: all nodes share it");
        return STR_NONE;
    }
    if (!path_of("secret", path))
        return STR_NONE;

    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && errno == ENOENT) {
        if (!secret_make(path))
            return STR_NONE;
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    }
    if (fd < 0) {
        warn("cannot read %s", path);
        return STR_NONE;
    }
    struct str found = secret_read(path, fd);
    close(fd);
    return found;
}

/* ---- paths ---- */

bool data_embedded(char out[PATH_MAX])
{
    return path_of("gatehouse.db", out);
}

bool data_store(char out[PATH_MAX])
{
    const char *url = config.database_url;
    if (url[0] == '\0')
        return data_embedded(out);
    if (strstr(url, "://") && !store_is_remote(url)) {
        warnx("DATABASE_URL: give postgresql://user:password@host:port/database, or a file name");
        return false;
    }
    snprintf(out, PATH_MAX, "%s", url); /* at most 2000 characters */
    return true;
}

bool data_country(void)
{
    char why[PATH_MAX];
    if (country_open(config.geoip_db, why, sizeof(why)))
        return true;
    warnx("%s", why);
    return false;
}

bool data_control(struct sockaddr_un *out)
{
    *out = (struct sockaddr_un){ .sun_family = AF_UNIX };
    int n = snprintf(out->sun_path, sizeof(out->sun_path), "%s/control.sock", config.data_dir);
    if (n > 0 && (size_t)n < sizeof(out->sun_path))
        return true;
    warnx("DATA_DIR is too long for its control socket: at most %zu characters",
          sizeof(out->sun_path) - sizeof("/control.sock"));
    return false;
}

bool data_media(void)
{
    char why[FILE_PATH + 100];
    bool ok = media_prepare(why, sizeof(why)) == OK;
    if (!ok)
        warnx("%s", why);
    return ok;
}
