#include "http/reply.h"

#include "base/clock.h"
#include "base/json.h"

#include <stdio.h>

/* What every reply carries. The API serves no page, so a browser that is led here may do nothing at all. */
static const char security[] =
    "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n"
    "X-Content-Type-Options: nosniff\r\n"
    "X-Frame-Options: DENY\r\n"
    "Referrer-Policy: no-referrer\r\n";

#define HEAD_ROOM 1024 /* bytes that the fixed lines of a head never exceed */

static const char *status_text(int status)
{
    switch (status) {
    case 200:
        return "200 OK";
    case 201:
        return "201 Created";
    case 206:
        return "206 Partial Content";
    case 204:
        return "204 No Content";
    case 304:
        return "304 Not Modified";
    case 400:
        return "400 Bad Request";
    case 401:
        return "401 Unauthorized";
    case 403:
        return "403 Forbidden";
    case 404:
        return "404 Not Found";
    case 405:
        return "405 Method Not Allowed";
    case 408:
        return "408 Request Timeout";
    case 409:
        return "409 Conflict";
    case 412:
        return "412 Precondition Failed";
    case 413:
        return "413 Content Too Large";
    case 414:
        return "414 URI Too Long";
    case 415:
        return "415 Unsupported Media Type";
    case 416:
        return "416 Range Not Satisfiable";
    case 417:
        return "417 Expectation Failed";
    case 422:
        return "422 Unprocessable Content";
    case 429:
        return "429 Too Many Requests";
    case 431:
        return "431 Request Header Fields Too Large";
    case 501:
        return "501 Not Implemented";
    case 503:
        return "503 Service Unavailable";
    case 505:
        return "505 HTTP Version Not Supported";
    default:
        return "500 Internal Server Error";
    }
}

/* ---- composing ---- */

static void compose(struct req *r, int status, const char *type, struct str body)
{
    struct text headers = r->reply.headers;
    r->reply = (struct reply){ .status = status, .type = type, .body = body, .headers = headers };
}

void reply_json(struct req *r, int status, struct str body)
{
    compose(r, status, "application/json", body);
}

void reply_empty(struct req *r, int status)
{
    compose(r, status, NULL, STR_NONE);
}

void reply_body(struct req *r, int status, const char *type, struct str body)
{
    compose(r, status, type, body);
}

void reply_header(struct req *r, const char *name, struct str value)
{
    struct text *t = &r->reply.headers;
    must(value.n == 0 || (!memchr(value.p, '\r', value.n) && !memchr(value.p, '\n', value.n)));
    if (!t->arena)
        *t = text_new(&r->arena, 256);
    text_add(t, str_of(name));
    text_lit(t, ": ");
    text_add(t, value);
    text_lit(t, "\r\n");
}

static void put_faults(const struct req *r, struct text *t)
{
    text_lit(t, ",\"errors\":[");
    for (int i = 0; i < r->nfaults; i++) {
        text_lit(t, "{");
        text_lit(t, "\"field\":");
        json_put_text(t, str_of(r->faults[i].field));
        text_lit(t, ",\"code\":");
        json_put_text(t, str_of(r->faults[i].code));
        text_lit(t, ",\"message\":");
        json_put_text(t, str_of(r->faults[i].message));
        text_add(t, i + 1 < r->nfaults ? STR("},") : STR("}"));
    }
    text_char(t, ']');
}

static void retry_after(struct req *r, enum err err)
{
    bool window = err == ERR_TOO_MANY || err == ERR_TOO_MANY_LOGINS;
    char seconds[24];
    int64_t wait = window ? (r->spent.reset + SECOND - 1) / SECOND : 1;
    int n = snprintf(seconds, sizeof(seconds), "%lld", (long long)wait);
    reply_header(r, "Retry-After", (struct str){ seconds, (size_t)n });
}

