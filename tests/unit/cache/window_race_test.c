/* The bound of windows when workers meet at the worst moments. The code is included with atomics that may hand over
 * to another worker at each access, and now and then make one sleep for long; all are fibers of one thread, so a
 * seed that fails fails again. Checked is an exact log: what was certainly admitted within a length is no more than
 * the limit.
 */
#include "../base/unit.h"

#include "base/clock.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <ucontext.h>

static void step(void);

#undef atomic_load
#undef atomic_store
#undef atomic_compare_exchange_strong
#undef atomic_compare_exchange_weak
#define atomic_load(at) (step(), atomic_load_explicit((at), memory_order_seq_cst))
#define atomic_store(at, value) (step(), atomic_store_explicit((at), (value), memory_order_seq_cst))
#define atomic_compare_exchange_strong(at, old, value)                                             \
    (step(), atomic_compare_exchange_strong_explicit((at), (old), (value), memory_order_seq_cst,   \
                                                     memory_order_seq_cst))
#define atomic_compare_exchange_weak atomic_compare_exchange_strong

#include "../../../src/cache/entries.c"
#include "../../../src/cache/meter.c"

/* ---- fibers ---- */

#if defined(__SANITIZE_ADDRESS__)
#define TELL_SANITIZER
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TELL_SANITIZER
#endif
#endif

#ifdef TELL_SANITIZER
#include <sanitizer/common_interface_defs.h>
#define LEAVE(fake, stack, size) __sanitizer_start_switch_fiber((fake), (stack), (size))
#define ARRIVE(fake, stack, size) __sanitizer_finish_switch_fiber((fake), (stack), (size))
#else
#define LEAVE(fake, stack, size) ((void)(fake), (void)(stack), (void)(size))
#define ARRIVE(fake, stack, size) ((void)(fake), (void)(stack), (void)(size))
#endif

#define FIBERS 4
#define STACK 131072

struct fiber {
    ucontext_t context;
    void *fake;
    uint64_t asleep; /* until that step */
    bool done;
    char stack[STACK];
};

static struct {
    struct fiber fibers[FIBERS], *running; /* NULL: the scheduler */
    ucontext_t context;
    void *fake;
    const void *stack;
    size_t stack_size;
    uint64_t seed, steps, pace; /* one access in `pace` hands over */
} sched;

/* xorshift64* (Vigna, 2016) */
static uint64_t draw(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(2685821657736338717) >> 8;
}

/* swapcontext, of which the sanitizer would complain although it is told of each switch. */
__attribute__((noinline)) static void swap(ucontext_t *from, const ucontext_t *to)
{
    volatile bool back = false;
    getcontext(from);
    if (back)
        return;
    back = true;
    setcontext(to);
}

static void hand_over(void)
{
    struct fiber *f = sched.running;
    LEAVE(f->done ? NULL : &f->fake, sched.stack, sched.stack_size);
    swap(&f->context, &sched.context);
    ARRIVE(sched.running->fake, &sched.stack, &sched.stack_size);
}

static void step(void)
{
    sched.steps++;
    if (!sched.running || draw(&sched.seed) % sched.pace != 0)
        return;
    if (draw(&sched.seed) % 40 == 0)
        sched.running->asleep = sched.steps + draw(&sched.seed) % 60000;
    hand_over();
}

static void resume(struct fiber *f)
{
    sched.running = f;
    LEAVE(&sched.fake, f->stack, STACK);
    swap(&sched.context, &f->context);
    ARRIVE(sched.fake, NULL, NULL);
    sched.running = NULL;
}

/* Any fiber that is awake; when all sleep, the one that wakes first. */
static struct fiber *pick(void)
{
    struct fiber *first = NULL;
    unsigned skip = (unsigned)(draw(&sched.seed) % FIBERS);
    for (unsigned i = 0; i < FIBERS; i++) {
        struct fiber *f = &sched.fibers[(skip + i) % FIBERS];
        if (f->done)
            continue;
        if (f->asleep <= sched.steps)
            return f;
        if (!first || f->asleep < first->asleep)
            first = f;
    }
    return first;
}

/* ---- what they do ---- */

#define SPENDS 400 /* of all fibers, in one trial */

struct admission {
    int64_t from, to; /* it was admitted in between */
    uint64_t key;
};

static struct {
    struct table *table;
    int64_t clock, limit, length;
    uint64_t keys, crowd; /* as many spends at about one time */
    int left, n;
    struct admission log[SPENDS * 2];
} trial;

/* All keys that are alike in the place of their buckets, so that they hurt each other if they can. */
static struct window window_of(uint64_t k)
{
    struct window w = { 0, trial.length, trial.limit };
    for (uint64_t i = k + 1;; i += 1000) {
        w.key = i * UINT64_C(0xff51afd7ed558ccd) ^ i >> 5;
        if (key_of(w.key, w.length) % RING == 1)
            return w;
    }
}

