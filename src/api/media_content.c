#include "media_content.h"

#include "api/crud.h"
#include "route/media.h"
#include "api/sniff.h"
#include "crypto/hash.h"
#include "gen/stmt.h"
#include "http/reply.h"
#include "http/stream.h"
#include "net/file.h"

#include <stdio.h>

/* The state of either table. */
struct content {
    struct file *file;
    bool kept;         /* received whole, and on the disk for good */
    bool looked_again; /* the gates have, since it came */
    struct sha256 hash;
    char begin[SNIFF_BYTES]; /* what the type is told by */
    size_t begin_n;
    int64_t size, left;
    char name[MEDIA_NAME + 1], digest[2 * SHA256_SIZE + 1];
};

static struct content *content(struct req *r)
{
    return r->work;
}

static void let_go(struct req *r)
{
    file_give(content(r)->file);
    content(r)->file = NULL;
}

static struct content *content_new(struct req *r)
{
    struct content *c = ARENA_NEW(&r->arena, struct content);
    if (!c || !(c->file = file_take(r->files)))
        return NULL;
    r->work = c;
    r->let_go = let_go;
    return c;
}

static enum verdict asked(struct req *r, enum err err)
{
    if (err == OK)
        return WAIT;
    return req_deny_for(r, err == ERR_BUSY ? ERR_OVERLOADED : err,
                        "the threads for files are busy");
}

static enum verdict told(struct req *r)
{
    enum err err = content(r)->file->err;
    if (err == OK)
        return NEXT;
    if (err == ERR_NO_SPACE)
        return req_deny_for(r, err, "the disk, the quota or the largest size of a file");
    return req_deny_for(r, ERR_UNAVAILABLE, "the file cannot be made, read or written");
}

/* ---- receiving ---- */

extern const struct stage media_receive[];
static stage_fn receive_begin, receive_begun, receive_piece, receive_write, receive_written,
    receive_keep, receive_kept, receive_fresh, receive_compose;

const struct stage media_receive[] = {
    { "begin", receive_begin, receive_begun },
    { "piece", receive_piece, stream_got },
    { "write", receive_write, receive_written },
    { "keep", receive_keep, receive_kept },
    { "fresh", receive_fresh, NULL },
    { "compose", receive_compose, NULL },
    { 0 },
};

static void wrote(void *owner, const char *piece, size_t n)
{
    struct content *c = owner;
    sha256_add(&c->hash, (struct str){ piece, n });
}

static enum verdict receive_begin(struct req *r)
{
    enum err err = crud_match(r);
    if (err != OK)
        return req_deny(r, err);
    if (r->work) { /* the gates have looked again */
        r->inner = &media_receive[4];
        return NEXT;
    }
    struct content *c = content_new(r);
    if (!c)
        return req_deny(r, ERR_NO_MEMORY);
    media_name(c->name);
    if (!media_unfinished(str_of(c->name), c->file->path) ||
        !media_path(str_of(c->name), c->file->to))
        return req_deny_for(r, ERR_UNAVAILABLE, "MEDIA_DIR is too long");
    sha256_begin(&c->hash);
    c->file->wrote = wrote;
    c->file->owner = c;
    return asked(r, file_make(c->file, &r->wait));
}

static enum verdict receive_begun(struct req *r)
{
    return told(r);
}

static enum verdict receive_piece(struct req *r)
{
    return stream_read(r, content(r)->file->piece, FILE_PIECE);
}

static enum verdict receive_write(struct req *r)
{
    struct content *c = content(r);
    size_t n = stream_piece(r);
    if (n == 0)
        return NEXT;
    if (c->size == 0) {
        c->begin_n = n < sizeof(c->begin) ? n : sizeof(c->begin);
        memcpy(c->begin, c->file->piece, c->begin_n);
    }
    c->size += (int64_t)n;
    c->file->n = n;
    return asked(r, file_write(c->file, &r->wait));
}

static enum verdict receive_written(struct req *r)
{
    enum verdict v = told(r);
    if (v == NEXT && !stream_whole(r))
        r->inner = &media_receive[0]; /* on with the next piece */
    return v;
}

