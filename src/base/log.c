#include "base/log.h"

#include "base/clock.h"
#include "digits.h"
#include "fork.h"
#include "plain.h"
#include "utf8.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUFFER 65536
#define LINE_MOST 16384 /* bytes of one line */
#define VALUE_MOST 2000 /* bytes of one value, before escapes; a longer one is cut */
#define ESCAPE_MOST 6   /* bytes that one byte may become */
#define SAID_MOST 1024  /* bytes of a formatted message */

/* [0, n) are whole lines; the line under construction follows. */
static struct {
    int fd;
    bool file; /* never makes us wait */
    enum log_level least;
    enum log_format format;
    const char *who;
    unsigned forks;
    size_t n, line;
    bool open, cut, urgent;
    uint64_t dropped; /* lines that found no room, since the last that did */
    char buffer[BUFFER];
} out = { .fd = STDERR_FILENO, .least = LOG_INFO };

static const char *const level_names[] = { "debug", "info", "warn", "error" };

void log_open(int fd, enum log_level least, enum log_format format)
{
    struct stat s;
    out.fd = fd;
    out.file = fstat(fd, &s) == 0 && S_ISREG(s.st_mode);
    out.least = least;
    out.format = format;
}

void log_who(const char *who)
{
    out.who = who;
}

bool log_wants(enum log_level level)
{
    return level >= out.least;
}

/* ---- writing ---- */

/* What the parent had gathered is the parent's to write. */
static void forget_parent(void)
{
    if (out.forks == fork_count())
        return;
    out.forks = fork_count();
    out.n = out.line = 0;
    out.dropped = 0;
    out.open = false;
}

/* The bytes to write at once. A pipe that is ready takes PIPE_BUF bytes without waiting and in one piece, so between
 * processes lines stay whole: the cut is behind the last line that fits. */
static size_t portion(size_t from)
{
    size_t left = out.n - from;
    if (out.file || left <= PIPE_BUF)
        return left;
    const char *end = memrchr(out.buffer + from, '\n', PIPE_BUF);
    return end ? (size_t)(end + 1 - (out.buffer + from)) : PIPE_BUF;
}

static bool ready(void)
{
    struct pollfd p = { .fd = out.fd, .events = POLLOUT };
    return out.file || poll(&p, 1, 0) == 1;
}

/* Keeps what a slow reader does not take now; what cannot be written at all is dropped. */
void log_flush(void)
{
    forget_parent();
    size_t from = 0;
    while (from < out.n && ready()) {
        ssize_t wrote = write(out.fd, out.buffer + from, portion(from));
        if (wrote > 0)
            from += (size_t)wrote;
        else if (wrote < 0 && errno == EAGAIN)
            break;
        else if (wrote == 0 || errno != EINTR)
            from = out.n;
    }
    memmove(out.buffer, out.buffer + from, out.n - from);
    out.n -= from;
}

/* ---- one line ---- */

static char *place(void)
{
    return out.buffer + out.n + out.line;
}

static void put(struct str s)
{
    memcpy(place(), s.p, s.n);
    out.line += s.n;
}

#define put_lit(literal) put(STR(literal))

/* Whether so many bytes still fit, and 16 for the end. */
static bool fits(size_t n)
{
    if (out.line + n + 16 <= LINE_MOST)
        return true;
    out.cut = true;
    return false;
}

static void put_unit(unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    if (c == '"' || c == '\\')
        put((struct str){ (char[]){ '\\', (char)c }, 2 });
    else if (c == '\n')
        put_lit("\\n");
    else
        put((struct str){ (char[]){ '\\', 'u', '0', '0', hex[c >> 4], hex[c & 15] }, 6 });
}