/* Most ask for the key of the moment, so that they meet. */
static void spend(void)
{
    uint64_t moment = (uint64_t)(SPENDS - trial.left) / 8, any = draw(&sched.seed);
    uint64_t first = (any >> 8 & 3 ? moment * 7 : any >> 16) % trial.keys;
    uint64_t k[2] = { first, (first + 1) % trial.keys };
    struct window want[2] = { window_of(k[0]), window_of(k[1]) };
    int n = draw(&sched.seed) % 4 == 0 ? 2 : 1;
    int64_t from = trial.clock;
    struct spent s;
    meter_spend(trial.table, want, n, from, &s);
    for (int i = 0; s.admitted && i < n; i++)
        trial.log[trial.n++] = (struct admission){ from, trial.clock, k[i] };
}

static void work(void)
{
    ARRIVE(sched.running->fake, &sched.stack, &sched.stack_size);
    while (trial.left-- > 0) {
        spend();
        if (draw(&sched.seed) % trial.crowd == 0)
            trial.clock += (int64_t)(draw(&sched.seed) % (uint64_t)(trial.length / 8));
        if (draw(&sched.seed) % 100 == 0) /* to the same place of the ring */
            trial.clock += (int64_t)(1 + draw(&sched.seed) % 12) * RING * trial.length / SHARES;
    }
    sched.running->done = true;
    hand_over();
}

static void fiber_init(struct fiber *f)
{
    getcontext(&f->context);
    f->context.uc_stack.ss_sp = f->stack;
    f->context.uc_stack.ss_size = STACK;
    f->context.uc_link = NULL;
    f->asleep = 0;
    f->done = false;
    f->fake = NULL;
    makecontext(&f->context, work, 0);
}

static int worst_of(void)
{
    int worst = 0;
    for (int i = 0; i < trial.n; i++) {
        int together = 0;
        for (int j = 0; j < trial.n; j++)
            together += trial.log[j].key == trial.log[i].key &&
                        trial.log[j].from >= trial.log[i].from &&
                        trial.log[j].to <= trial.log[i].from + trial.length;
        worst = together > worst ? together : worst;
    }
    return worst;
}

static int run_trial(uint64_t seed, uint64_t keys)
{
    static const int64_t limits[] = { 1, 2, 3, 5, 10, 20, 40 };
    static const uint64_t paces[] = { 3, 20, 200 }, crowds[] = { 2, 4, 10, 40 };
    sched.seed = (seed + 1) * UINT64_C(0x9e3779b97f4a7c15);
    sched.pace = paces[draw(&sched.seed) % COUNT(paces)];
    trial.crowd = crowds[draw(&sched.seed) % COUNT(crowds)];
    trial.limit = limits[draw(&sched.seed) % COUNT(limits)];
    memset(trial.table, 0, table_size(1));
    table_init(trial.table, 1);
    trial.clock = 5 * HOUR;
    trial.length = MINUTE;
    trial.keys = keys;
    trial.left = SPENDS;
    trial.n = 0;
    for (int i = 0; i < FIBERS; i++)
        fiber_init(&sched.fibers[i]);
    for (struct fiber *f; (f = pick());)
        resume(f);
    return worst_of();
}

/* RACE_SEEDS, if set, is how many seeds are tried. */
static void try_seeds(uint64_t keys)
{
    int trials = getenv("RACE_SEEDS") ? atoi(getenv("RACE_SEEDS")) : 80;
    int reached = 0;
    trial.table = aligned_alloc(64, (table_size(1) + 63) / 64 * 64);
    for (int seed = 0; seed < trials; seed++) {
        int worst = run_trial((uint64_t)seed, keys);
        if (worst > trial.limit)
            print_error("seed %d: %d admitted of %d\n", seed, worst, (int)trial.limit);
        assert_true(worst <= trial.limit);
        reached += worst == trial.limit;
    }
    free(trial.table);
    assert_true(reached > trials / 10); /* or nothing was tried */
}

static void one_window(void **state)
{
    (void)state;
    try_seeds(1);
}

static void several_windows(void **state)
{
    (void)state;
    try_seeds(6);
}

static void a_table_that_is_just_full(void **state)
{
    (void)state;
    try_seeds(22);
}

static void a_table_that_is_far_too_small(void **state)
{
    (void)state;
    try_seeds(60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_window),
        cmocka_unit_test(several_windows),
        cmocka_unit_test(a_table_that_is_just_full),
        cmocka_unit_test(a_table_that_is_far_too_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
