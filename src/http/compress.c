#include "http/compress.h"

#include "http/reply.h"
#include "net/offload.h"

#include <stdlib.h>
#include <zlib.h>

#define LEVEL 1
#define ON_LOOP_MAX 4096 /* bytes that are compressed on the loop: about 50 microseconds */
#define GZIP_MORE 64     /* that a gzip stream may be longer than zlib's bound for raw data */

struct stream {
    struct stream *next;
    z_stream z;
};

static struct stream *streams;

/* A body being compressed. */
struct squeeze {
    struct job job;
    struct stream *stream;
    struct str plain;
    char *out;
    size_t cap, n;
};

/* RFC 9110 section 12.5.3, as far as gzip is concerned: named (or *) and not with q=0. */
static bool accepts_gzip(struct str header)
{
    struct str one, coding;
    bool any = false;
    while (str_cut(&header, ',', &one)) {
        str_cut(&one, ';', &coding);
        coding = str_trim(coding);
        struct str q = str_trim(one.p ? one : STR_NONE);
        bool zero =
            str_starts(q, STR("q=0")) && (q.n == 3 || (q.n > 4 && strspn(q.p + 4, "0") >= q.n - 4));
        if (str_ieq(coding, STR("gzip")) || str_ieq(coding, STR("x-gzip")))
            return !zero;
        if (str_eq(coding, STR("*")))
            any = !zero;
    }
    return any;
}

/* Streams are kept: making one takes a quarter of a megabyte. Taken and given on the loop, used anywhere. */
static struct stream *stream_take(void)
{
    struct stream *s = streams;
    if (s) {
        streams = s->next;
        return s;
    }
    s = calloc(1, sizeof(*s));
    if (s && deflateInit2(&s->z, LEVEL, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
        free(s);
        return NULL;
    }
    return s;
}

static void stream_give(struct stream *s)
{
    s->next = streams;
    streams = s;
}

void compress_fini(void)
{
    while (streams) {
        struct stream *s = streams;
        streams = s->next;
        deflateEnd(&s->z);
        free(s);
    }
}

static void squeeze(struct job *job)
{
    struct squeeze *s = LIST_OF(job, struct squeeze, job);
    z_stream *z = &s->stream->z;
    deflateReset(z);
    z->next_in = (Bytef *)(uintptr_t)s->plain.p;
    z->avail_in = (uInt)s->plain.n;
    z->next_out = (Bytef *)s->out;
    z->avail_out = (uInt)s->cap;
    s->n = deflate(z, Z_FINISH) == Z_STREAM_END ? z->total_out : 0;
}

void compress_drop(struct req *r)
{
    if (r->squeeze)
        stream_give(r->squeeze->stream);
    r->squeeze = NULL;
}

static void take(struct req *r)
{
    const struct squeeze *s = r->squeeze;
    compress_drop(r);
    if (s->n == 0 || s->n >= r->reply.body.n)
        return; /* not worth it: it goes as it is */
    r->reply.body = (struct str){ s->out, s->n };
    r->reply.gzip = true;
}

enum verdict compress_reply(struct req *r)
{
    struct str plain = r->reply.body;
    if (plain.n < COMPRESS_MIN || r->reply.gzip)
        return NEXT;
    reply_header(r, "Vary", STR("Accept-Encoding"));
    if (!accepts_gzip(r->accept_encoding))
        return NEXT;

    struct squeeze *s = ARENA_NEW(&r->arena, struct squeeze);
    size_t cap = plain.n + GZIP_MORE;
    if (!s || !(s->out = arena_alloc(&r->arena, cap)) || !(s->stream = stream_take()))
        return NEXT;
    s->plain = plain;
    s->cap = cap;
    s->job.run = squeeze;
    r->squeeze = s;
    if (plain.n <= ON_LOOP_MAX) {
        squeeze(&s->job);
        take(r);
        return NEXT;
    }
    if (offload_run(r->pool, &s->job, &r->wait) == OK)
        return WAIT;
    compress_drop(r);
    return NEXT; /* the pool is full: plain bytes cost it nothing */
}

enum verdict compress_done(struct req *r)
{
    take(r);
    return NEXT;
}
