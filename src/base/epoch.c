#include "base/epoch.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/hash.h"

#include <stdatomic.h>
#include <string.h>

#define NOBODY 0 /* there is nobody to hear */
#define NOTHING 1 /* nothing has been heard yet */

/* What is read with every look stands first; slots and doubts move with bumps. Times are monotonic microseconds. */
struct epoch_part {
    _Atomic uint64_t all;
    _Atomic int64_t heard;
    _Atomic int64_t doubted; /* until then no slot of the shared cache is believed */
    char apart[40];
    _Atomic uint32_t slots[EPOCH_SLOTS];
    _Atomic int64_t doubts[EPOCH_SLOTS]; /* until when, each */
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

/* The doubt comes first: who sees the new epoch must see it too. */
static void move(uint32_t slot, bool doubt)
{
    if (doubt)
        atomic_store(&epoch->doubts[slot], clock_mono_now() + EPOCH_DOUBT);
    atomic_fetch_add_explicit(&epoch->slots[slot], 1, memory_order_release);
}

void epoch_bump(enum epoch_kind kind, const void *id, size_t n)
{
    must(epoch);
    move(slot_of(kind, id, n), true);
}

void epoch_bump_all(void)
{
    must(epoch);
    epoch_doubt_all(clock_mono_now() + EPOCH_DOUBT);
    atomic_fetch_add_explicit(&epoch->all, 1, memory_order_release);
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

/* A time behind the clock of this turn is a time just heard. */
static bool deaf(void)
{
    int64_t heard = atomic_load_explicit(&epoch->heard, memory_order_acquire);
    return heard != NOBODY && clock_mono() - heard > EPOCH_DEAF;
}

static inline bool moved(const struct epochs *e)
{
    must(epoch);
    if (atomic_load_explicit(&epoch->all, memory_order_acquire) != e->all)
        return true;
    for (uint32_t i = 0; i < e->n; i++)
        if (atomic_load_explicit(&epoch->slots[e->at[i].slot], memory_order_acquire) !=
            e->at[i].value)
            return true;
    return false;
}

bool epochs_moved(const struct epochs *e)
{
    return e->n > 0 && moved(e);
}

bool epochs_fresh(const struct epochs *e)
{
    return e->n == 0 || (!moved(e) && !deaf());
}

/* ---- between nodes ---- */

size_t epoch_what(char *out, enum epoch_kind kind, const void *id, size_t n)
{
    must(n <= EPOCH_WHAT_MAX - 2);
    out[0] = (char)kind;
    out[1] = (char)n;
    if (n)
        memcpy(out + 2, id, n);
    return n + 2;
}

bool epoch_what_next(struct str *what, uint32_t *slot)
{
    if (what->n < 2)
        return false;
    size_t n = (unsigned char)what->p[1];
    if (what->n < n + 2)
        return false;
    *slot = slot_of((enum epoch_kind)(unsigned char)what->p[0], what->p + 2, n);
    *what = (struct str){ what->p + 2 + n, what->n - 2 - n };
    return true;
}

void epoch_bump_what(struct str what, bool doubt)
{
    uint32_t slot;
    must(epoch);
    while (epoch_what_next(&what, &slot))
        move(slot, doubt);
}

void epoch_doubt_all(int64_t until)
{
    must(epoch);
    int64_t old = atomic_load(&epoch->doubted);
    while (old < until && !atomic_compare_exchange_weak(&epoch->doubted, &old, until))
        ;
}

bool epochs_doubtful(const struct epochs *e)
{
    must(epoch);
    int64_t now = clock_mono_now();
    if (atomic_load(&epoch->doubted) > now)
        return true;
    for (uint32_t i = 0; i < e->n; i++)
        if (atomic_load(&epoch->doubts[e->at[i].slot]) > now)
            return true;
    return false;
}

void epoch_listen(void)
{
    must(epoch);
    int64_t nobody = NOBODY;
    atomic_compare_exchange_strong(&epoch->heard, &nobody, NOTHING);
}

void epoch_heard(int64_t at)
{
    must(epoch);
    int64_t old = atomic_load(&epoch->heard);
    while (old < at && !atomic_compare_exchange_weak(&epoch->heard, &old, at))
        ;
}

int64_t epoch_last_heard(void)
{
    must(epoch);
    int64_t heard = atomic_load(&epoch->heard);
    return heard == NOBODY ? INT64_MAX : heard;
}
