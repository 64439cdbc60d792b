/* cache/entries.h: the table of windows in the segment: whose an entry is, found and taken over without a lock.
 * Rows of 8 entries; a key may stand in two of them. The last row holds the entries that newcomers share when those
 * are full, one for each length. What an entry counts is meter.c's.
 *
 * An entry's owner and the time until which its counts live are one word. Whoever counts first makes that time late
 * enough, whoever takes an entry over changes the owner, and only one of the two can win. Two workers that do not
 * find a key may make two entries for it: both are summed, and the second falls into disuse.
 */
#ifndef CACHE_ENTRIES_H
#define CACHE_ENTRIES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WAYS 8
#define RING 64
#define CANDIDATES (2 * WAYS)
#define NOWHERE UINT32_MAX

/* What every spend reads; small, so that it stays near the processor. */
struct row {
    _Atomic uint64_t owner[WAYS];   /* 36 bits of the key, then the time; 0: free */
    _Atomic uint64_t summary[WAYS]; /* see meter.c */
    _Atomic uint64_t born[WAYS];    /* the last bucket in which the owner may have spent in a shared entry */
};

struct table {
    uint32_t rows;           /* besides the shared one, whose index this is */
    _Atomic int nodes;       /* that share the limits, this one included; 0: not told yet */
    _Atomic int64_t crowded; /* shared entries may hold counts until then */
    uint64_t unused[6];      /* what follows begins a line of the processor's cache */
    struct row row[];        /* then each entry's ring of RING buckets */
};

/* Bytes of a table, and the table in them; every worker calls it, the first one finds the part zeroed. */
size_t table_size(uint32_t entries);
struct table *table_init(void *part, uint32_t entries);

/* The two rows of a key. */
struct home {
    uint32_t row[2];
};
struct home entry_home(const struct table *t, uint64_t key);

/* The candidates of a key, 0 to CANDIDATES - 1. */
static inline uint32_t entry_candidate(struct home home, int i)
{
    return home.row[i / WAYS] * WAYS + (uint32_t)i % WAYS;
}

/* The entries that newcomers share, 0 to WAYS - 1. */
static inline uint32_t entry_shared(const struct table *t, int i)
{
    return t->rows * WAYS + (uint32_t)i;
}

static inline _Atomic uint64_t *entry_ring(struct table *t, uint32_t entry)
{
    return (_Atomic uint64_t *)(void *)&t->row[t->rows + 1] + (size_t)entry * RING;
}

#define OWNER_TIME_BITS 28

/* Whether the entry is the key's. Keys are odd, so that a free one is nobody's. */
static inline bool entry_owned(const struct table *t, uint32_t entry, uint64_t key)
{
    uint64_t owner = atomic_load(&t->row[entry / WAYS].owner[entry % WAYS]);
    return owner >> OWNER_TIME_BITS == key << OWNER_TIME_BITS >> OWNER_TIME_BITS;
}

/* Which entries of a row are the key's: one bit for each. This is what a spend mostly does. */
static inline uint32_t row_owned(const struct row *row, uint64_t key)
{
    uint64_t word = key << OWNER_TIME_BITS;
    uint32_t owned = 0;
#pragma GCC unroll 8
    for (int way = WAYS - 1; way >= 0; way--) /* the sum takes the carry of the comparison in */
        owned += owned + ((atomic_load(&row->owner[way]) ^ word) < UINT64_C(1) << OWNER_TIME_BITS);
    return owned;
}

/* The same of a key's candidates; usually it is one. */
static inline uint32_t entries_owned(const struct table *t, struct home home, uint64_t key)
{
    return row_owned(&t->row[home.row[0]], key) | row_owned(&t->row[home.row[1]], key) << WAYS;
}

/* How much longer than `until` the entry lives, microseconds, a few seconds too many at most; negative when it is
 * not, or no longer, the key's. */
int64_t entry_lead(const struct table *t, uint32_t entry, uint64_t key, int64_t until);

/* Finds the key's entry, or takes over one whose counts have all left (then *made is set), and makes it live until
 * `until`. NOWHERE: its rows are full. The second is for the entries that newcomers share. */
uint32_t entry_hold(struct table *t, struct home home, uint64_t key, int64_t until, int64_t now,
                    bool *made);
uint32_t entry_hold_shared(struct table *t, uint64_t key, int64_t until, int64_t now);

#endif