static enum verdict receive_keep(struct req *r)
{
    struct content *c = content(r);
    uint8_t hash[SHA256_SIZE];
    sha256_end(&c->hash, hash);
    for (size_t i = 0; i < sizeof(hash); i++)
        snprintf(c->digest + 2 * i, 3, "%02x", hash[i]);
    return asked(r, file_keep(c->file, &r->wait));
}

static enum verdict receive_kept(struct req *r)
{
    return told(r);
}

/* Much may have changed while it came: the gates look at the facts of now before the row says so. */
static enum verdict receive_fresh(struct req *r)
{
    struct content *c = content(r);
    if (c->looked_again || (epochs_fresh(&r->carried[0]) && epochs_fresh(&r->carried[1])))
        return NEXT;
    c->looked_again = true;
    return AGAIN;
}

static struct value text_value(struct str text)
{
    return (struct value){ .type = VALUE_TEXT, .text = text };
}

/* If the change is not made the file is named by no row, and jobs/media.c removes it. */
static enum verdict receive_compose(struct req *r)
{
    struct content *c = content(r);
    struct value *row = facts_row(r);
    if (!row)
        return req_deny(r, ERR_NO_MEMORY);
    bool whole = c->size == (int64_t)c->begin_n;
    struct str type = str_of(sniff((struct str){ c->begin, c->begin_n }, whole));
    add_media_fill(&r->change, &r->facts->id, r->facts->version, type, c->size, str_of(c->digest),
                   str_of(c->name), r->now);
    row[COL_MEDIA_CONTENT_TYPE] = text_value(type);
    row[COL_MEDIA_SIZE] = (struct value){ .type = VALUE_INT, .i = c->size };
    row[COL_MEDIA_SHA256] = text_value(str_of(c->digest));
    row[COL_MEDIA_STATUS] = text_value(STR("ready"));
    row[COL_MEDIA_VERSION].i = r->facts->version + 1;
    row[COL_MEDIA_UPDATED_AT].i = r->now;
    r->row = row;
    return r->arena.failed ? req_deny(r, ERR_NO_MEMORY) : reply_row(r, 200, r->resource, row);
}

/* ---- sending ---- */

static stage_fn send_open, send_opened, send_read, send_got, send_piece;

const struct stage media_send[] = {
    { "open", send_open, send_opened },
    { "begin", stream_begin, stream_begin },
    { "read", send_read, send_got },
    { "piece", send_piece, send_piece },
    { 0 },
};

enum range_is range_read(struct str header, int64_t size, struct range *out)
{
    struct str unit, first, last = header;
    int64_t from = 0, to = size - 1;
    if (!header.p || !str_cut(&last, '=', &unit) || !str_ieq(str_trim(unit), STR("bytes")) ||
        !last.p || memchr(last.p, ',', last.n))
        return RANGE_NONE;
    last = str_trim(last);
    if (!str_cut(&last, '-', &first) || !last.p)
        return RANGE_NONE;
    if (first.n == 0) { /* so many of the end */
        if (!str_int(last, 0, INT64_MAX, &to))
            return RANGE_NONE;
        *out = (struct range){ to < size ? size - to : 0, to < size ? to : size };
        return out->length > 0 ? RANGE_ONE : RANGE_BEYOND;
    }
    if (!str_int(first, 0, INT64_MAX, &from) ||
        (last.n > 0 && (!str_int(last, 0, INT64_MAX, &to) || to < from)))
        return RANGE_NONE;
    if (from >= size)
        return RANGE_BEYOND;
    *out = (struct range){ from, (to < size - 1 ? to : size - 1) - from + 1 };
    return RANGE_ONE;
}

/* The strong entity-tag of the content. */
static struct str tag_of(struct req *r)
{
    struct text t = text_new(&r->arena, 80);
    text_char(&t, '"');
    text_add(&t, rows_text(&r->facts->row, COL_JUDGED_MEDIA_SHA256));
    text_char(&t, '"');
    return t.failed ? STR("\"\"") : text_str(&t);
}