void reply_problem(struct req *r, enum err err)
{
    const struct err_info *info = err_info(err == OK ? ERR_INTERNAL : err);
    struct text t = text_new(&r->arena, 512);
    const char *title = status_text(info->status) + 4;

    text_lit(&t, "{\"type\":\"about:blank\",\"title\":");
    json_put_text(&t, str_of(title));
    text_lit(&t, ",\"status\":");
    text_int(&t, info->status);
    text_lit(&t, ",\"code\":");
    json_put_text(&t, str_of(info->code));
    text_lit(&t, ",\"detail\":");
    json_put_text(&t, str_of(info->text));
    text_lit(&t, ",\"correlation_id\":");
    json_put_text(&t, r->id);
    if (r->nfaults > 0)
        put_faults(r, &t);
    text_char(&t, '}');

    compose(r, info->status, "application/problem+json", t.failed ? STR("{}") : text_str(&t));
    if (info->status == 401)
        reply_header(r, "WWW-Authenticate", STR("Bearer"));
    if (info->status == 429 || info->status == 503)
        retry_after(r, err);
}

/* ---- writing ---- */

/* A cursor over room that is known to suffice. */
static char *put(char *at, struct str s)
{
    if (s.n)
        memcpy(at, s.p, s.n);
    return at + s.n;
}

#define PUT(at, literal) put((at), STR(literal))

static char *put_int(char *at, int64_t value)
{
    char digits[20];
    int n = 0;
    uint64_t left = value < 0 ? 0 : (uint64_t)value;
    do {
        digits[n++] = (char)('0' + left % 10);
        left /= 10;
    } while (left);
    while (n)
        *at++ = digits[--n];
    return at;
}

/* The Date line changes once a second. */
static struct str date_line(void)
{
    static char line[] = "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n";
    static int64_t second = -1;
    if (clock_wall() / SECOND != second) {
        second = clock_wall() / SECOND;
        clock_http(clock_wall(), line + 6);
    }
    return (struct str){ line, sizeof(line) - 1 };
}

static char *put_rate(char *at, const struct spent *s)
{
    at = PUT(at, "RateLimit-Limit: ");
    at = put_int(at, s->limit);
    at = PUT(at, "\r\nRateLimit-Remaining: ");
    at = put_int(at, s->left);
    at = PUT(at, "\r\nRateLimit-Reset: ");
    at = put_int(at, (s->reset + SECOND - 1) / SECOND);
    return PUT(at, "\r\n");
}

bool reply_write(const struct req *r, struct conn *c, bool keep)
{
    const struct reply *reply = &r->reply;
    bool body = !r->head && reply->status != 304 && reply->body.n > 0;
    size_t room = HEAD_ROOM + r->id.n + reply->headers.n + (body ? reply->body.n : 0);
    char *start = conn_room(c, room), *at = start;
    if (!start)
        return false;

    at = PUT(at, "HTTP/1.1 ");
    at = put(at, str_of(status_text(reply->status)));
    at = PUT(at, "\r\n");
    at = put(at, date_line());
    if (reply->type) {
        at = PUT(at, "Content-Type: ");
        at = put(at, str_of(reply->type));
        at = PUT(at, "\r\n");
    }
    if (reply->status != 204 && reply->status != 304 && !(reply->streamed && reply->length < 0)) {
        at = PUT(at, "Content-Length: ");
        at = put_int(at, reply->streamed ? reply->length : (int64_t)reply->body.n);
        at = PUT(at, "\r\n");
    }
    if (reply->gzip)
        at = PUT(at, "Content-Encoding: gzip\r\n");
    if (reply->version > 0) {
        at = PUT(at, "ETag: \"v");
        at = put_int(at, reply->version);
        at = PUT(at, "\"\r\n");
    }
    at = PUT(at, "X-Request-ID: ");
    at = put(at, r->id);
    at = PUT(at, "\r\nDecision-Id: ");
    uuid_format(&r->decision, at);
    at = PUT(at + UUID_TEXT, "\r\n");
    if (r->spent.limit > 0)
        at = put_rate(at, &r->spent);
    bool fit = !r->authorization.p && !r->api_key.p && !r->signature && r->method == GET &&
               reply->status < 400;
    at = put(at, fit ? STR("Cache-Control: no-cache\r\n") : STR("Cache-Control: no-store\r\n"));
    at = put(at, (struct str){ security, sizeof(security) - 1 });
    at = put(at, (struct str){ reply->headers.p, reply->headers.n });
    if (!keep)
        at = PUT(at, "Connection: close\r\n");
    else if (r->minor == 0)
        at = PUT(at, "Connection: keep-alive\r\n");
    at = PUT(at, "\r\n");
    if (body)
        at = put(at, reply->body);

    must((size_t)(at - start) <= room);
    conn_wrote(c, (size_t)(at - start));
    return true;
}
