/* cache/cache.c: types, keys, freshness, and the loads in flight that others wait for. */
#include "cache/cache.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/metric.h"
#include "memory.h"

#include <stdlib.h>

#define KEY_MAX 64
#define FLIGHT_SLOTS 256
#define FLIGHTS_KEPT 256 /* for later, so that a miss does not reach malloc either */

/* Cells of METRIC_CACHE_LOOKUPS within a type. */
enum outcome { HIT, MISS, STALE, JOINED, OUTCOMES };

/* A key that someone is loading. */
struct flight {
    struct flight *next; /* of the same slot, or of the spare ones */
    struct list waits;   /* of those who came later */
    uint64_t hash;
    enum cache_type type;
    struct str key;
    char bytes[KEY_MAX];
};

struct cache {
    struct memory *memory;
    struct flight *flights[FLIGHT_SLOTS];
    struct flight *spare;
    int spares;
};

static const struct {
    const char *name;
    int64_t live;
} types[CACHE_TYPE_COUNT] = {
#define CACHE(id, name, seconds) [CACHE_##id] = { name, seconds * SECOND },
    CACHE_TYPES(CACHE)
#undef CACHE
};

const char *cache_type_name(enum cache_type type)
{
    return types[type].name;
}

static uint64_t hash_of(enum cache_type type, struct str key)
{
    must(type > CACHE_NONE && type < CACHE_TYPE_COUNT && key.n <= KEY_MAX);
    return hash_kind((uint32_t)type, key.p, key.n);
}

/* ---- flights ---- */

/* Where the key's flight hangs, or would. */
static struct flight **flight_at(struct cache *c, enum cache_type type, struct str key,
                                 uint64_t hash)
{
    struct flight **at = &c->flights[hash % FLIGHT_SLOTS];
    while (*at && !((*at)->hash == hash && (*at)->type == type && str_eq((*at)->key, key)))
        at = &(*at)->next;
    return at;
}

/* Without memory nobody will join: each who asks loads. */
static void flight_start(struct cache *c, enum cache_type type, struct str key, uint64_t hash)
{
    struct flight *f = c->spare;
    if (f) {
        c->spare = f->next;
        c->spares--;
    } else {
        f = malloc(sizeof(*f));
    }
    if (!f)
        return;

    memcpy(f->bytes, key.p, key.n);
    f->key = (struct str){ f->bytes, key.n };
    f->hash = hash;
    f->type = type;
    list_init(&f->waits);
    f->next = c->flights[hash % FLIGHT_SLOTS];
    c->flights[hash % FLIGHT_SLOTS] = f;
}

static void flight_end(struct cache *c, enum cache_type type, struct str key, uint64_t hash)
{
    struct flight **at = flight_at(c, type, key, hash), *f = *at;
    if (!f)
        return;
    *at = f->next;
    struct list *node;
    while ((node = list_take(&f->waits)))
        wait_done(LIST_OF(node, struct wait, node));

    if (c->spares >= FLIGHTS_KEPT) {
        free(f);
        return;
    }
    f->next = c->spare;
    c->spare = f;
    c->spares++;
}

/* ---- what is asked ---- */

static void count(enum cache_type type, enum outcome outcome)
{
    metric_add(METRIC_CACHE_LOOKUPS, (unsigned)type * OUTCOMES + outcome, 1);
}

static void show_bytes(const struct cache *c)
{
    metric_set(METRIC_CACHE_BYTES, 0, (int64_t)memory_bytes(c->memory));
}

enum cache_got cache_get(struct cache *c, enum cache_type type, struct str key, struct arena *a,
                         struct str *value, struct wait *w)
{
    uint64_t hash = hash_of(type, key);
    struct entry *e = memory_find(c->memory, type, key, hash);
    bool alive = e && e->dies > clock_mono();
    bool fresh = e && epochs_fresh(&e->under);
    if (alive && fresh) {
        memory_hit(e);
        *value = str_copy(a, entry_value(e));
        count(type, HIT);
        return CACHE_HIT;
    }
    if (e) {
        memory_drop(c->memory, e);
        show_bytes(c);
    }

    struct flight *f = *flight_at(c, type, key, hash);
    if (f) {
        wait_open(w);
        list_push(&f->waits, &w->node);
        count(type, JOINED);
        return CACHE_WAIT;
    }
    flight_start(c, type, key, hash);
    count(type, alive ? STALE : MISS);
    return CACHE_FILL;
}

void cache_fill(struct cache *c, enum cache_type type, struct str key, const struct epochs *under,
                struct str value)
{
    uint64_t hash = hash_of(type, key);
    if (epochs_fresh(under)) {
        memory_put(c->memory, type, key, hash, value, under, clock_mono() + types[type].live);
        show_bytes(c);
    }
    flight_end(c, type, key, hash);
}

void cache_drop(struct cache *c, enum cache_type type, struct str key)
{
    flight_end(c, type, key, hash_of(type, key));
}

size_t cache_bytes(const struct cache *c)
{
    return memory_bytes(c->memory);
}

size_t cache_entries(const struct cache *c)
{
    return memory_entries(c->memory);
}

/* ---- life ---- */

struct cache *cache_new(size_t max_bytes)
{
    struct cache *c = calloc(1, sizeof(*c));
    if (!c)
        return NULL;
    c->memory = memory_new(max_bytes);
    if (c->memory)
        return c;
    free(c);
    return NULL;
}

static void flights_free(struct flight *f)
{
    while (f) {
        struct flight *next = f->next;
        free(f);
        f = next;
    }
}

void cache_free(struct cache *c)
{
    if (!c)
        return;
    memory_free(c->memory);
    for (int i = 0; i < FLIGHT_SLOTS; i++)
        flights_free(c->flights[i]);
    flights_free(c->spare);
    free(c);
}
