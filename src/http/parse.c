#include "parse.h"

#include "http/flow.h"

#include <stdlib.h>

/* The longest head that can pass the limits: request line, header lines and their ends. */
#define HEAD_WHOLE (TARGET_MAX + HEAD_MAX + 1024)

static struct parse *parse_of(llhttp_t *llhttp)
{
    return llhttp->data;
}

static int refuse(struct parse *p, enum err err)
{
    p->err = err;
    return HPE_USER;
}

static int on_url(llhttp_t *llhttp, const char *at, size_t n)
{
    struct parse *p = parse_of(llhttp);
    struct str *target = &p->r->target;
    if (!target->p)
        target->p = at;
    target->n += n;
    return target->n > TARGET_MAX ? refuse(p, ERR_URI_TOO_LONG) : 0;
}

static int count_line(struct parse *p, size_t n)
{
    p->lines += n;
    return p->lines > HEAD_MAX ? refuse(p, ERR_HEADERS_TOO_LARGE) : 0;
}

static int on_field(llhttp_t *llhttp, const char *at, size_t n)
{
    struct parse *p = parse_of(llhttp);
    struct req *r = p->r;
    if (p->head_done)
        return count_line(p, n); /* a trailer: bounded like a header, and never taken for one */
    if (r->nheaders == 0 || p->value_open) {
        if (r->nheaders == HEADERS_MAX)
            return refuse(p, ERR_HEADERS_TOO_LARGE);
        r->headers[r->nheaders++] = (struct header){ { at, 0 }, { "", 0 } };
        p->value_open = false;
    }
    r->headers[r->nheaders - 1].name.n += n;
    return count_line(p, n);
}

static int on_value(llhttp_t *llhttp, const char *at, size_t n)
{
    struct parse *p = parse_of(llhttp);
    if (p->head_done)
        return count_line(p, n);
    struct str *value = &p->r->headers[p->r->nheaders - 1].value;
    if (value->n == 0)
        value->p = at;
    value->n += n;
    p->value_open = true;
    return count_line(p, n);
}

static int on_value_complete(llhttp_t *llhttp)
{
    parse_of(llhttp)->value_open = true; /* also for an empty value */
    return 0;
}

static int on_headers_complete(llhttp_t *llhttp)
{
    parse_of(llhttp)->head_done = true;
    return HPE_PAUSED;
}

/* A chunk that would burst the limit is refused by its size line, before any of it is read. */
static int on_chunk_header(llhttp_t *llhttp)
{
    struct parse *p = parse_of(llhttp);
    bool over = llhttp->content_length > p->body_max - p->body_seen;
    return over ? refuse(p, ERR_TOO_LARGE) : 0;
}

/* Nothing here has a use for chunk extensions; they only must not go on for ever. */
static int on_chunk_extension(llhttp_t *llhttp, const char *at, size_t n)
{
    (void)at;
    return count_line(parse_of(llhttp), n);
}

/* Room for a body that grows: doubled in the arena, never over the limit. */
static bool body_room(struct parse *p, size_t n)
{
    size_t need = p->r->body.n + n;
    if (need <= p->body_cap)
        return true;
    size_t cap = p->length ? (size_t)p->length : need * 2;
    char *body = arena_grow(&p->r->arena, p->body, p->body_cap, cap);
    if (!body)
        return false;
    p->body = body;
    p->body_cap = cap;
    return true;
}

static int on_body(llhttp_t *llhttp, const char *at, size_t n)
{
    struct parse *p = parse_of(llhttp);
    p->body_seen += n;
    if (p->body_seen > p->body_max)
        return refuse(p, ERR_TOO_LARGE);
    if (p->drop)
        return 0;
    if (p->streamed) {
        must(n <= p->piece.room - p->piece.n);
        memcpy(p->piece.p + p->piece.n, at, n);
        p->piece.n += n;
        return 0;
    }
    if (!body_room(p, n))
        return refuse(p, ERR_NO_MEMORY);
    memcpy(p->body + p->r->body.n, at, n);
    p->r->body = (struct str){ p->body, p->r->body.n + n };
    return 0;
}

static int on_message_complete(llhttp_t *llhttp)
{
    (void)llhttp;
    return HPE_PAUSED;
}

static const llhttp_settings_t *settings(void)
{
    static llhttp_settings_t s;
    if (!s.on_url) {
        llhttp_settings_init(&s);
        s.on_header_field = on_field;
        s.on_header_value = on_value;
        s.on_header_value_complete = on_value_complete;
        s.on_headers_complete = on_headers_complete;
        s.on_chunk_header = on_chunk_header;
        s.on_chunk_extension_name = on_chunk_extension;
        s.on_chunk_extension_value = on_chunk_extension;
        s.on_body = on_body;
        s.on_message_complete = on_message_complete;
        s.on_url = on_url;
    }
    return &s;
}

