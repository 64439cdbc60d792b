/* store/rows.c: results as bytes. A row is
 *     u32 size (of all of it, a multiple of 8), u32 columns, u64 nulls (bit i: column i),
 *     u64 cells[columns]: the number itself, or where its bytes begin << 32 | how many they are,
 *     those bytes.
 * The memory of a result is one block; blocks are kept for the next results.
 */
#include "result.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_FIRST 4096         /* bytes of a new block, header included */
#define BLOCK_KEPT (256 * 1024)  /* larger ones are freed after use */
#define POOL_KEPT (16 * 1024 * 1024) /* bytes of all blocks that wait for use */
#define ROWS_MOST ((size_t)1 << 30)  /* bytes of one result */
#define ROW_HEAD 16

struct block {
    struct block *next;
    size_t cap; /* of bytes[] */
    char bytes[];
};

static struct {
    pthread_mutex_t lock;
    struct block *first;
    size_t bytes;
} pool = { .lock = PTHREAD_MUTEX_INITIALIZER };

static struct block *block_take(void)
{
    pthread_mutex_lock(&pool.lock);
    struct block *b = pool.first;
    if (b) {
        pool.first = b->next;
        pool.bytes -= b->cap;
    }
    pthread_mutex_unlock(&pool.lock);
    if (!b && (b = malloc(BLOCK_FIRST)))
        b->cap = BLOCK_FIRST - sizeof(*b);
    return b;
}

static void block_give(struct block *b)
{
    if (!b)
        return;
    pthread_mutex_lock(&pool.lock);
    bool kept = b->cap <= BLOCK_KEPT && pool.bytes + b->cap <= POOL_KEPT;
    if (kept) {
        b->next = pool.first;
        pool.first = b;
        pool.bytes += b->cap;
    }
    pthread_mutex_unlock(&pool.lock);
    if (!kept)
        free(b);
}

/* Room for n bytes behind the rows there are; NULL when memory is out. */
static char *rows_room(struct rows *r, size_t n)
{
    if (n > ROWS_MOST || r->size > ROWS_MOST - n)
        return NULL;
    if (!r->held && !(r->held = block_take()))
        return NULL;
    if (r->held->cap - r->size < n) {
        size_t size = (r->held->cap + sizeof(*r->held)) * 2;
        while (size - sizeof(*r->held) < r->size + n)
            size *= 2;
        struct block *larger = realloc(r->held, size);
        if (!larger)
            return NULL;
        larger->cap = size - sizeof(*larger);
        r->held = larger;
    }
    r->bytes = r->held->bytes;
    return r->held->bytes + r->size;
}

/* Bytes that a value keeps behind the cells. */
static size_t tail_size(const struct value *v)
{
    if (v->null)
        return 0;
    switch (v->type) {
    case VALUE_UUID:
        return sizeof(v->uuid.b);
    case VALUE_TEXT:
    case VALUE_JSON:
    case VALUE_BYTES:
        return v->text.n;
    default:
        return 0;
    }
}

enum err rows_add(struct rows *out, const struct value *values)
{
    int columns = out->stmt->ncolumns;
    size_t at = ROW_HEAD + 8 * (size_t)columns;
    size_t size = at;
    for (int i = 0; i < columns; i++) {
        if (tail_size(&values[i]) > ROWS_MOST - size)
            return ERR_NO_MEMORY;
        size += tail_size(&values[i]);
    }
    size = (size + 7) & ~(size_t)7;

