#include "base/config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define FILE_MOST 65536
#define OURS "GATEHOUSE_"

struct config config;

static const struct setting {
    const char *name;
    enum setting_kind kind;
    const char *standard;
    int64_t min, max;
    size_t at; /* of the member in struct config */
} settings[] = {
#define SETTING(NAME, member, kind, standard, min, max, says)                                      \
    { #NAME, SETTING_##kind, standard, min, max, offsetof(struct config, member) },
#include "base/config.tbl"
#undef SETTING
};

#define SETTINGS (sizeof(settings) / sizeof(settings[0]))

/* One reading: where the values go, where the current one stands, what is wrong with it. */
struct loading {
    struct config *out;
    const char *file; /* NULL outside the file */
    int line;
    char *why;
    size_t why_size;
};

static enum err refuse(const struct loading *l, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Says what is wrong, behind the place if there is one; whatever the value was, in one line. */
static enum err refuse(const struct loading *l, const char *format, ...)
{
    char what[400];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof(what), format, args);
    va_end(args);

    if (l->file)
        snprintf(l->why, l->why_size, "%s:%d: %s", l->file, l->line, what);
    else
        snprintf(l->why, l->why_size, "%s", what);
    for (char *c = l->why; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
    return ERR_INVALID;
}

static char **text_at(struct config *c, const struct setting *s)
{
    return (char **)(void *)((char *)c + s->at);
}

static void drop_text(struct config *c, const struct setting *s)
{
    char *text = *text_at(c, s);
    if (text && s->kind == SETTING_SECRET)
        explicit_bzero(text, strlen(text));
    free(text);
    *text_at(c, s) = NULL;
}

static int64_t *int_at(struct config *c, const struct setting *s)
{
    return (int64_t *)(void *)((char *)c + s->at);
}

static bool is_text(const struct setting *s)
{
    return s->kind == SETTING_TEXT || s->kind == SETTING_SECRET;
}

static const struct setting *setting_named(struct str name)
{
    for (size_t i = 0; i < SETTINGS; i++)
        if (str_eq(str_of(settings[i].name), name))
            return &settings[i];
    return NULL;
}

/* ---- values ---- */

static int64_t characters(struct str s)
{
    int64_t n = 0;
    for (size_t i = 0; i < s.n; i++)
        n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
    return n;
}

/* One line must stay one line, wherever the value is shown or sent. */
static bool has_control(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
            return true;
    return false;
}

static enum err set_text(const struct loading *l, const struct setting *s, struct str value)
{
    bool none = value.n == 0 && s->standard[0] == '\0'; /* as if it were not given */
    if (!str_utf8(value) || has_control(value))
        return refuse(l, "%s has a control character or is not UTF-8", s->name);
    if (!none && value.n == 0)
        return refuse(l, "%s is empty", s->name);
    if (!none && characters(value) < s->min)
        return refuse(l, "%s is shorter than %" PRId64 " characters", s->name, s->min);
    if (characters(value) > s->max)
        return refuse(l, "%s is longer than %" PRId64 " characters", s->name, s->max);

    char *copy = strndup(value.p, value.n);
    if (!copy) {
        refuse(l, "out of memory");
        return ERR_NO_MEMORY;
    }
    drop_text(l->out, s);
    *text_at(l->out, s) = copy;
    return OK;
}

static enum err set_int(const struct loading *l, const struct setting *s, struct str value)
{
    if (!str_int(value, s->min, s->max, int_at(l->out, s)))
        return refuse(l, "%s: \"%.*s\" is not a whole number from %" PRId64 " to %" PRId64, s->name,
                      (int)(value.n < 60 ? value.n : 60), value.p, s->min, s->max);
    return OK;
}

static enum err set_choice(const struct loading *l, const struct setting *s, struct str value)
{
    struct str rest = str_of(s->standard), word;
    for (int64_t i = 0; str_cut(&rest, '|', &word); i++) {
        if (str_eq(word, value)) {
            *int_at(l->out, s) = i;
            return OK;
        }
    }
    return refuse(l, "%s: \"%.*s\" is none of %s", s->name, (int)(value.n < 60 ? value.n : 60),
                  value.p, s->standard);
}

static enum err set(const struct loading *l, const struct setting *s, struct str value)
{
    switch (s->kind) {
    case SETTING_INT:
        return set_int(l, s, value);
    case SETTING_CHOICE:
        return set_choice(l, s, value);
    default:
        return set_text(l, s, value);
    }
}

/* ---- sources ---- */

static enum err from_defaults(const struct loading *l)
{
    for (size_t i = 0; i < SETTINGS; i++) {
        struct str rest = str_of(settings[i].standard), value = rest;
        if (settings[i].kind == SETTING_CHOICE)
            str_cut(&rest, '|', &value);
        TRY(set(l, &settings[i], value));
    }
    return OK;
}

static enum err from_line(const struct loading *l, struct str line, bool seen[SETTINGS])
{
    struct str value = line, name;
    str_cut(&value, '=', &name);
    if (!value.p)
        return refuse(l, "the line is not NAME=value");

    name = str_trim(name);
    const struct setting *s = setting_named(name);
    if (!s)
        return refuse(l, "there is no setting \"%.*s\"", (int)(name.n < 60 ? name.n : 60), name.p);
    if (seen[s - settings])
        return refuse(l, "%s is set twice", s->name);
    seen[s - settings] = true;
    return set(l, s, str_trim(value));
}

static enum err from_text(struct loading *l, struct str text)
{
    bool seen[SETTINGS] = { false };
    struct str line;
    while (str_cut(&text, '\n', &line)) {
        l->line++;
        if (line.n && line.p[line.n - 1] == '\r')
            line.n--;
        line = str_trim(line);
        if (line.n && line.p[0] != '#')
            TRY(from_line(l, line, seen));
    }
    return OK;
}

/* Bytes read, or -1 with errno: a file that does not fit is EFBIG. */
static ssize_t read_whole(const char *path, char *out, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;

    size_t n = 0;
    ssize_t got;
    while ((got = read(fd, out + n, size - n)) != 0) {
        if (got > 0)
            n += (size_t)got;
        else if (errno != EINTR)
            break;
    }
    int error = got < 0 ? errno : n == size ? EFBIG : 0;
    close(fd);
    errno = error;
    return error ? -1 : (ssize_t)n;
}

static enum err from_file(struct loading *l, const char *path)
{
    struct arena arena = { 0 };
    char *text = arena_alloc(&arena, FILE_MOST);
    ssize_t n = text ? read_whole(path, text, FILE_MOST) : -1;
    enum err err;

    if (n < 0) {
        err = refuse(l, "%s: %s", path, strerror(text ? errno : ENOMEM));
    } else {
        l->file = path;
        err = from_text(l, (struct str){ text, (size_t)n });
        l->file = NULL;
        explicit_bzero(text, (size_t)n); /* it may hold secrets */
    }
    arena_reset(&arena);
    return err;
}

static enum err from_environment(const struct loading *l)
{
    for (char **e = environ; e && *e; e++) {
        struct str value = str_of(*e), name;
        str_cut(&value, '=', &name);
        const struct setting *s = setting_named(name);
        if (s && value.p)
            TRY(set(l, s, value));
        else if (str_starts(name, STR(OURS)))
            return refuse(l, "there is no setting \"%.*s\"", (int)(name.n < 60 ? name.n : 60),
                          name.p);
    }
    return OK;
}

static enum err check_networks(const struct loading *l, const char *name, const char *list)
{
    struct network networks[NETWORKS_MAX];
    if (network_list(list, networks, NETWORKS_MAX) >= 0)
        return OK;
    return refuse(l, "%s is not a list of at most %d addresses or networks", name, NETWORKS_MAX);
}

/* A scheme and what stands between it and a path; RFC 3986 section 3.2, without a user name. */
static enum err check_origin(const struct loading *l, const char *name, const char *url)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._:[]";
    const char *host = strncmp(url, "https://", 8) == 0  ? url + 8
                       : strncmp(url, "http://", 7) == 0 ? url + 7
                                                         : "";
    if (url[0] == '\0' || (host[0] && host[0] != ':' && host[strspn(host, plain)] == '\0'))
        return OK;
    return refuse(l, "%s is not http:// or https:// with a host and nothing behind it", name);
}

enum err config_load(struct config *out, const char *path, char *why, size_t why_size)
{
    struct loading l = { .out = out, .why = why, .why_size = why_size };
    *out = (struct config){ 0 };

    enum err err = from_defaults(&l);
    if (err == OK && path)
        err = from_file(&l, path);
    if (err == OK)
        err = from_environment(&l);
    if (err == OK)
        err = check_networks(&l, "TRUSTED_PROXIES", out->trusted_proxies);
    if (err == OK)
        err = check_networks(&l, "METRICS_ALLOW", out->metrics_allow);
    if (err == OK)
        err = check_origin(&l, "PUBLIC_URL", out->public_url);
    if (err != OK)
        config_free(out);
    return err;
}

void config_free(struct config *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < SETTINGS; i++)
        if (is_text(&settings[i]))
            drop_text(c, &settings[i]);
    *c = (struct config){ 0 };
}

static struct str choice(const struct setting *s, int64_t index)
{
    struct str rest = str_of(s->standard), word = STR_NONE;
    for (int64_t i = 0; i <= index; i++)
        str_cut(&rest, '|', &word);
    return word;
}

void config_print(const struct config *c, struct text *out)
{
    struct config *from = (struct config *)c;
    for (size_t i = 0; i < SETTINGS; i++) {
        const struct setting *s = &settings[i];
        text_add(out, str_of(s->name));
        text_char(out, '=');
        if (s->kind == SETTING_INT)
            text_int(out, *int_at(from, s));
        else if (s->kind == SETTING_CHOICE)
            text_add(out, choice(s, *int_at(from, s)));
        else if (s->kind == SETTING_TEXT)
            text_add(out, str_of(*text_at(from, s)));
        else
            text_add(out, str_of(*text_at(from, s)).n ? STR("(set)") : STR("(not set)"));
        text_char(out, '\n');
    }
}
