/* cache/cache.c: types, keys, freshness, and the loads in flight that others wait for.
 *
 * A flight is a key that is being looked for: Redis is asked, then it is offered to those who wait, of whom the first
 * to come again loads it. Those who wait are woken all at once and what they are woken for is ready until the last of
 * them has run; so nobody who has left is waited for.
 */
#include "cache/cache.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/metric.h"
#include "memory.h"
#include "shared.h"

#include <stdlib.h>

#define KEY_MAX 64
#define FLIGHT_SLOTS 256
#define FLIGHTS_KEPT 256  /* for later, so that a miss does not reach malloc either */
#define AHEAD_SHARE 10    /* of its life, the last part in which an entry is loaded anew */
#define REST (5 * SECOND) /* after a load ahead that failed */
#define FIRST_REST SECOND /* of what comes aged from Redis: who waited for it has it */

enum strategy { ASIDE, AHEAD };

/* Cells of METRIC_CACHE_LOOKUPS within a type. */
enum outcome { HIT, MISS, STALE, JOINED, OUTCOMES };

enum flight_state {
    FLIGHT_ASKING,  /* Redis */
    FLIGHT_OFFERED, /* to the first who asks again */
    FLIGHT_LOADING, /* someone does, and will call cache_fill or cache_drop */
    FLIGHT_HELD,    /* the value is here, because memory does not keep it */
    FLIGHT_ENDED,   /* on no list; freed when its waits have been woken */
};

struct flight {
    struct flight *next; /* of the same slot, or of the spare ones */
    struct cache *cache;
    enum flight_state state;
    bool anew;           /* memory still has it, and others use that */
    struct list waits;   /* of those who came later */
    uint64_t hash;
    enum cache_type type;
    struct str key;
    char bytes[KEY_MAX];
    struct epochs under; /* of the look, or of the value held */
    struct shared_look look;
    bool looking;
    struct wait after; /* woken after those who waited */
    char *held;
    size_t held_n;
};

struct cache {
    struct memory *memory;
    struct shared *shared; /* NULL: there is no second level */
    bool off;
    struct flight *flights[FLIGHT_SLOTS];
    struct flight *spare;
    int spares;
};

