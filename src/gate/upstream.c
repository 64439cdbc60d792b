#include "gate/upstream.h"

#include "base/json.h"
#include "cache/cache.h"
#include "gen/stmt.h"

/* ---- what was asked for ---- */

#define NO_DIGIT (-1)

static int digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : NO_DIGIT;
}

/* The next character, decoded; false for what an upstream might read otherwise than we do. */
static bool decode(struct str *rest, char *out)
{
    char c = rest->p[0];
    size_t n = 1;
    if (c == '%') {
        if (rest->n < 3)
            return false;
        int high = digit(rest->p[1]), low = digit(rest->p[2]);
        if (high == NO_DIGIT || low == NO_DIGIT)
            return false;
        c = (char)(high << 4 | low);
        n = 3;
        if (c == '/' || c == '%')
            return false;
    }
    *rest = (struct str){ rest->p + n, rest->n - n };
    *out = c;
    return (unsigned char)c >= 0x20 && c != 0x7f && c != '\\';
}

/* Some servers take what stands behind a ';' off before they look at the dots. */
static bool climbs(struct str segment)
{
    struct str name = segment, cut;
    if (str_cut(&name, ';', &cut))
        segment = cut;
    return str_eq(segment, STR(".")) || str_eq(segment, STR(".."));
}

static bool segments_sane(struct str path)
{
    struct str rest = { path.p + 1, path.n - 1 }, segment;
    while (str_cut(&rest, '/', &segment)) {
        if (climbs(segment) || (segment.n == 0 && rest.p))
            return false;
    }
    return true;
}

