#include "route/media.h"

#include "base/config.h"
#include "base/random.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define BELOW 64 /* more bytes than what lies below MEDIA_DIR ever adds to a path */

void media_name(char out[MEDIA_NAME + 1])
{
    unsigned char bytes[MEDIA_NAME / 2];
    random_bytes(bytes, sizeof(bytes));
    for (size_t i = 0; i < sizeof(bytes); i++)
        snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

bool media_is_name(struct str name)
{
    for (size_t i = 0; i < name.n; i++)
        if (!memchr("0123456789abcdef", name.p[i], 16))
            return false;
    return name.n == MEDIA_NAME;
}

bool media_root(char out[FILE_PATH])
{
    bool own = config.media_dir[0] != '\0';
    int n = snprintf(out, FILE_PATH, "%s%s", own ? config.media_dir : config.data_dir,
                     own ? "" : "/media");
    return n > 0 && n < FILE_PATH - BELOW;
}

bool media_path(struct str name, char out[FILE_PATH])
{
    char root[FILE_PATH];
    if (!media_is_name(name) || !media_root(root))
        return false;
    int n = snprintf(out, FILE_PATH, "%s/%.2s/%.2s/%.*s", root, name.p, name.p + 2, STR_ARG(name));
    return n > 0 && n < FILE_PATH;
}

bool media_unfinished(struct str name, char out[FILE_PATH])
{
    char root[FILE_PATH];
    if (!media_is_name(name) || !media_root(root))
        return false;
    int n = snprintf(out, FILE_PATH, "%s/tmp/%.*s", root, STR_ARG(name));
    return n > 0 && n < FILE_PATH;
}

enum err media_prepare(char *why, size_t why_size)
{
    char root[FILE_PATH], tmp[FILE_PATH + 8];
    struct stat st;
    signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is an error of its write, not the end of the process */
    if (!media_root(root)) {
        snprintf(why, why_size, "MEDIA_DIR is too long");
        return ERR_INVALID;
    }
    snprintf(tmp, sizeof(tmp), "%s/tmp", root);
    if ((mkdir(root, 0700) < 0 && errno != EEXIST) || (mkdir(tmp, 0700) < 0 && errno != EEXIST) ||
        stat(tmp, &st) < 0 || access(tmp, R_OK | W_OK | X_OK) < 0) {
        snprintf(why, why_size, "MEDIA_DIR %s: %s", root, strerror(errno));
        return ERR_UNAVAILABLE;
    }
    if (!S_ISDIR(st.st_mode)) {
        snprintf(why, why_size, "MEDIA_DIR %s: its folder tmp is none", root);
        return ERR_UNAVAILABLE;
    }
    return OK;
}
