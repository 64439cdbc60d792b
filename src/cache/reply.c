/* cache/reply.c: hiredis calls us for each value that it has read; an answer is the values in that order. While it is
 * read, the texts of a block are told by where they begin, because its bytes may move.
 */
#include "reply.h"

#include <hiredis/hiredis.h>
#include <stdlib.h>

#define BLOCKS_KEPT 256
#define BYTES_KEPT (16 * 1024) /* larger blocks are freed after use */
#define VALUES_KEPT 256
#define BYTES_FIRST 512
#define VALUES_FIRST 16
#define BYTES_MOST ((size_t)16 << 20) /* of one answer */
#define VALUES_MOST (1 << 20)
#define BUFFER_KEPT (256 * 1024) /* of what is read but not whole yet */

#if HIREDIS_MAJOR >= 1
typedef size_t count_of_elements;
#else
typedef int count_of_elements;
#endif

struct reader {
    redisReader *hiredis;
    struct redis_block *block; /* the answer that is being read */
};

static struct {
    struct redis_block *first;
    int n;
} unused;

/* ---- blocks ---- */

static void block_free(struct redis_block *b)
{
    free(b->values);
    free(b->bytes);
    free(b);
}

struct redis_block *block_take(void)
{
    struct redis_block *b = unused.first;
    if (!b)
        return calloc(1, sizeof(*b));
    unused.first = b->next;
    unused.n--;
    b->next = NULL;
    return b;
}

void block_give(struct redis_block *b)
{
    if (!b)
        return;
    if (unused.n == BLOCKS_KEPT || b->bytes_cap > BYTES_KEPT || b->cap > VALUES_KEPT) {
        block_free(b);
        return;
    }
    b->n = 0;
    b->bytes_n = 0;
    b->next = unused.first;
    unused.first = b;
    unused.n++;
}

void blocks_trim(void)
{
    struct redis_block *b;
    while ((b = unused.first)) {
        unused.first = b->next;
        block_free(b);
    }
    unused.n = 0;
}

char *block_room(struct redis_block *b, size_t n)
{
    if (n > BYTES_MOST - b->bytes_n)
        return NULL;
    size_t cap = b->bytes_cap ? b->bytes_cap : BYTES_FIRST;
    while (cap - b->bytes_n < n)
        cap *= 2;
    if (cap > b->bytes_cap) {
        char *bytes = realloc(b->bytes, cap);
        if (!bytes)
            return NULL;
        b->bytes = bytes;
        b->bytes_cap = cap;
    }
    return b->bytes + b->bytes_n;
}

static struct redis_value *value_add(struct redis_block *b, enum redis_type type)
{
    if (b->n == b->cap) {
        int cap = b->cap ? b->cap * 2 : VALUES_FIRST;
        struct redis_value *values =
            cap > VALUES_MOST ? NULL : realloc(b->values, (size_t)cap * sizeof(values[0]));
        if (!values)
            return NULL;
        b->values = values;
        b->cap = cap;
    }
    struct redis_value *v = &b->values[b->n++];
    *v = (struct redis_value){ .type = type };
    return v;
}

static void place_texts(struct redis_block *b)
{
    const char *p = b->bytes;
    for (struct redis_value *v = b->values; v < b->values + b->n; v++) {
        if (v->type != REDIS_TEXT && v->type != REDIS_ERROR)
            continue;
        v->text.p = p;
        p += v->text.n + 1;
    }
}

bool block_error(const struct redis_block *b, struct str *text)
{
    if (b->n != 1 || b->values[0].type != REDIS_ERROR)
        return false;
    *text = b->values[0].text;
    return true;
}

struct str block_text(const struct redis_block *b, int i)
{
    return i < b->n && b->values[i].type == REDIS_TEXT ? b->values[i].text : STR_NONE;
}

void redis_reply_fini(struct redis_reply *reply)
{
    block_give(reply->held);
    *reply = (struct redis_reply){ 0 };
}

/* ---- what hiredis calls; NULL is memory being out ---- */

static struct redis_block *block_of(const redisReadTask *task)
{
    struct reader *rd = task->privdata;
    if (!rd->block)
        rd->block = block_take();
    return rd->block;
}

static void *read_text(const redisReadTask *task, char *p, size_t n)
{
    struct redis_block *b = block_of(task);
    char *room = b ? block_room(b, n + 1) : NULL;
    struct redis_value *v =
        room ? value_add(b, task->type == REDIS_REPLY_ERROR ? REDIS_ERROR : REDIS_TEXT) : NULL;
    if (!v)
        return NULL;
    memcpy(room, p, n);
    room[n] = '\0';
    b->bytes_n += n + 1;
    v->text.n = n;
    return b;
}

static void *read_array(const redisReadTask *task, count_of_elements n)
{
    (void)n;
    return block_of(task);
}

static void *read_int(const redisReadTask *task, long long i)
{
    struct redis_block *b = block_of(task);
    struct redis_value *v = b ? value_add(b, REDIS_INT) : NULL;
    if (!v)
        return NULL;
    v->i = i;
    return b;
}

static void *read_nil(const redisReadTask *task)
{
    struct redis_block *b = block_of(task);
    return b && value_add(b, REDIS_NIL) ? b : NULL;
}

/* The block is the reader's, whatever hiredis thinks of it. */
static void read_nothing(void *block)
{
    (void)block;
}

static redisReplyObjectFunctions functions = {
    .createString = read_text,
    .createArray = read_array,
    .createInteger = read_int,
    .createNil = read_nil,
    .freeObject = read_nothing,
};

/* ---- the reader ---- */

struct reader *reader_new(void)
{
    struct reader *rd = calloc(1, sizeof(*rd));
    if (!rd)
        return NULL;
    rd->hiredis = redisReaderCreateWithFunctions(&functions);
    if (!rd->hiredis) {
        free(rd);
        return NULL;
    }
    rd->hiredis->privdata = rd;
    rd->hiredis->maxbuf = BUFFER_KEPT;
    return rd;
}

void reader_free(struct reader *rd)
{
    if (!rd)
        return;
    redisReaderFree(rd->hiredis);
    block_give(rd->block);
    free(rd);
}

enum err reader_feed(struct reader *rd, const char *p, size_t n)
{
    return redisReaderFeed(rd->hiredis, p, n) == REDIS_OK ? OK : ERR_INVALID;
}

enum err reader_take(struct reader *rd, struct redis_block **out)
{
    void *whole;
    *out = NULL;
    if (redisReaderGetReply(rd->hiredis, &whole) != REDIS_OK)
        return ERR_INVALID;
    if (!whole)
        return OK;
    *out = rd->block;
    rd->block = NULL;
    place_texts(*out);
    return OK;
}
