#include "memory.h"

#include "base/metric.h"

#include <stdlib.h>

#define SMALL_SHARE 10
#define LARGEST_SHARE 16 /* of all bytes, of the largest entry */
#define HITS_MAX 3
#define HITS_TO_STAY 2  /* in the small queue, to move to the main one */
#define SPARED_MAX 500  /* wanted entries that one push-out passes over: nothing takes long on the loop */
#define ENTRY_GUESS 512 /* bytes of a usual entry, for the size of the tables */
#define TABLE_MIN 64
#define GHOST_WAYS 4
#define HEAP_SHARE 16   /* bytes that the heap adds to an allocation */

struct queue {
    struct list entries;
    size_t bytes, n;
};

/* The hashes of entries that the small queue pushed out, the oldest overwritten. */
struct ghost {
    uint32_t hash;
    uint32_t when; /* in pushes */
};

struct memory {
    size_t max_bytes;
    struct queue small, main;
    size_t by_type[CACHE_TYPE_COUNT];
    size_t slots, ghosts; /* powers of two */
    uint32_t pushes;
    struct entry **slot;
    struct ghost *ghost;
};

static size_t size_of(size_t key, size_t value)
{
    return sizeof(struct entry) + key + value + HEAP_SHARE;
}

static size_t bytes_of(const struct entry *e)
{
    return size_of(e->key_size, e->value_size);
}

/* ---- ghosts ---- */

/* A remembered hash counts as long as no more were pushed out since than the main queue has entries. */
static bool ghost_take(struct memory *m, uint64_t hash)
{
    struct ghost *row = &m->ghost[(hash >> 32) & (m->ghosts - GHOST_WAYS)];
    for (struct ghost *g = row; g < row + GHOST_WAYS; g++) {
        if (g->when != 0 && g->hash == (uint32_t)hash && m->pushes - g->when <= m->main.n) {
            g->when = 0;
            return true;
        }
    }
    return false;
}

static void ghost_put(struct memory *m, uint64_t hash)
{
    struct ghost *row = &m->ghost[(hash >> 32) & (m->ghosts - GHOST_WAYS)], *oldest = row;
    for (struct ghost *g = row; g < row + GHOST_WAYS; g++) {
        if (m->pushes - g->when > m->pushes - oldest->when)
            oldest = g;
    }
    m->pushes += m->pushes == UINT32_MAX ? 2 : 1; /* 0 is "never" */
    *oldest = (struct ghost){ (uint32_t)hash, m->pushes };
}

/* ---- queues ---- */

static void show_bytes(const struct memory *m, unsigned type)
{
    metric_set(METRIC_CACHE_BYTES, type, (int64_t)m->by_type[type]);
}

static void queue_push(struct queue *q, struct entry *e)
{
    list_push(&q->entries, &e->node);
    q->bytes += bytes_of(e);
    q->n++;
}

static void queue_remove(struct queue *q, struct entry *e)
{
    list_remove(&e->node);
    q->bytes -= bytes_of(e);
    q->n--;
}

static struct entry *queue_oldest(const struct queue *q)
{
    return LIST_OF(q->entries.next, struct entry, node);
}

static void forget(struct memory *m, struct entry *e)
{
    struct entry **at = &m->slot[e->hash & (m->slots - 1)];
    while (*at != e)
        at = &(*at)->next;
    *at = e->next;
    queue_remove(e->main ? &m->main : &m->small, e);
    m->by_type[e->type] -= bytes_of(e);
    show_bytes(m, e->type);
    free(e);
}

static void push_out(struct memory *m, struct entry *e)
{
    metric_add(METRIC_CACHE_EVICTED, 0, 1);
    forget(m, e);
}

/* Moves what is wanted again to the main queue, until one entry is pushed out or the queue is empty. */
static void shrink_small(struct memory *m)
{
    for (int spared = 0; m->small.n > 0; spared++) {
        struct entry *e = queue_oldest(&m->small);
        if (e->hits < HITS_TO_STAY || spared == SPARED_MAX) {
            ghost_put(m, e->hash);
            push_out(m, e);
            return;
        }
        queue_remove(&m->small, e);
        e->main = true;
        e->hits = 0;
        queue_push(&m->main, e);
    }
}