static bool plain(unsigned char c)
{
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

/* Bytes in front that are written as they are. */
static size_t plain_run(const char *p, size_t n)
{
    size_t run = 0;
    for (; n - run >= 8; run += 8) {
        uint64_t word = plain_word(p + run);
        if (plain_none8(word) || plain_high8(word))
            break;
    }
    while (run < n && plain((unsigned char)p[run]))
        run++;
    return run;
}

/* Quoted, in both formats: a value never looks like more than one. Bytes that are no UTF-8 become U+FFFD. */
static void put_quoted(struct str s)
{
    if (s.n > VALUE_MOST) {
        s.n = VALUE_MOST;
        out.cut = true;
    }

    put_lit("\"");
    for (;;) {
        size_t run = plain_run(s.p, s.n);
        put((struct str){ s.p, run });
        s = (struct str){ s.p + run, s.n - run };
        if (s.n == 0)
            break;

        size_t length = utf8_length(s.p, s.n);
        if (length > 1)
            put((struct str){ s.p, length });
        else if (length == 1)
            put_unit((unsigned char)*s.p);
        else
            put_lit("\xef\xbf\xbd");
        length = length ? length : 1;
        s = (struct str){ s.p + length, s.n - length };
    }
    put_lit("\"");
}

/* false: the field does not fit, and is left out. */
static bool put_name(const char *name, size_t value)
{
    struct str s = str_of(name);
    if (!out.open || !fits(s.n + 4 + value))
        return false;

    char *at = place();
    if (out.format == LOG_JSON) {
        memcpy(at, ",\"", 2);
        memcpy(at + 2, s.p, s.n);
        memcpy(at + 2 + s.n, "\":", 2);
        out.line += s.n + 4;
    } else {
        at[0] = ' ';
        memcpy(at + 1, s.p, s.n);
        at[1 + s.n] = '=';
        out.line += s.n + 2;
    }
    return true;
}

static void put_time(int64_t wall)
{
    clock_format(wall, place());
    out.line += CLOCK_RFC3339;
}

/* Level, who and event are words of ours: they need no escape. */
static void begin(enum log_level level, const char *event, int64_t wall)
{
    bool json = out.format == LOG_JSON;
    out.open = true;
    out.cut = false;
    out.urgent = level >= LOG_WARN;
    out.line = 0;

    put(json ? STR("{\"time\":\"") : STR(""));
    put_time(wall);
    put(json ? STR("\",\"level\":\"") : STR(" "));
    put(str_of(level_names[level]));
    if (out.who) {
        put(json ? STR("\",\"who\":\"") : STR(" "));
        put(str_of(out.who));
    }
    put(json ? STR("\",\"event\":\"") : STR(" "));
    put(str_of(event));
    put(json ? STR("\"") : STR(""));
}

static void end(void)
{
    if (out.cut)
        put(out.format == LOG_JSON ? STR(",\"cut\":true") : STR(" cut=true"));
    put(out.format == LOG_JSON ? STR("}\n") : STR("\n"));
    out.n += out.line;
    out.line = 0;
    out.open = false;
}

/* Room for the line, and for one that says how many found none. */
static bool make_room(void)
{
    if (BUFFER - out.n < 2 * LINE_MOST)
        log_flush();
    if (BUFFER - out.n < 2 * LINE_MOST) {
        out.dropped++;
        return false;
    }
    if (out.dropped) {
        begin(LOG_WARN, "log_dropped", clock_wall_now());
        log_int("lines", (int64_t)out.dropped);
        end();
        out.dropped = 0;
    }
    return true;
}

static void begin_at(enum log_level level, const char *event, int64_t wall)
{
    forget_parent();
    out.open = false;
    if (log_wants(level) && make_room())
        begin(level, event, wall);
}

void log_begin(enum log_level level, const char *event)
{
    begin_at(level, event, clock_wall() ? clock_wall() : clock_wall_now());
}

void log_text(const char *name, struct str value)
{
    size_t n = value.n < VALUE_MOST ? value.n : VALUE_MOST;
    if (put_name(name, n * ESCAPE_MOST + 2))
        put_quoted(value.n ? value : STR(""));
}

void log_int(const char *name, int64_t value)
{
    if (put_name(name, DIGITS_MOST))
        out.line += digits_put_int(place(), value);
}

void log_uuid(const char *name, const struct uuid *id)
{
    if (!put_name(name, UUID_TEXT + 2))
        return;
    put_lit("\"");
    uuid_format(id, place());
    out.line += UUID_TEXT;
    put_lit("\"");
}

void log_end(void)
{
    if (!out.open)
        return;
    end();
    if (out.urgent)
        log_flush();
}

void log_say(enum log_level level, const char *event, const char *format, ...)
{
    if (!log_wants(level))
        return;

    char said[SAID_MOST];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(said, sizeof(said), format, args);
    va_end(args);

    begin_at(level, event, clock_wall_now());
    log_text("message", (struct str){ said, n < 0 ? 0 : strnlen(said, sizeof(said)) });
    out.cut = out.cut || n >= (int)sizeof(said);
    log_end();
}
