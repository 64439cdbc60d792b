#include "base/mode.h"

#include "base/err.h"

#include <stdatomic.h>

/* set: the version times MODE_COUNT, and the mode; 0: not known. */
struct shared_mode {
    _Atomic int64_t set;
    _Atomic uint64_t open[DEPENDENCY_COUNT]; /* a bit for each worker whose breaker is open */
};

static struct shared_mode alone = { .set = MODE_COUNT + MODE_NORMAL }; /* a process without a segment */
static struct shared_mode *shared = &alone;
static uint64_t own = 1; /* this worker's bit */

size_t mode_size(void)
{
    return sizeof(struct shared_mode);
}

void mode_init(void *part)
{
    shared = part;
}

void mode_worker(unsigned number)
{
    must(number < MODE_WORKERS);
    own = UINT64_C(1) << number;
    for (int i = 0; i < DEPENDENCY_COUNT; i++)
        atomic_fetch_and(&shared->open[i], ~own);
}

bool mode_known(void)
{
    return atomic_load_explicit(&shared->set, memory_order_acquire) != 0;
}

enum mode mode_by_hand(void)
{
    int64_t set = atomic_load_explicit(&shared->set, memory_order_acquire);
    return set ? (enum mode)(set % MODE_COUNT) : MODE_LOCKDOWN;
}

enum mode mode_by_breakers(void)
{
    if (atomic_load_explicit(&shared->open[DEPENDENCY_STORE], memory_order_acquire))
        return MODE_READ_ONLY;
    if (atomic_load_explicit(&shared->open[DEPENDENCY_REDIS], memory_order_acquire))
        return MODE_DEGRADED;
    return MODE_NORMAL;
}

enum mode mode_now(void)
{
    enum mode hand = mode_by_hand(), breakers = mode_by_breakers();
    return hand > breakers ? hand : breakers;
}

void mode_learn(enum mode mode, int64_t version)
{
    must(version > 0 && mode < MODE_COUNT);
    int64_t set = version * MODE_COUNT + (int64_t)mode, old = atomic_load(&shared->set);
    while (old / MODE_COUNT <= version && !atomic_compare_exchange_weak(&shared->set, &old, set))
        ;
}

void mode_breaker(enum dependency on, bool open)
{
    if (open)
        atomic_fetch_or(&shared->open[on], own);
    else
        atomic_fetch_and(&shared->open[on], ~own);
}

const char *mode_name(enum mode mode)
{
    static const char *const names[] = { "normal", "degraded", "read_only", "lockdown" };
    return names[mode];
}

bool mode_find(struct str name, enum mode *out)
{
    for (int m = 0; m < MODE_COUNT; m++) {
        if (!str_eq(name, str_of(mode_name((enum mode)m))))
            continue;
        *out = (enum mode)m;
        return true;
    }
    return false;
}
