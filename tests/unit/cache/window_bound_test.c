/* The bound of windows, against an exact log of what was admitted: no interval of a window's length holds more than
 * its limit, for one caller, for threads, and for processes on one segment.
 */
#include "cache/window.h"

#include "../base/unit.h"

#include "base/clock.h"
#include "base/metric.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORKERS 4
#define LOG_MAX 60000 /* of one worker */

/* xorshift64* (Vigna, 2016) */
static uint64_t draw(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(2685821657736338717);
}

static uint64_t key(uint64_t n)
{
    return (n + 1) * UINT64_C(0xff51afd7ed558ccd) ^ n << 7;
}

/* ---- one caller ---- */

#define KEPT 4096

struct history {
    int64_t at[KEPT];
    unsigned n;
};

/* Admissions in [from, to]. */
static unsigned admitted_in(const struct history *h, int64_t from, int64_t to)
{
    unsigned n = 0;
    for (unsigned i = h->n; i > 0 && h->n - i < KEPT && h->at[(i - 1) % KEPT] >= from; i--)
        n += h->at[(i - 1) % KEPT] <= to;
    return n;
}

/* How far the next arrival is: bursts, trickles, edges of buckets, and long silence. */
static int64_t next_gap(uint64_t *seed, int64_t now, int64_t length)
{
    int64_t width = length / 60;
    switch (draw(seed) % 16) {
    case 0:
        return (int64_t)(draw(seed) % (uint64_t)(2 * length));
    case 1:
    case 2:
        return width - now % width - (int64_t)(draw(seed) % 2);
    case 3:
        return length - now % width;
    case 4:
    case 5:
    case 6:
        return (int64_t)(draw(seed) % (uint64_t)(2 * width));
    default:
        return (int64_t)(draw(seed) % 50);
    }
}

/* With returns, permits may leave later than they should, so it may be refused earlier. */
static void arrive(struct windows *ws, uint64_t seed, const struct window *w, int steps,
                   bool returns)
{
    static struct history h;
    int64_t now = 77 * HOUR, width = w->length / 60;
    unsigned limit = (unsigned)w->limit;
    h.n = 0;
    for (int i = 0; i < steps; i++, now += next_gap(&seed, now, w->length)) {
        struct spent s;
        window_spend(ws, w, 1, now, &s, NULL);
        if (!s.admitted) { /* early by one bucket's share at most */
            assert_true(returns || admitted_in(&h, now - w->length - width, now) >= limit);
            continue;
        }
        h.at[h.n++ % KEPT] = now;
        assert_true(admitted_in(&h, now - w->length, now) <= limit);
        if (returns && draw(&seed) % 20 == 0) {
            window_return(ws, w, 1, now);
            h.n--;
        }
    }
    assert_true(h.n > 0);
}

static void one_caller_is_never_over_and_hardly_under(void **state)
{
    (void)state;
    void *part = aligned_alloc(64, (windows_size(64) + 63) / 64 * 64);
    memset(part, 0, windows_size(64));
    struct windows *ws = windows_new(part, 64, NULL);
    static const struct window wants[] = {
        { 1, SECOND - SECOND % 60, 3 }, { 2, MINUTE, 1 },  { 3, MINUTE, 20 },
        { 4, MINUTE, 1000 },            { 5, HOUR, 7 },    { 6, DAY, 500 },
    };
    for (size_t i = 0; i < COUNT(wants); i++)
        for (uint64_t seed = 1; seed <= 10; seed++) {
            struct window w = wants[i];
            w.key = key(w.key * 100 + seed);
            arrive(ws, seed * 7919 + i, &w, 3000, seed % 2);
        }
    windows_free(ws);
    free(part);
}

/* ---- several at once ---- */

struct admission {
    int64_t from, to; /* it was admitted in between */
    uint32_t key;
};

/* In memory that forks share. */
struct arena_of_workers {
    pthread_barrier_t barrier;
    _Atomic int64_t clock;
    struct windows *ws;
    unsigned keys;
    int64_t lengths[2], limit;
    int rounds;
    bool together; /* in rounds, so that clocks differ by no more than 3 buckets */
    unsigned n[WORKERS];
    struct admission log[WORKERS][LOG_MAX];
};

static struct arena_of_workers *all;

static struct window window_of(uint32_t k)
{
    return (struct window){ key(k), all->lengths[k % 2], all->limit };
}

static void spend_once(int worker, uint64_t *seed, int64_t now)
{
    uint32_t k[2] = { (uint32_t)(draw(seed) % all->keys), (uint32_t)(draw(seed) % all->keys) };
    struct window want[2] = { window_of(k[0]), window_of(k[1]) };
    int n = k[0] == k[1] ? 1 : 1 + (int)(draw(seed) % 2);
    struct spent s;
    window_spend(all->ws, want, n, now, &s, NULL);
    int64_t to = all->together ? now : atomic_load(&all->clock);
    for (int i = 0; s.admitted && i < n && all->n[worker] < LOG_MAX; i++)
        all->log[worker][all->n[worker]++] = (struct admission){ now, to, k[i] };
}