    char *row = rows_room(out, size);
    if (!row)
        return ERR_NO_MEMORY;
    memset(row + size - 8, 0, 8); /* the padding: rows are copied and compared whole */
    uint32_t head[2] = { (uint32_t)size, (uint32_t)columns };
    uint64_t nulls = 0;
    for (int i = 0; i < columns; i++) {
        const struct value *v = &values[i];
        size_t n = tail_size(v);
        uint64_t cell = 0;
        if (v->null) {
            nulls |= (uint64_t)1 << i;
        } else if (v->type == VALUE_REAL) {
            memcpy(&cell, &v->real, 8);
        } else if (v->type >= VALUE_INT) {
            cell = (uint64_t)v->i;
        } else {
            cell = (uint64_t)at << 32 | n;
            if (n)
                memcpy(row + at, v->type == VALUE_UUID ? (const void *)v->uuid.b : v->text.p, n);
        }
        memcpy(row + ROW_HEAD + 8 * (size_t)i, &cell, 8);
        at += n;
    }
    memcpy(row, head, 8);
    memcpy(row + 8, &nulls, 8);
    out->size += size;
    out->count++;
    return OK;
}

void rows_clear(struct rows *out)
{
    block_give(out->held);
    *out = (struct rows){ .err = out->err, .stmt = out->stmt };
}

static uint32_t row_size(const char *row)
{
    uint32_t size;
    memcpy(&size, row, 4);
    return size;
}

bool rows_next(struct rows *r)
{
    const char *next = r->row ? r->row + row_size(r->row) : r->bytes;
    if (!r->size || next == r->bytes + r->size)
        return false;
    r->row = next;
    return true;
}

struct value rows_value(const struct rows *r, int column)
{
    must(r->row && column >= 0 && column < r->stmt->ncolumns);
    uint64_t nulls, cell;
    memcpy(&nulls, r->row + 8, 8);
    memcpy(&cell, r->row + ROW_HEAD + 8 * (size_t)column, 8);
    struct value v = { .type = r->stmt->columns[column].type, .null = nulls >> column & 1 };
    if (v.null)
        return v;
    const char *tail = r->row + (cell >> 32);
    switch (v.type) {
    case VALUE_UUID:
        memcpy(v.uuid.b, tail, sizeof(v.uuid.b));
        break;
    case VALUE_TEXT:
    case VALUE_JSON:
    case VALUE_BYTES:
        v.text = (struct str){ tail, (uint32_t)cell };
        break;
    case VALUE_INT:
    case VALUE_TIME:
    case VALUE_BOOL:
        v.i = (int64_t)cell;
        break;
    case VALUE_REAL:
        memcpy(&v.real, &cell, 8);
        break;
    }
    return v;
}

struct str rows_text(const struct rows *r, int column)
{
    struct value v = rows_value(r, column);
    must(v.type == VALUE_TEXT || v.type == VALUE_JSON || v.type == VALUE_BYTES);
    return v.null ? STR("") : v.text;
}

int64_t rows_int(const struct rows *r, int column)
{
    struct value v = rows_value(r, column);
    must(v.type == VALUE_INT || v.type == VALUE_TIME || v.type == VALUE_BOOL);
    return v.null ? 0 : v.i;
}

struct uuid rows_uuid(const struct rows *r, int column)
{
    struct value v = rows_value(r, column);
    must(v.type == VALUE_UUID);
    return v.null ? (struct uuid){ { 0 } } : v.uuid;
}

bool rows_null(const struct rows *r, int column)
{
    return rows_value(r, column).null;
}

struct str rows_bytes(const struct rows *r)
{
    must(r->row);
    return (struct str){ r->row, row_size(r->row) };
}

bool rows_attach(struct rows *out, const struct stmt *stmt, struct str bytes)
{
    uint32_t head[2];
    if (bytes.n < ROW_HEAD + 8 * (size_t)stmt->ncolumns)
        return false;
    memcpy(head, bytes.p, sizeof(head));
    if (head[0] != bytes.n || head[1] != (uint32_t)stmt->ncolumns)
        return false;
    *out = (struct rows){
        .stmt = stmt, .count = 1, .bytes = bytes.p, .size = bytes.n, .row = bytes.p
    };
    return true;
}

void rows_fini(struct rows *r)
{
    block_give(r->held);
    *r = (struct rows){ 0 };
}
