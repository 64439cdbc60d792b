#include "redis_url.h"

#include "base/str.h"

#define PORT 6379
#define SENTINEL_PORT 26379
#define DATABASE_MAX 1000000

static int hex(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* Percent-decoding (RFC 3986 section 2.1) into a C string of at most size - 1 bytes. */
static bool decode(struct str from, char *out, size_t size)
{
    size_t n = 0;
    for (size_t i = 0; i < from.n; i++) {
        char c = from.p[i];
        if (c == '%') {
            int high = i + 2 < from.n ? hex(from.p[i + 1]) : -1;
            int low = high >= 0 ? hex(from.p[i + 2]) : -1;
            if (low < 0)
                return false;
            c = (char)(high * 16 + low);
            i += 2;
        }
        if (c == '\0' || n + 1 == size)
            return false;
        out[n++] = c;
    }
    out[n] = '\0';
    return true;
}

/* Cuts the rest behind `mark` off, and says whether there was one. */
static bool split(struct str *s, const char *mark, struct str *rest)
{
    if (!mark)
        return false;
    *rest = (struct str){ mark + 1, (size_t)(s->p + s->n - mark - 1) };
    s->n = (size_t)(mark - s->p);
    return true;
}

static const char *parse_login(struct str login, struct redis_url *out)
{
    struct str password;
    if (!split(&login, memchr(login.p, ':', login.n), &password) || password.n == 0)
        return "before the @ belongs user:password, or :password";
    if (!decode(login, out->user, sizeof(out->user)) ||
        !decode(password, out->password, sizeof(out->password)))
        return "user or password is too long, or a % in it is not followed by two hexadecimal digits";
    return NULL;
}

/* host, host:port, [::1] or [::1]:port */
static const char *parse_place(struct str text, int port, struct redis_place *out)
{
    struct str host = text, rest = STR_NONE;
    bool ported;
    if (text.n > 0 && text.p[0] == '[') {
        const char *end = memchr(text.p, ']', text.n);
        if (!end)
            return "an address in [ ] does not end";
        host = (struct str){ text.p + 1, (size_t)(end - text.p - 1) };
        rest = (struct str){ end + 1, (size_t)(text.p + text.n - end - 1) };
        ported = rest.n > 0;
        if (ported && rest.p[0] != ':')
            return "behind an address in [ ] belongs only a port";
        if (ported)
            rest = (struct str){ rest.p + 1, rest.n - 1 };
    } else {
        ported = split(&host, memchr(host.p, ':', host.n), &rest);
    }
    int64_t number = port;
    if (ported && !str_int(rest, 1, 65535, &number))
        return "a port is a number from 1 to 65535";
    if (host.n == 0 || host.n >= sizeof(out->host))
        return "a host is missing or too long";
    memcpy(out->host, host.p, host.n);
    out->host[host.n] = '\0';
    out->port = (int)number;
    return NULL;
}

static const char *parse_path(struct str path, bool sentinel, struct redis_url *out)
{
    struct str first, second = path;
    int64_t database = 0;
    if (sentinel) {
        if (!str_cut(&second, '/', &first) || first.n == 0)
            return "behind the Sentinels belongs /master, the name that they know it by";
        if (!decode(first, out->master, sizeof(out->master)))
            return "the master's name cannot be read";
    }
    if (second.n > 0 && !str_int(second, 0, DATABASE_MAX, &database))
        return "a database is a number";
    out->database = (int)database;
    return NULL;
}

static const char *parse(struct str rest, bool sentinel, struct redis_url *out)
{
    struct str path = STR_NONE, places = rest, one;
    const char *why = NULL;
    if (memchr(rest.p, '?', rest.n) || memchr(rest.p, '#', rest.n))
        return "? and # have no meaning in it (in a password they are written %3F and %23)";
    split(&places, memchr(places.p, '/', places.n), &path);

    struct str login = places;
    if (split(&login, memrchr(places.p, '@', places.n), &places))
        why = parse_login(login, out);
    while (!why && str_cut(&places, ',', &one)) {
        if (out->nplaces == (sentinel ? REDIS_PLACES_MAX : 1))
            return sentinel ? "too many Sentinels" : "only Sentinels can be several";
        why = parse_place(one, sentinel ? SENTINEL_PORT : PORT, &out->places[out->nplaces++]);
    }
    return why ? why : parse_path(path, sentinel, out);
}

enum err redis_url_parse(const char *text, struct redis_url *out, const char **why)
{
    static const struct str plain = { "redis://", 8 }, sentinel = { "redis+sentinel://", 17 };
    struct str url = str_of(text);
    *out = (struct redis_url){ 0 };
    if (str_starts(url, plain))
        *why = parse((struct str){ url.p + plain.n, url.n - plain.n }, false, out);
    else if (str_starts(url, sentinel))
        *why = parse((struct str){ url.p + sentinel.n, url.n - sentinel.n }, true, out);
    else if (str_starts(url, STR("rediss")))
        *why = "rediss:// (TLS) is not spoken; put a TLS tunnel in between and use redis://";
    else
        *why = "it begins with neither redis:// nor redis+sentinel://";
    return *why ? ERR_INVALID : OK;
}