void parse_begin(struct parse *p, struct req *r)
{
    *p = (struct parse){ .r = r };
    llhttp_init(&p->llhttp, HTTP_REQUEST, settings());
    p->llhttp.data = p;
}

static enum parse_got bad(struct parse *p)
{
    bool version = llhttp_get_errno(&p->llhttp) == HPE_INVALID_VERSION && p->llhttp.http_major != 1;
    if (p->err == OK)
        p->err = version ? ERR_HTTP_VERSION : ERR_BAD_REQUEST;
    return PARSE_BAD;
}

/* A head that is here whole (the usual case) is copied to its size; one that comes in pieces gets room for the
 * longest. */
static bool head_room(struct parse *p, size_t n, bool whole)
{
    if (p->head_cap - p->head_n >= n)
        return true;
    if (p->head_cap == HEAD_WHOLE) {
        p->err = ERR_HEADERS_TOO_LARGE;
        return false;
    }
    must(p->head_n == 0 || !p->r->target.p);
    p->head_cap = whole ? n : HEAD_WHOLE;
    if (n > p->head_cap) {
        p->err = ERR_HEADERS_TOO_LARGE;
        return false;
    }
    p->head_n = 0;
    p->head = arena_alloc(&p->r->arena, p->head_cap);
    if (!p->head)
        p->err = ERR_NO_MEMORY;
    return p->head != NULL;
}

/* Behind the empty line that ends a head, NULL if it is not here. Line by line: many times faster than memmem. */
static const char *head_end(struct str in)
{
    const char *at = in.p, *end = in.p + in.n;
    while ((at = memchr(at, '\n', (size_t)(end - at)))) {
        at++;
        if (end - at >= 2 && at[0] == '\r' && at[1] == '\n')
            return at + 2;
    }
    return NULL;
}

enum parse_got parse_head(struct parse *p, struct str *in)
{
    while (in->n > 0) {
        const char *end = head_end(*in);
        size_t n = end ? (size_t)(end - in->p) : in->n;
        bool whole = end && p->head_n == 0;
        if (p->head_cap && n > p->head_cap - p->head_n)
            n = p->head_cap - p->head_n; /* the parser has the word on what is too long */
        if (!whole && n > HEAD_WHOLE)
            n = HEAD_WHOLE;
        if (n == 0 || !head_room(p, n, whole))
            return p->err = p->err ? p->err : ERR_HEADERS_TOO_LARGE, PARSE_BAD;

        char *at = p->head + p->head_n;
        memcpy(at, in->p, n);
        p->head_n += n;
        enum llhttp_errno e = llhttp_execute(&p->llhttp, at, n);
        if (e != HPE_OK && e != HPE_PAUSED)
            return bad(p);
        size_t used = e == HPE_PAUSED ? (size_t)(llhttp_get_error_pos(&p->llhttp) - at) : n;
        in->p += used;
        in->n -= used;
        if (e == HPE_PAUSED) {
            p->err = head_read(p);
            return p->err == OK ? PARSE_HEAD : PARSE_BAD;
        }
        if (end && p->r->target.p)
            return bad(p); /* an empty line that ends no head: such as the preface of HTTP/2 */
        if (end && p->head_cap != HEAD_WHOLE)
            p->head_cap = p->head_n = 0; /* empty lines before the request line */
    }
    return PARSE_MORE;
}

bool parse_has_body(const struct parse *p)
{
    return p->chunked || p->length > 0;
}

enum parse_got parse_body(struct parse *p, struct str *in)
{
    if (llhttp_get_errno(&p->llhttp) == HPE_PAUSED)
        llhttp_resume(&p->llhttp);
    enum llhttp_errno e = llhttp_execute(&p->llhttp, in->p, in->n);
    if (e == HPE_OK) {
        *in = STR_NONE;
        return PARSE_MORE;
    }
    if (e != HPE_PAUSED && e != HPE_PAUSED_UPGRADE)
        return bad(p);

    const char *at = llhttp_get_error_pos(&p->llhttp);
    in->n -= (size_t)(at - in->p);
    in->p = at;
    p->done = true;
    return PARSE_END;
}

enum parse_got parse_piece(struct parse *p, struct str *in)
{
    enum parse_got got = PARSE_MORE;
    while (got == PARSE_MORE && in->n > 0 && p->piece.n < p->piece.room) {
        size_t room = p->piece.room - p->piece.n; /* the body is never longer than the bytes it comes in */
        size_t n = in->n < room ? in->n : room;
        struct str part = { in->p, n };
        got = parse_body(p, &part);
        in->p += n - part.n;
        in->n -= n - part.n;
    }
    return got;
}
