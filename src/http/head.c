#include "parse.h"

#include "base/clock.h"

#include <stddef.h>

/* Headers that everybody asks for. Those that mean one thing only may come once. */
static const struct {
    struct str name;
    size_t place;
    bool once;
} known[] = {
#define KNOWN(name, member, once)                                                                  \
    {                                                                                              \
        { (name), sizeof(name) - 1 }, offsetof(struct req, member), once                           \
    }
    KNOWN("host", host, true),
    KNOWN("authorization", authorization, true),
    KNOWN("x-api-key", api_key, true),
    KNOWN("content-type", content_type, true),
    KNOWN("idempotency-key", idempotency_key, true),
    KNOWN("origin", origin, true),
    KNOWN("transfer-encoding", transfer_encoding, true),
    KNOWN("expect", expect, true),
    KNOWN("x-request-id", request_id, false),
    KNOWN("if-match", if_match, false),
    KNOWN("if-none-match", if_none_match, false),
    KNOWN("user-agent", user_agent, false),
    KNOWN("accept-encoding", accept_encoding, false),
#undef KNOWN
};

static enum err remember(struct req *r, const struct header *h)
{
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (h->name.n != known[i].name.n || !str_ieq(h->name, known[i].name))
            continue;
        struct str *place = (struct str *)(void *)((char *)r + known[i].place);
        if (place->p && known[i].once)
            return ERR_BAD_REQUEST;
        if (!place->p)
            *place = str_trim(h->value);
        return OK;
    }
    return OK;
}

static enum method method_of(const llhttp_t *llhttp)
{
    switch (llhttp_get_method((llhttp_t *)(uintptr_t)llhttp)) {
    case HTTP_GET:
        return GET;
    case HTTP_HEAD:
        return HEAD;
    case HTTP_POST:
        return POST;
    case HTTP_PUT:
        return PUT;
    case HTTP_PATCH:
        return PATCH;
    case HTTP_DELETE:
        return DELETE;
    case HTTP_OPTIONS:
        return OPTIONS;
    default:
        return METHOD_NONE;
    }
}

/* RFC 9112 section 3.2: origin-form, absolute-form (its authority is the host), and * for OPTIONS. */
static enum err read_target(struct req *r)
{
    struct str t = r->target;
    if (memchr(t.p, '#', t.n))
        return ERR_BAD_REQUEST;
    if (str_eq(t, STR("*"))) {
        r->path = t;
        return r->method == OPTIONS ? OK : ERR_BAD_REQUEST;
    }
    if (t.p[0] != '/') {
        struct str scheme = STR("http://");
        if (t.n <= scheme.n || !str_ieq((struct str){ t.p, scheme.n }, scheme))
            return ERR_BAD_REQUEST;
        t = (struct str){ t.p + scheme.n, t.n - scheme.n };
        const char *slash = memchr(t.p, '/', t.n);
        size_t authority = slash ? (size_t)(slash - t.p) : t.n;
        r->host = (struct str){ t.p, authority };
        t = slash ? (struct str){ slash, t.n - authority } : STR("/");
    }
    r->query = t;
    str_cut(&r->query, '?', &r->path);
    return OK;
}

/* A host is a name or an address with an optional port; what could confuse whoever quotes it is refused. */
static bool host_sane(struct str host)
{
    for (size_t i = 0; i < host.n; i++) {
        unsigned char c = (unsigned char)host.p[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!plain && !memchr("-._:[]~!$&'()*+,;=%", c, 19))
            return false;
    }
    return host.n > 0 && host.n <= 255;
}

static bool id_sane(struct str id)
{
    for (size_t i = 0; i < id.n; i++) {
        char c = id.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '-' || c == '_' || c == '.'))
            return false;
    }
    return id.n > 0 && id.n <= 64;
}

/* A sane X-Request-ID is kept, so that a caller finds its own name for the request in our log. */
static void correlate(struct req *r)
{
    r->decision = uuid_new(r->now);
    r->id = r->request_id;
    if (r->id.p && id_sane(r->id))
        return;
    char *text = arena_alloc(&r->arena, UUID_TEXT);
    r->id = STR("-");
    if (text) {
        uuid_format(&r->decision, text);
        r->id = (struct str){ text, UUID_TEXT };
    }
}

enum err head_read(struct parse *p)
{
    struct req *r = p->r;
    enum err err = OK;
    for (int i = 0; i < r->nheaders && err == OK; i++)
        err = remember(r, &r->headers[i]);
    r->now = clock_wall();
    correlate(r);
    TRY(err);

    r->minor = llhttp_get_http_minor(&p->llhttp);
    if (llhttp_get_http_major(&p->llhttp) != 1)
        return ERR_HTTP_VERSION;
    p->keep = llhttp_should_keep_alive(&p->llhttp) == 1;
    p->chunked = (p->llhttp.flags & F_CHUNKED) != 0;
    p->length = (p->llhttp.flags & F_CONTENT_LENGTH) ? p->llhttp.content_length : 0;

    r->method = method_of(&p->llhttp);
    r->head = r->method == HEAD;
    if (r->head)
        r->method = GET;
    if (r->minor >= 1 && !r->host.p)
        return ERR_BAD_REQUEST;
    if (r->method == METHOD_NONE)
        return ERR_NOT_IMPLEMENTED;
    if (r->transfer_encoding.p && !str_ieq(r->transfer_encoding, STR("chunked")))
        return ERR_BAD_REQUEST; /* no other is spoken here, whatever a proxy may read */
    if (p->chunked && r->minor == 0)
        return ERR_BAD_REQUEST; /* who sends one in HTTP/1.0 may be two peers (RFC 9112 6.1) */

    if (r->expect.p) {
        if (!str_ieq(r->expect, STR("100-continue")))
            return ERR_EXPECT;
        p->expects = r->minor >= 1;
    }
    TRY(read_target(r));
    return r->host.p && !host_sane(r->host) ? ERR_BAD_REQUEST : OK;
}