static bool read_path(struct arena *a, struct str uri, struct str *out)
{
    struct str rest = uri, raw;
    if (uri.n == 0 || uri.p[0] != '/' || memchr(uri.p, '#', uri.n))
        return false;
    str_cut(&rest, '?', &raw);
    char *path = arena_alloc(a, raw.n);
    size_t n = 0;
    if (!path)
        return false;
    while (raw.n > 0)
        if (!decode(&raw, &path[n++]))
            return false;
    *out = (struct str){ path, n };
    return str_utf8(*out) && segments_sane(*out);
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool read_host(struct arena *a, struct str host, struct str *out)
{
    struct str name = host;
    const char *bracket = memchr(host.p ? host.p : "", ']', host.n);
    const char *from = bracket ? bracket : host.p;
    const char *colon = host.n ? memchr(from, ':', host.n - (size_t)(from - host.p)) : NULL;
    int64_t port;
    if (colon) {
        name.n = (size_t)(colon - host.p);
        if (!str_int((struct str){ colon + 1, host.n - name.n - 1 }, 1, 65535, &port))
            return false;
    }
    if (name.n && name.p[name.n - 1] == '.')
        name.n--;
    char *text = name.n ? arena_copy(a, name.p, name.n) : NULL;
    for (char *c = text; c && *c; c++)
        *c = lower(*c);
    *out = (struct str){ text, name.n };
    return text && rule_host(*out) && !str_eq(*out, STR("*"));
}

bool target_read(struct arena *a, struct str host, struct str method, struct str uri,
                 struct target *out)
{
    out->method = str_eq(method, STR("HEAD")) ? STR("GET") : method;
    return rule_method(out->method) && read_host(a, host, &out->host) &&
           read_path(a, uri, &out->path);
}

/* ---- what a rule may say ---- */

bool rule_host(struct str host)
{
    if (str_eq(host, STR("*")))
        return true;
    bool v6 = host.n && host.p[0] == '[' && host.p[host.n - 1] == ']';
    if (v6)
        host = (struct str){ host.p + 1, host.n - 2 };
    if (host.n == 0 || host.n > 253)
        return false;
    for (size_t i = 0; i < host.n; i++) {
        char c = host.p[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.';
        if (!plain && !(v6 ? c == ':' : c == '-' || c == '_'))
            return false;
    }
    return host.p[host.n - 1] != '.';
}

bool rule_path(struct str path)
{
    if (path.n && path.p[path.n - 1] == '*')
        path.n--;
    if (path.n == 0 || path.p[0] != '/' || memchr(path.p, '*', path.n))
        return false;
    for (const char *c = path.p; c < path.p + path.n; c++)
        if ((unsigned char)*c < 0x20 || strchr("\\%?#\x7f", *c))
            return false;
    return str_utf8(path) && segments_sane(path);
}

bool rule_method(struct str method)
{
    for (size_t i = 0; i < method.n; i++)
        if (!((method.p[i] >= 'A' && method.p[i] <= 'Z') || (method.p[i] == '-' && i > 0)))
            return false;
    return method.n > 0 && method.n <= 32 && !str_eq(method, STR("HEAD"));
}

enum permit rule_permit(struct str name)
{
    if (str_eq(name, str_of(permit_name(PERMIT_ANYONE))))
        return PERMIT_ANYONE;
    if (str_eq(name, str_of(permit_name(PERMIT_SIGNED_IN))))
        return PERMIT_SIGNED_IN;
    return permit_find(name);
}

enum rate rule_rate(struct str name)
{
    int rate = 0;
    while (rate < RATE_COUNT && !str_eq(name, str_of(rate_class((enum rate)rate)->name)))
        rate++;
    return (enum rate)rate;
}

size_t rule_fits(struct str rule, struct str path)
{
    char last = rule.p[rule.n - 1];
    if (last == '*')
        return str_starts(path, (struct str){ rule.p, rule.n - 1 }) ? 2 * rule.n - 1 : 0;
    if (last == '/') /* of a folder itself the slash may be left out */
        return str_starts(path, rule) || str_eq(path, (struct str){ rule.p, rule.n - 1 })
                   ? 2 * rule.n
                   : 0;
    return str_eq(rule, path) ? SIZE_MAX : 0;
}

/* ---- the rules as one record: a head for each, its texts behind it ---- */

struct head {
    struct rule rule;
    int64_t priority;
    uint64_t host, path, methods; /* bytes of each */
};

/* One rule of the record. */
struct entry {
    struct head head;
    struct str host, path, methods; /* methods: "GET POST ", empty for any */
};

static struct str take_text(struct str *bytes, uint64_t n)
{
    struct str text = { bytes->p, n };
    *bytes = (struct str){ bytes->p + n, bytes->n - n };
    return text;
}

static bool take_entry(struct str *bytes, struct entry *e)
{
    if (bytes->n < sizeof(e->head))
        return false;
    memcpy(&e->head, take_text(bytes, sizeof(e->head)).p, sizeof(e->head));
    e->host = take_text(bytes, e->head.host);
    e->path = take_text(bytes, e->head.path);
    e->methods = take_text(bytes, e->head.methods);
    return true;
}

static struct str methods_of(struct arena *a, struct str json)
{
    const struct json *list;
    struct text t = text_new(a, json.n + 1);
    if (json_read(a, json, &list) != OK || json_type(list) != JSON_ARRAY)
        return STR_NONE;
    struct json_walk w = json_walk(list);
    while (json_next(&w)) {
        if (json_type(w.value) != JSON_TEXT)
            return STR_NONE;
        text_add(&t, json_text(w.value));
        text_char(&t, ' ');
    }
    return t.failed ? STR_NONE : (struct str){ t.p ? t.p : "", t.n };
}

static struct str pack(struct arena *a, struct rows *found)
{
    struct text bytes = text_new(a, (size_t)found->count * 256);
    while (rows_next(found)) {
        struct str host = rows_text(found, COL_UPSTREAM_ALL_HOST),
                   path = rows_text(found, COL_UPSTREAM_ALL_PATH),
                   methods = methods_of(a, rows_text(found, COL_UPSTREAM_ALL_METHODS));
        enum rate rate = rule_rate(rows_text(found, COL_UPSTREAM_ALL_RATE_CLASS));
        if (!methods.p)
            return STR_NONE;
        struct head head = {
            .rule = { .id = rows_uuid(found, COL_UPSTREAM_ALL_ID),
                      .permit = rule_permit(rows_text(found, COL_UPSTREAM_ALL_PERMISSION)),
                      .rate = rate == RATE_COUNT ? RATE_DEFAULT : rate },
            .priority = rows_int(found, COL_UPSTREAM_ALL_PRIORITY),
            .host = host.n, .path = path.n, .methods = methods.n,
        };
        text_add(&bytes, (struct str){ (const char *)&head, sizeof(head) });
        text_add(&bytes, host);
        text_add(&bytes, path);
        text_add(&bytes, methods);
    }
    return bytes.failed ? STR_NONE : (struct str){ bytes.p ? bytes.p : "", bytes.n };
}

static bool has_method(struct str methods, struct str method)
{
    struct str word;
    while (str_cut(&methods, ' ', &word))
        if (str_eq(word, method))
            return true;
    return false;
}

/* How specific a rule is for a target; more counts before what stands behind it. */
struct fit {
    bool host;
    size_t path;
    bool method;
    int64_t priority;
};

static bool fits(const struct entry *e, const struct target *t, struct fit *out)
{
    bool any_host = str_eq(e->host, STR("*")), any_method = e->methods.n == 0;
    *out = (struct fit){ !any_host, rule_fits(e->path, t->path), !any_method, e->head.priority };
    return (any_host || str_eq(e->host, t->host)) && out->path &&
           (any_method || has_method(e->methods, t->method));
}

static bool better(const struct fit *a, const struct fit *b)
{
    if (a->host != b->host)
        return a->host;
    if (a->path != b->path)
        return a->path > b->path;
    if (a->method != b->method)
        return a->method;
    return a->priority > b->priority;
}

/* Of rules that fit equally the first, which is the oldest. */
static bool choose(struct str bytes, const struct target *t, struct rule *out)
{
    struct entry e;
    struct fit best = { 0 }, fit;
    bool found = false;
    while (take_entry(&bytes, &e)) {
        if (!fits(&e, t, &fit) || (found && !better(&fit, &best)))
            continue;
        best = fit;
        *out = e.head.rule;
        found = true;
    }
    return found;
}

/* ---- looking up ---- */

#define KEY STR("upstreams")

static enum verdict done(struct rule_look *look, enum err err)
{
    look->err = err;
    return NEXT;
}

/* The epoch is read before the entry is: what moves in between makes it stale for later, never fresh. */
static enum verdict look_up(struct req *r, struct rule_look *look)
{
    struct str bytes;
    look->under = (struct epochs){ 0 };
    epochs_add(&look->under, EPOCH_UPSTREAMS, NULL, 0);
    switch (cache_get(r->cache, CACHE_API, KEY, &look->under, &r->arena, &bytes, &r->wait)) {
    case CACHE_HIT:
        if (!bytes.p)
            return done(look, ERR_NO_MEMORY);
        look->found = choose(bytes, &look->target, &look->rule);
        return done(look, OK);
    case CACHE_WAIT:
        return WAIT;
    default:
        r->filling.type = CACHE_API;
        r->filling.key = KEY;
        look->asked = true;
        ask_upstream_all(r->store, &r->arena, &r->found, &r->wait);
        return WAIT;
    }
}

enum verdict rule_begin(struct req *r, struct rule_look *look, const struct target *target)
{
    *look = (struct rule_look){ .target = *target };
    return look_up(r, look);
}

enum verdict rule_again(struct req *r, struct rule_look *look)
{
    if (!look->asked)
        return look_up(r, look); /* somebody else has filled the cache, or failed to */
    look->asked = false;
    enum err err = r->found.err;
    struct str bytes = err == OK ? pack(&r->arena, &r->found) : STR_NONE;
    r->filling.key = STR_NONE;
    if (bytes.p) {
        cache_fill(r->cache, CACHE_API, KEY, &look->under, bytes);
        look->found = choose(bytes, &look->target, &look->rule);
    } else {
        cache_drop(r->cache, CACHE_API, KEY);
        err = err == OK ? ERR_UNAVAILABLE : err;
    }
    rows_fini(&r->found);
    return done(look, err == ERR_INTERNAL ? ERR_UNAVAILABLE : err);
}