/* Each hit is another round. */
static void shrink_main(struct memory *m)
{
    for (int spared = 0; queue_oldest(&m->main)->hits > 0 && spared < SPARED_MAX; spared++) {
        struct entry *e = queue_oldest(&m->main);
        e->hits--;
        queue_remove(&m->main, e);
        queue_push(&m->main, e);
    }
    push_out(m, queue_oldest(&m->main));
}

static void make_room(struct memory *m, size_t need)
{
    while (memory_bytes(m) + need > m->max_bytes) {
        if (m->main.n == 0 || m->small.bytes >= m->max_bytes / SMALL_SHARE)
            shrink_small(m);
        else
            shrink_main(m);
    }
}

/* ---- entries ---- */

struct entry *memory_find(const struct memory *m, enum cache_type type, struct str key,
                          uint64_t hash)
{
    for (struct entry *e = m->slot[hash & (m->slots - 1)]; e; e = e->next) {
        if (e->hash == hash && e->type == type && str_eq(entry_key(e), key))
            return e;
    }
    return NULL;
}

void memory_hit(struct entry *e)
{
    if (e->hits < HITS_MAX)
        e->hits++;
}

void memory_drop(struct memory *m, struct entry *e)
{
    if (e->main)
        ghost_put(m, e->hash);
    forget(m, e);
}

void memory_put(struct memory *m, enum cache_type type, struct str key, uint64_t hash,
                struct str value, const struct epochs *under, int64_t dies)
{
    struct entry *old = memory_find(m, type, key, hash);
    if (old)
        memory_drop(m, old);
    if (size_of(key.n, value.n) > m->max_bytes / LARGEST_SHARE)
        return;
    struct entry *e = malloc(sizeof(*e) + key.n + value.n);
    if (!e)
        return;

    *e = (struct entry){
        .hash = hash,
        .dies = dies,
        .under = *under,
        .value_size = (uint32_t)value.n,
        .key_size = (uint8_t)key.n,
        .type = (uint8_t)type,
    };
    memcpy(e->bytes, key.p, key.n);
    if (value.n > 0)
        memcpy(e->bytes + key.n, value.p, value.n);

    make_room(m, bytes_of(e));
    e->main = ghost_take(m, hash);
    e->next = m->slot[hash & (m->slots - 1)];
    m->slot[hash & (m->slots - 1)] = e;
    queue_push(e->main ? &m->main : &m->small, e);
    m->by_type[type] += bytes_of(e);
    show_bytes(m, type);
}

size_t memory_bytes(const struct memory *m)
{
    return m->small.bytes + m->main.bytes;
}

size_t memory_entries(const struct memory *m)
{
    return m->small.n + m->main.n;
}

/* ---- life ---- */

struct memory *memory_new(size_t max_bytes)
{
    struct memory *m = calloc(1, sizeof(*m));
    if (!m)
        return NULL;
    m->max_bytes = max_bytes;
    list_init(&m->small.entries);
    list_init(&m->main.entries);
    m->slots = TABLE_MIN;
    while (m->slots < max_bytes / ENTRY_GUESS)
        m->slots *= 2;
    m->ghosts = m->slots;
    m->slot = calloc(m->slots, sizeof(m->slot[0]));
    m->ghost = calloc(m->ghosts, sizeof(m->ghost[0]));
    if (m->slot && m->ghost)
        return m;
    memory_free(m);
    return NULL;
}

void memory_free(struct memory *m)
{
    if (!m)
        return;
    while (m->small.n > 0)
        forget(m, queue_oldest(&m->small));
    while (m->main.n > 0)
        forget(m, queue_oldest(&m->main));
    free(m->slot);
    free(m->ghost);
    free(m);
}