/* If-None-Match compares weakly, with any of a list. */
static bool named(struct str list, struct str tag)
{
    struct str one;
    if (str_eq(str_trim(list), STR("*")))
        return true;
    while (list.p && str_cut(&list, ',', &one)) {
        one = str_trim(one);
        if (str_starts(one, STR("W/")))
            one = (struct str){ one.p + 2, one.n - 2 };
        if (str_eq(one, tag))
            return true;
    }
    return false;
}

static enum range_is range_of(struct req *r, struct str tag, int64_t size, struct range *out)
{
    struct str condition = req_header(r, "if-range");
    if (r->head || (condition.p && !str_eq(str_trim(condition), tag)))
        return RANGE_NONE;
    return range_read(req_header(r, "range"), size, out);
}

static void range_header(struct req *r, const struct range *range, int64_t size)
{
    struct text t = text_new(&r->arena, 80);
    if (range)
        text_printf(&t, "bytes %lld-%lld/%lld", (long long)range->first,
                    (long long)(range->first + range->length - 1), (long long)size);
    else
        text_printf(&t, "bytes */%lld", (long long)size);
    if (!t.failed)
        reply_header(r, "Content-Range", text_str(&t));
}

static void reply_head(struct req *r, enum range_is is, const struct range *range, int64_t size,
                       struct str tag)
{
    struct str type = rows_text(&r->facts->row, COL_JUDGED_MEDIA_CONTENT_TYPE);
    const char *text = arena_copy(&r->arena, type.p, type.n);
    reply_body(r, is == RANGE_ONE ? 206 : 200, text, STR_NONE);
    stream_reply(r, range->length);
    reply_header(r, "ETag", tag);
    reply_header(r, "Accept-Ranges", STR("bytes"));
    if (is == RANGE_ONE)
        range_header(r, range, size);
    if (!sniff_inline(type))
        reply_header(r, "Content-Disposition", STR("attachment"));
}

static enum verdict send_open(struct req *r)
{
    const struct rows *row = &r->facts->row;
    if (rows_null(row, COL_JUDGED_MEDIA_FILE))
        return req_deny_for(r, ERR_NOT_FOUND, "it has no content yet");
    int64_t size = rows_int(row, COL_JUDGED_MEDIA_SIZE);
    struct range range = { 0, size };
    struct str tag = tag_of(r);
    if (r->if_none_match.p && named(r->if_none_match, tag)) {
        reply_empty(r, 304);
        reply_header(r, "ETag", tag);
        return DONE;
    }
    enum range_is is = range_of(r, tag, size, &range);
    if (is == RANGE_BEYOND)
        return req_deny(r, ERR_RANGE);
    reply_head(r, is, &range, size, tag);
    if (r->arena.failed)
        return req_deny(r, ERR_NO_MEMORY);
    if (r->head)
        return DONE;

    struct content *c = content_new(r);
    if (!c)
        return req_deny(r, ERR_NO_MEMORY);
    if (!media_path(rows_text(row, COL_JUDGED_MEDIA_FILE), c->file->path))
        return req_deny_for(r, ERR_UNAVAILABLE, "the row names no file");
    c->size = size;
    c->left = range.length;
    c->file->offset = range.first;
    return asked(r, file_open(c->file, &r->wait));
}

static enum verdict send_opened(struct req *r)
{
    const struct content *c = content(r);
    if (c->file->err == OK && c->file->size != c->size)
        return req_deny_for(r, ERR_UNAVAILABLE, "the file is not as long as its row says");
    return told(r);
}

static enum verdict send_read(struct req *r)
{
    struct content *c = content(r);
    if (c->left == 0)
        return DONE;
    c->file->n = c->left < FILE_PIECE ? (size_t)c->left : FILE_PIECE;
    return asked(r, file_read(c->file, &r->wait));
}

static enum verdict send_got(struct req *r)
{
    const struct file *f = content(r)->file;
    if (f->err == OK && f->n == 0)
        return req_deny_for(r, ERR_UNAVAILABLE, "the file has become shorter");
    return told(r);
}

static enum verdict send_piece(struct req *r)
{
    struct content *c = content(r);
    enum verdict v = stream_write(r, (struct str){ c->file->piece, c->file->n });
    if (v == NEXT) {
        c->left -= (int64_t)c->file->n;
        r->inner = &media_send[1]; /* on with the next piece */
    }
    return v;
}
