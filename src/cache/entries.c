#include "entries.h"

#include "base/err.h"

/* Times in owners count units of about a second, and wrap. */
#define UNIT ((int64_t)1 << 20)
#define TIME_MASK ((UINT64_C(1) << OWNER_TIME_BITS) - 1)

/* Two rows at least, so that a key's two differ. */
static uint32_t rows_for(uint32_t entries)
{
    must(entries > 0 && entries <= UINT32_MAX / 2);
    return entries > WAYS ? (entries + WAYS - 1) / WAYS : 2;
}

size_t table_size(uint32_t entries)
{
    size_t rows = (size_t)rows_for(entries) + 1;
    return sizeof(struct table) + rows * (sizeof(struct row) + sizeof(uint64_t[WAYS][RING]));
}

struct table *table_init(void *part, uint32_t entries)
{
    struct table *t = part;
    t->rows = rows_for(entries);
    return t;
}

/* A number below `bound` out of 32 even bits. */
static uint32_t scale(uint64_t bits, uint32_t bound)
{
    return (uint32_t)(((bits & UINT32_MAX) * bound) >> 32);
}

/* The lowest bits are left to owners, which tell the keys of a row apart. */
struct home entry_home(const struct table *t, uint64_t key)
{
    uint32_t first = scale(key >> 32, t->rows);
    uint32_t other = first + 1 + scale((key * UINT64_C(0xd6e8feb86659fd93)) >> 32, t->rows - 1);
    return (struct home){ { first, other < t->rows ? other : other - t->rows } };
}

static uint64_t owner_word(uint64_t key, int64_t until)
{
    return key << OWNER_TIME_BITS | ((uint64_t)(until / UNIT + 1) & TIME_MASK);
}

/* Whether the owner's counts may live at that time. */
static bool lives(uint64_t owner, int64_t at)
{
    uint32_t left = (uint32_t)owner - (uint32_t)(at / UNIT);
    return owner != 0 && (int32_t)(left << (32 - OWNER_TIME_BITS)) >= 0;
}

int64_t entry_lead(const struct table *t, uint32_t entry, uint64_t key, int64_t until)
{
    uint64_t owner = atomic_load(&t->row[entry / WAYS].owner[entry % WAYS]);
    if ((owner ^ owner_word(key, until)) >> OWNER_TIME_BITS != 0)
        return -1;
    uint32_t lead = ((uint32_t)owner - (uint32_t)(until / UNIT)) << (32 - OWNER_TIME_BITS);
    return (int32_t)lead < 0 ? 0 : (lead >> (32 - OWNER_TIME_BITS)) * UNIT;
}

/* Makes the key's own entry live until `until`; false when it is not, or no longer, the key's. */
static bool renew(_Atomic uint64_t *owner, uint64_t key, int64_t until)
{
    uint64_t mine = owner_word(key, until), word = atomic_load(owner);
    while ((word ^ mine) >> OWNER_TIME_BITS == 0) {
        if (lives(word, until) || atomic_compare_exchange_weak(owner, &word, mine))
            return true;
    }
    return false;
}

static bool take_over(_Atomic uint64_t *owner, uint64_t key, int64_t until, int64_t now)
{
    uint64_t word = atomic_load(owner);
    return !lives(word, now) &&
           atomic_compare_exchange_strong(owner, &word, owner_word(key, until));
}

static int room_in(const struct row *row, int64_t now)
{
    int n = 0;
    for (int way = 0; way < WAYS; way++)
        n += !lives(atomic_load(&row->owner[way]), now);
    return n;
}

uint32_t entry_hold(struct table *t, struct home home, uint64_t key, int64_t until, int64_t now,
                    bool *made)
{
    for (int i = 0; i < 2; i++) {
        struct row *row = &t->row[home.row[i]];
        for (uint32_t owned = row_owned(row, key); owned; owned &= owned - 1) {
            int way = __builtin_ctz(owned);
            if (renew(&row->owner[way], key, until))
                return entry_candidate(home, i * WAYS + way);
        }
    }

    /* The emptier row first: so rows fill evenly, and the table is nearly full before one overflows. */
    int first = room_in(&t->row[home.row[0]], now) < room_in(&t->row[home.row[1]], now) ? WAYS : 0;
    for (int j = 0; j < CANDIDATES; j++) {
        uint32_t entry = entry_candidate(home, (first + j) % CANDIDATES);
        if (take_over(&t->row[entry / WAYS].owner[entry % WAYS], key, until, now)) {
            *made = true;
            return entry;
        }
    }
    return NOWHERE;
}

uint32_t entry_hold_shared(struct table *t, uint64_t key, int64_t until, int64_t now)
{
    struct row *row = &t->row[t->rows];
    int64_t old = atomic_load(&t->crowded);
    while (old < until && !atomic_compare_exchange_weak(&t->crowded, &old, until))
        ;

    for (int way = 0; way < WAYS; way++) {
        if (renew(&row->owner[way], key, until))
            return entry_shared(t, way);
    }
    for (int way = 0; way < WAYS; way++) {
        if (take_over(&row->owner[way], key, until, now))
            return entry_shared(t, way);
    }
    return NOWHERE;
}
