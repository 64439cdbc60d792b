#include "base/epoch.h"

#include "base/err.h"
#include "base/hash.h"

#include <stdatomic.h>

/* `all` is read with every look, `total` moves with every bump: apart, so that they share no cache line. */
struct epoch_part {
    _Atomic uint64_t all;
    char apart[56];
    _Atomic uint64_t total;
    char apart_too[56];
    _Atomic uint32_t slots[EPOCH_SLOTS];
};

static struct epoch_part *epoch;

size_t epoch_size(void)
{
    return sizeof(struct epoch_part);
}

void epoch_init(void *part)
{
    epoch = part;
}

static uint32_t slot_of(enum epoch_kind kind, const void *id, size_t n)
{
    return (uint32_t)hash_kind(kind, id, n) & (EPOCH_SLOTS - 1);
}

void epoch_bump(enum epoch_kind kind, const void *id, size_t n)
{
    must(epoch);
    atomic_fetch_add_explicit(&epoch->slots[slot_of(kind, id, n)], 1, memory_order_release);
    atomic_fetch_add_explicit(&epoch->total, 1, memory_order_release);
}

void epoch_bump_all(void)
{
    must(epoch);
    atomic_fetch_add_explicit(&epoch->all, 1, memory_order_release);
    atomic_fetch_add_explicit(&epoch->total, 1, memory_order_release);
}

uint64_t epoch_total(void)
{
    must(epoch);
    return atomic_load_explicit(&epoch->total, memory_order_acquire);
}

void epochs_add(struct epochs *e, enum epoch_kind kind, const void *id, size_t n)
{
    must(epoch);
    if (e->n == 0)
        e->all = atomic_load_explicit(&epoch->all, memory_order_acquire);

    uint32_t slot = slot_of(kind, id, n);
    for (uint32_t i = 0; i < e->n; i++)
        if (e->at[i].slot == slot)
            return; /* the earlier value is the one that everything since stands on */

    must(e->n < EPOCHS_MAX);
    e->at[e->n].slot = slot;
    e->at[e->n].value = atomic_load_explicit(&epoch->slots[slot], memory_order_acquire);
    e->n++;
}

bool epochs_fresh(const struct epochs *e)
{
    if (e->n == 0)
        return true;
    must(epoch);
    if (atomic_load_explicit(&epoch->all, memory_order_acquire) != e->all)
        return false;
    for (uint32_t i = 0; i < e->n; i++)
        if (atomic_load_explicit(&epoch->slots[e->at[i].slot], memory_order_acquire) !=
            e->at[i].value)
            return false;
    return true;
}