static const struct {
    const char *name;
    int64_t live;
    enum strategy strategy;
} types[CACHE_TYPE_COUNT] = {
#define CACHE(id, name, seconds, strategy) [CACHE_##id] = { name, seconds * SECOND, strategy },
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

static void after_waits(struct wait *w);

/* Where the key's flight hangs, or would. */
static struct flight **flight_at(struct cache *c, enum cache_type type, struct str key,
                                 uint64_t hash)
{
    struct flight **at = &c->flights[hash % FLIGHT_SLOTS];
    while (*at && !((*at)->hash == hash && (*at)->type == type && str_eq((*at)->key, key)))
        at = &(*at)->next;
    return at;
}

static struct flight *flight_take(struct cache *c)
{
    struct flight *f = c->spare;
    if (!f)
        return malloc(sizeof(*f));
    c->spare = f->next;
    c->spares--;
    return f;
}

/* NULL without memory: nobody will join, each who asks loads. */
static struct flight *flight_start(struct cache *c, enum cache_type type, struct str key,
                                   uint64_t hash, enum flight_state state)
{
    struct flight *f = flight_take(c);
    if (!f)
        return NULL;
    f->cache = c;
    f->state = state;
    f->anew = false;
    f->looking = false;
    f->held = NULL;
    f->look.known = false;
    memcpy(f->bytes, key.p, key.n);
    f->key = (struct str){ f->bytes, key.n };
    f->hash = hash;
    f->type = type;
    list_init(&f->waits);
    wait_init(&f->after, after_waits);
    f->next = c->flights[hash % FLIGHT_SLOTS];
    c->flights[hash % FLIGHT_SLOTS] = f;
    return f;
}

static void flight_give(struct flight *f)
{
    struct cache *c = f->cache;
    if (f->state != FLIGHT_ENDED || f->looking || f->after.open)
        return;
    free(f->held);
    f->held = NULL;
    if (c->spares >= FLIGHTS_KEPT) {
        free(f);
        return;
    }
    f->next = c->spare;
    c->spare = f;
    c->spares++;
}

static void wake_all(struct flight *f)
{
    struct list *node;
    while ((node = list_take(&f->waits)))
        wait_done(LIST_OF(node, struct wait, node));
}

static void flight_end(struct flight *f)
{
    struct flight **at = flight_at(f->cache, f->type, f->key, f->hash);
    must(*at == f);
    *at = f->next;
    f->state = FLIGHT_ENDED;
    wake_all(f);
    flight_give(f);
}

/* Wakes who waits; the state is theirs until all have run. */
static void flight_show(struct flight *f, enum flight_state state)
{
    f->state = state;
    wake_all(f);
    if (!f->after.open)
        wait_open(&f->after);
    wait_done(&f->after); /* also when it stood in the queue: behind those of now */
}

static void after_waits(struct wait *w)
{
    struct flight *f = LIST_OF(w, struct flight, after);
    if (f->state == FLIGHT_OFFERED || f->state == FLIGHT_HELD)
        flight_end(f);
    else
        flight_give(f);
}

static enum cache_got join(struct flight *f, struct wait *w)
{
    wait_open(w);
    list_push(&f->waits, &w->node);
    return CACHE_WAIT;
}

/* ---- memory ---- */

static void count(enum cache_type type, enum outcome outcome)
{
    metric_add(METRIC_CACHE_LOOKUPS, (unsigned)type * OUTCOMES + outcome, 1);
}

/* What memory does not keep is here for those who wait for it. */
static void hold(struct flight *f, struct str value, const struct epochs *under)
{
    if (list_empty(&f->waits) || !(f->held = malloc(value.n + 1))) {
        flight_end(f);
        return;
    }
    if (value.n > 0)
        memcpy(f->held, value.p, value.n);
    f->held_n = value.n;
    f->under = *under;
    flight_show(f, FLIGHT_HELD);
}

/* ---- Redis has answered ---- */

static bool wanted(const struct flight *f, const struct shared_look *look)
{
    return look->hit && epochs_fresh(&f->under) &&
           (!f->anew || look->left > types[f->type].live / AHEAD_SHARE);
}

static void looked(struct shared_look *look)
{
    struct flight *f = LIST_OF(look, struct flight, look);
    struct cache *c = f->cache;
    f->looking = false;
    if (f->state != FLIGHT_ASKING) {
        flight_give(f);
        return;
    }
    if (!wanted(f, look)) {
        flight_show(f, FLIGHT_OFFERED);
        return;
    }

    int64_t live = types[f->type].live;
    int64_t left = look->left < live ? look->left : live;
    /* What stands on more than was asked for would outlive a bump of that in memory. */
    struct entry *e = NULL;
    if (look->asked_for_all) {
        int64_t dies = clock_mono() + left;
        memory_put(c->memory, f->type, f->key, f->hash, look->value, &f->under, dies);
        e = memory_find(c->memory, f->type, f->key, f->hash);
    }
    if (!e) {
        hold(f, look->value, &f->under);
        return;
    }
    e->rests = clock_mono() + FIRST_REST;
    flight_end(f);
}

/* ---- what is asked ---- */

/* The last part of its life has begun, and nobody has failed to load it just now. */
static bool ages(const struct entry *e, enum cache_type type)
{
    int64_t now = clock_mono();
    return types[type].strategy == AHEAD && e->dies - now < types[type].live / AHEAD_SHARE &&
           now >= e->rests;
}

/* Nobody looks for the key yet. */
static enum cache_got look_for(struct cache *c, enum cache_type type, struct str key, uint64_t hash,
                               const struct epochs *under, bool anew, struct wait *w)
{
    bool ask = c->shared && shared_usable(c->shared, under);
    struct flight *f = flight_start(c, type, key, hash, ask ? FLIGHT_ASKING : FLIGHT_LOADING);
    if (!f || !ask)
        return CACHE_FILL;
    f->anew = anew;
    f->under = *under;
    f->looking = true;
    shared_look(c->shared, &f->look, type, f->key, under, looked);
    return join(f, w);
}

/* True: the asker is the one who loads it anew; else it is used as it is. */
static bool load_ahead(struct cache *c, const struct entry *e, const struct epochs *under,
                       struct wait *w, enum cache_got *got)
{
    enum cache_type type = (enum cache_type)e->type;
    struct flight *f = *flight_at(c, type, entry_key(e), e->hash);
    if (!f) {
        *got = look_for(c, type, entry_key(e), e->hash, under, true, w);
        return true;
    }
    if (!f->anew || f->state != FLIGHT_OFFERED)
        return false;
    f->state = FLIGHT_LOADING;
    *got = CACHE_FILL;
    return true;
}

static enum cache_got hit(enum cache_type type, struct str value, struct arena *a, struct str *out)
{
    *out = str_copy(a, value);
    count(type, HIT);
    return CACHE_HIT;
}

/* What memory has, where it is. */
static struct str use(struct entry *e, struct epochs *under)
{
    memory_hit(e);
    *under = e->under;
    return entry_value(e);
}

static bool covers(const struct epochs *have, const struct epochs *want)
{
    for (uint32_t i = 0; i < want->n; i++) {
        uint32_t j = 0;
        while (j < have->n && have->at[j].slot != want->at[i].slot)
            j++;
        if (j == have->n)
            return false;
    }
    return true;
}

/* Somebody looks for the key. False: what was found is of no use (any more), and the flight has ended. */
static bool meet(struct flight *f, struct epochs *under, struct arena *a, struct str *value,
                 struct wait *w, enum cache_got *got)
{
    switch (f->state) {
    case FLIGHT_OFFERED:
        f->state = FLIGHT_LOADING;
        *got = CACHE_FILL;
        return true;
    case FLIGHT_HELD:
        if (!epochs_fresh(&f->under) || !covers(&f->under, under)) {
            flight_end(f);
            return false;
        }
        *under = f->under;
        *got = hit(f->type, (struct str){ f->held, f->held_n }, a, value);
        return true;
    default:
        count(f->type, JOINED);
        *got = join(f, w);
        return true;
    }
}

/* What memory has and may be used as it is; NULL: nothing. */
static struct entry *at_hand(const struct cache *c, enum cache_type type, struct str key)
{
    struct entry *e = memory_find(c->memory, type, key, hash_of(type, key));
    return e && e->dies > clock_mono() && epochs_fresh(&e->under) ? e : NULL;
}

bool cache_holds(const struct cache *c, enum cache_type type, struct str key)
{
    return at_hand(c, type, key) != NULL;
}

bool cache_recall(struct cache *c, enum cache_type type, struct str key, struct epochs *under,
                  struct str *value)
{
    struct entry *e = at_hand(c, type, key);
    if (!e || ages(e, type))
        return false;
    *value = use(e, under);
    count(type, HIT);
    return true;
}

enum cache_got cache_get(struct cache *c, enum cache_type type, struct str key,
                         struct epochs *under, struct arena *a, struct str *value, struct wait *w)
{
    enum cache_got got;
    uint64_t hash = hash_of(type, key);
    if (c->off)
        return CACHE_FILL;
    struct entry *e = memory_find(c->memory, type, key, hash);
    bool alive = e && e->dies > clock_mono();
    bool fresh = e && epochs_fresh(&e->under);
    if (alive && fresh) {
        if (ages(e, type) && load_ahead(c, e, under, w, &got))
            return got;
        return hit(type, use(e, under), a, value);
    }
    if (e && (!alive || epochs_moved(&e->under))) /* else it may be used once others are heard again */
        memory_drop(c->memory, e);

    struct flight *f = *flight_at(c, type, key, hash);
    if (f && meet(f, under, a, value, w, &got))
        return got;
    count(type, alive ? STALE : MISS);
    return look_for(c, type, key, hash, under, false, w);
}

bool cache_shared(const struct cache *c)
{
    return c->shared && !c->off;
}

void cache_fill(struct cache *c, enum cache_type type, struct str key, const struct epochs *under,
                struct str value)
{
    uint64_t hash = hash_of(type, key);
    if (c->off)
        return;
    struct flight *f = *flight_at(c, type, key, hash);
    bool loading = f && f->state == FLIGHT_LOADING;
    bool fresh = epochs_fresh(under);
    if (fresh)
        memory_put(c->memory, type, key, hash, value, under, clock_mono() + types[type].live);
    if (fresh && loading && c->shared)
        shared_store(c->shared, &f->look, under, value, types[type].live);
    if (loading && fresh && !memory_find(c->memory, type, key, hash))
        hold(f, value, under);
    else if (loading)
        flight_end(f);
}

void cache_drop(struct cache *c, enum cache_type type, struct str key)
{
    uint64_t hash = hash_of(type, key);
    struct flight *f = *flight_at(c, type, key, hash);
    if (!f || f->state != FLIGHT_LOADING)
        return;
    struct entry *e = memory_find(c->memory, type, key, hash);
    if (e)
        e->rests = clock_mono() + REST;
    flight_end(f);
}

/* ---- between nodes ---- */

void cache_moved(struct cache *c, struct str what, int64_t number)
{
    if (c->shared)
        shared_moved(c->shared, what, number);
}

int cache_untold(const struct cache *c)
{
    return c->shared ? shared_untold(c->shared) : 0;
}

void cache_forget_shared(struct cache *c, enum err *err, struct wait *w)
{
    if (c->shared) {
        shared_forget(c->shared, err, w);
        return;
    }
    *err = OK;
    wait_open(w);
    wait_done(w);
}

/* ---- life ---- */

size_t cache_bytes(const struct cache *c)
{
    return memory_bytes(c->memory);
}

size_t cache_entries(const struct cache *c)
{
    return memory_entries(c->memory);
}

struct cache *cache_new(const struct cache_setup *setup)
{
    struct cache *c = calloc(1, sizeof(*c));
    if (!c)
        return NULL;
    c->off = setup->off;
    c->memory = memory_new(setup->off ? 0 : setup->max_bytes);
    c->shared = setup->redis ? shared_new(setup->redis, setup->layout) : NULL;
    if (c->memory && (c->shared || !setup->redis))
        return c;
    cache_free(c);
    return NULL;
}

static void flights_free(struct flight *f)
{
    while (f) {
        struct flight *next = f->next;
        free(f->held);
        free(f);
        f = next;
    }
}

void cache_free(struct cache *c)
{
    if (!c)
        return;
    memory_free(c->memory);
    shared_free(c->shared);
    for (int i = 0; i < FLIGHT_SLOTS; i++)
        flights_free(c->flights[i]);
    flights_free(c->spare);
    free(c);
}
