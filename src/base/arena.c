#include "base/arena.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define ALIGN _Alignof(max_align_t)
#define ROUND(n) (((n) + (ALIGN - 1)) & ~(size_t)(ALIGN - 1))

struct arena_block {
    struct arena_block *next;
    size_t size; /* bytes of the whole block */
    _Alignas(max_align_t) char bytes[];
};

#define HEADER sizeof(struct arena_block)

static _Atomic size_t held;

static struct arena_block *block_new(size_t size)
{
    struct arena_block *b = malloc(size);
    if (b) {
        b->size = size;
        atomic_fetch_add_explicit(&held, size, memory_order_relaxed);
    }
    return b;
}

static void block_free(struct arena_block *b)
{
    atomic_fetch_sub_explicit(&held, b->size, memory_order_relaxed);
    free(b);
}

static void *refuse(struct arena *a)
{
    a->failed = true;
    return NULL;
}

size_t arena_held(void)
{
    return atomic_load_explicit(&held, memory_order_relaxed);
}

#ifdef ARENA_GUARD

void *arena_alloc(struct arena *a, size_t size)
{
    struct arena_block *b = size <= PTRDIFF_MAX - HEADER ? block_new(HEADER + size) : NULL;
    if (!b)
        return refuse(a);
    b->next = a->blocks;
    a->blocks = b;
    return b->bytes;
}

/* The old place is freed, so that ASan sees who still uses it. */
void *arena_grow(struct arena *a, void *p, size_t old, size_t size)
{
    if (p && size <= old)
        return p;

    char *grown = arena_alloc(a, size);
    if (!grown || !p)
        return grown;
    memcpy(grown, p, old);

    struct arena_block **link = &a->blocks;
    while ((*link)->bytes != (char *)p)
        link = &(*link)->next;
    struct arena_block *dead = *link;
    *link = dead->next;
    block_free(dead);
    return grown;
}

void arena_reset(struct arena *a)
{
    for (struct arena_block *b = a->blocks, *next; b; b = next) {
        next = b->next;
        block_free(b);
    }
    *a = (struct arena){ 0 };
}

void arena_trim(void)
{
}

#else

#define POOL_MOST 256

/* Of each thread its own, so that arenas of different threads need no lock. A thread that ends trims it. */
static _Thread_local struct {
    struct arena_block *first;
    unsigned count;
} pool;

static struct arena_block *block_take(void)
{
    struct arena_block *b = pool.first;
    if (!b)
        return block_new(ARENA_BLOCK);
    pool.first = b->next;
    pool.count--;
    return b;
}

static void block_give(struct arena_block *b)
{
    if (b->size != ARENA_BLOCK || pool.count >= POOL_MOST) {
        block_free(b);
        return;
    }
    b->next = pool.first;
    pool.first = b;
    pool.count++;
}

/* Behind the first block, which stays the one that small allocations come from. */
static void *alloc_alone(struct arena *a, size_t need)
{
    struct arena_block *b = block_new(HEADER + need);
    if (!b)
        return refuse(a);

    struct arena_block **link = a->blocks ? &a->blocks->next : &a->blocks;
    b->next = *link;
    *link = b;
    return b->bytes;
}

static void *alloc_slow(struct arena *a, size_t size)
{
    if (size > PTRDIFF_MAX - HEADER - ALIGN)
        return refuse(a);

    if (size == 0)
        return arena_alloc(a, ALIGN); /* nothing is a place of its own as well */

    size_t need = ROUND(size);
    if (need > ARENA_BLOCK - HEADER)
        return alloc_alone(a, need);

    struct arena_block *b = block_take();
    if (!b)
        return refuse(a);
    b->next = a->blocks;
    a->blocks = b;
    a->at = b->bytes + need;
    a->end = (char *)b + ARENA_BLOCK;
    return b->bytes;
}

void *arena_alloc(struct arena *a, size_t size)
{
    size_t need = ROUND(size);
    if (need - 1 >= (size_t)(a->end - a->at)) /* also when need is 0: nothing asked, or an overflow */
        return alloc_slow(a, size);

    char *p = a->at;
    a->at += need;
    return p;
}

/* The link to the block that holds p alone, when it is the latest such block; NULL otherwise. */
static struct arena_block **latest_alone(struct arena *a, const char *p)
{
    struct arena_block **link = &a->blocks;
    if (*link && (*link)->bytes != p)
        link = &(*link)->next;
    return *link && (*link)->bytes == p && (*link)->size > ARENA_BLOCK ? link : NULL;
}

static void *grow_alone(struct arena *a, struct arena_block **link, size_t size)
{
    if (size > PTRDIFF_MAX - HEADER - ALIGN)
        return refuse(a);

    size_t before = (*link)->size, after = HEADER + ROUND(size);
    struct arena_block *b = realloc(*link, after);
    if (!b)
        return refuse(a);
    b->size = after;
    *link = b;
    atomic_fetch_add_explicit(&held, after - before, memory_order_relaxed);
    return b->bytes;
}

void *arena_grow(struct arena *a, void *p, size_t old, size_t size)
{
    if (p && size <= ROUND(old))
        return p;

    char *begin = p;
    if (begin && begin + ROUND(old) == a->at && size <= (size_t)(a->end - begin)) {
        a->at = begin + ROUND(size);
        return p;
    }
    struct arena_block **link = begin ? latest_alone(a, begin) : NULL;
    if (link)
        return grow_alone(a, link, size);

    char *grown = arena_alloc(a, size);
    if (grown && old)
        memcpy(grown, p, old);
    return grown;
}

void arena_reset(struct arena *a)
{
    for (struct arena_block *b = a->blocks, *next; b; b = next) {
        next = b->next;
        block_give(b);
    }
    *a = (struct arena){ 0 };
}

void arena_trim(void)
{
    for (struct arena_block *b = pool.first, *next; b; b = next) {
        next = b->next;
        block_free(b);
    }
    pool.first = NULL;
    pool.count = 0;
}

#endif

void *arena_zero(struct arena *a, size_t size)
{
    void *p = arena_alloc(a, size);
    return p ? memset(p, 0, size) : NULL;
}

char *arena_copy(struct arena *a, const void *p, size_t n)
{
    char *copy = n < SIZE_MAX ? arena_alloc(a, n + 1) : refuse(a);
    if (!copy)
        return NULL;
    if (n)
        memcpy(copy, p, n);
    copy[n] = '\0';
    return copy;
}