static void work(int worker)
{
    uint64_t seed = 1234567 + (uint64_t)worker * 7919;
    int64_t shortest = all->lengths[0] / 60;
    for (int round = 0; round < all->rounds; round++) {
        if (!all->together) {
            int64_t step = (int64_t)(draw(&seed) % (uint64_t)(shortest / 50));
            spend_once(worker, &seed, atomic_fetch_add(&all->clock, step));
            continue;
        }
        if (pthread_barrier_wait(&all->barrier) == PTHREAD_BARRIER_SERIAL_THREAD)
            atomic_fetch_add(&all->clock,
                             (int64_t)(draw(&seed) % 8 ? shortest / 3 : 20 * shortest));
        pthread_barrier_wait(&all->barrier);
        for (int i = 0; i < 8; i++)
            spend_once(worker, &seed,
                       atomic_load(&all->clock) +
                           (int64_t)(draw(&seed) % (uint64_t)(3 * shortest)));
    }
}

static void *work_thread(void *worker)
{
    work((int)(intptr_t)worker);
    return NULL;
}

static void in_threads(void)
{
    pthread_t threads[WORKERS];
    for (int i = 0; i < WORKERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, work_thread, (void *)(intptr_t)i), 0);
    for (int i = 0; i < WORKERS; i++)
        pthread_join(threads[i], NULL);
}

static void in_processes(void)
{
    pid_t children[WORKERS];
    for (int i = 0; i < WORKERS; i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i] == 0) {
            work(i);
            _exit(0);
        }
    }
    for (int i = 0; i < WORKERS; i++) {
        int status;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
}

static int by_key_and_time(const void *a, const void *b)
{
    const struct admission *x = a, *y = b;
    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    return (x->from > y->from) - (x->from < y->from);
}

/* What certainly was admitted within one length counts. */
static void check_log(const char *what)
{
    static struct admission sorted[WORKERS * LOG_MAX];
    unsigned n = 0, worst = 0;
    for (int i = 0; i < WORKERS; i++) {
        assert_true(all->n[i] < LOG_MAX);
        memcpy(&sorted[n], all->log[i], all->n[i] * sizeof(sorted[0]));
        n += all->n[i];
    }
    qsort(sorted, n, sizeof(sorted[0]), by_key_and_time);
    for (unsigned i = 0; i < n; i++) {
        int64_t last = sorted[i].from + window_of(sorted[i].key).length;
        unsigned together = 0;
        for (unsigned j = i; j < n && sorted[j].key == sorted[i].key && sorted[j].from <= last; j++)
            together += sorted[j].to <= last;
        worst = together > worst ? together : worst;
    }
    if (worst != all->limit) /* fewer: nothing was tried */
        print_error("%s: %u admitted in one length\n", what, worst);
    assert_int_equal(worst, all->limit);
}

struct trial {
    const char *what;
    uint32_t entries;
    unsigned keys;
    int64_t limit;
    int rounds;
    bool together;
};

static const struct trial trials[] = {
    { "few keys, close clocks", 64, 4, 7, 4000, true },
    { "few keys, free clocks", 64, 4, 40, 40000, false },
    { "one permit", 64, 6, 1, 4000, true },
    { "a table too small, close clocks", 16, 60, 3, 6000, true },
    { "a table too small, free clocks", 16, 40, 5, 40000, false },
};

static void try_all(void (*run)(void))
{
    for (const struct trial *t = trials; t < trials + COUNT(trials); t++) {
        size_t size = sizeof(*all) + 64 + windows_size(t->entries);
        all = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        assert_true(all != MAP_FAILED);
        pthread_barrierattr_t shared;
        pthread_barrierattr_init(&shared);
        pthread_barrierattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
        pthread_barrier_init(&all->barrier, &shared, WORKERS);
        all->ws = windows_new((char *)all + (sizeof(*all) + 63) / 64 * 64, t->entries, NULL);
        all->clock = 5 * HOUR;
        all->keys = t->keys;
        all->lengths[0] = MINUTE;
        all->lengths[1] = 10 * MINUTE;
        all->limit = t->limit;
        all->rounds = t->rounds;
        all->together = t->together;
        run();
        check_log(t->what);
        windows_free(all->ws);
        munmap(all, size);
    }
}

static void threads_are_never_over(void **state)
{
    (void)state;
    try_all(in_threads);
}

static void processes_are_never_over(void **state)
{
    (void)state;
    try_all(in_processes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_caller_is_never_over_and_hardly_under),
        cmocka_unit_test(threads_are_never_over),
        cmocka_unit_test(processes_are_never_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
