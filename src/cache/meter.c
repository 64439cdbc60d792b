/* cache/meter.c: what the entries of the table count.
 *
 * A ring of 64 buckets serves a window: the running one, the 60 before it, and 3 by which another worker's clock may
 * be ahead. To spend is to add first, then to sum, then to take back if that was too much: of all who add, the last
 * one sees everything, so together they never admit too many; two may refuse each other.
 *
 * Most spends need no sum: an entry's summary is at least the permits that count, as of its bucket. A spend adds
 * itself to it, after the bucket and before it is admitted; the first one of a later bucket sums and replaces it,
 * and begins again if someone was added meanwhile. It may be too large (what was refused or returned stays in it):
 * then the sum decides.
 *
 * The numbers of buckets are shifted by the key, so what a former owner left looks like numbers of long ago (or,
 * once in some million, like a few permits: refused early).
 */
#include "meter.h"

#include "base/clock.h"
#include "base/metric.h"
#include "entries.h"

#define AHEAD (RING - SHARES - 1)
#define LENGTH_MAX (31 * DAY)

/* A bucket: its number (36 bits), then its permits (28 bits). Seen from the oldest bucket that counts, a word below
 * LIVE is one that counts: a clock that is seven lengths behind still recognizes what is newer. */
#define COUNT_BITS 28
#define ONE_BUCKET (UINT64_C(1) << COUNT_BITS)
#define COUNT_MASK (ONE_BUCKET - 1)
#define LIVE_BUCKETS 512
#define LIVE (LIVE_BUCKETS * ONE_BUCKET)
#define LIMIT_MAX ((int64_t)ONE_BUCKET / 2)

/* How many buckets ago an owner may have been born, to be told from what a former one left. */
#define BORN_BEFORE ((UINT64_C(1) << 24) * ONE_BUCKET)

/* A summary: the low 24 bits of its bucket's number; how often it was replaced, as 8 bits; then permits. */
#define SUMMARY_BITS 40
#define REPLACED_BITS 32
#define SUMMARY_MASK ((UINT64_C(1) << REPLACED_BITS) - 1)
#define REPLACED_MASK ((UINT64_C(1) << SUMMARY_BITS) - 1 - SUMMARY_MASK)

/* A clock that is further behind shows by how much longer the entry lives, but for the coarseness of that. */
#define LEAD_SLACK (3 * SECOND)

/* One window asked for, at one time. */
struct meter {
    struct table *t;
    uint64_t own; /* key of its entry */
    struct home home;
    int64_t now, limit;
    int64_t width;   /* of a bucket, microseconds */
    int64_t bucket;  /* the running one */
    uint32_t entry;  /* where it is counted, or NOWHERE */
    bool shares;     /* that is with the newcomers */
    uint64_t key;    /* of that entry */
    int64_t sum;     /* permits that count, its own included */
    uint64_t newest; /* the newest bucket seen, as a distance from the oldest that counts */
};

/* Buckets that count for a meter: the words below `end`, seen from `base`. */
struct source {
    const _Atomic uint64_t *ring;
    uint64_t base, end;
};
#define SOURCES_MAX (CANDIDATES + WAYS)

/* One identity may be counted over several lengths: each is a window of its own. Odd, as owners must be. */
static uint64_t key_of(uint64_t key, int64_t length)
{
    return (key ^ (uint64_t)length) * UINT64_C(0x9e3779b97f4a7c15) | 1;
}

static struct meter meter_of(struct table *t, const struct window *want, int64_t now)
{
    int64_t width = want->length / SHARES;
    must(width > 0 && want->length <= LENGTH_MAX && want->length == width * SHARES &&
         want->limit >= 1);
    uint64_t own = key_of(want->key, want->length);
    return (struct meter){
        .t = t,
        .own = own,
        .home = entry_home(t, own),
        .now = now,
        .limit = want->limit < LIMIT_MAX ? want->limit : LIMIT_MAX,
        .width = width,
        .bucket = now / width,
        .entry = NOWHERE,
    };
}

/* Of the entry that newcomers share. */
static uint64_t key_shared(const struct meter *m)
{
    return key_of(0, m->width * SHARES);
}

/* The word of the oldest bucket that counts. */
static uint64_t base_of(const struct meter *m, uint64_t key)
{
    return (key + (uint64_t)(m->bucket - SHARES)) << COUNT_BITS;
}

/* When what is counted in the running bucket counts no longer, for the slowest clock. */
static int64_t until_of(const struct meter *m)
{
    return (m->bucket + RING) * m->width;
}

static _Atomic uint64_t *slot_of(const struct meter *m)
{
    return &entry_ring(m->t, m->entry)[(m->key + (uint64_t)m->bucket) % RING];
}

static bool crowded(const struct meter *m)
{
    return atomic_load(&m->t->crowded) >= m->now;
}

/* ---- summing ---- */

/* An entry made while the table was full goes on with what its owner may have spent in the shared entry before.
 * Says where that ends. A birth that is not written yet is taken to be this moment, and written. */
static uint64_t shared_end(const struct meter *m, uint32_t entry)
{
    _Atomic uint64_t *birth = &m->t->row[entry / WAYS].born[entry % WAYS];
    uint64_t base = base_of(m, m->own), born = atomic_load(birth);
    if (born - base < LIVE)
        return born - base + ONE_BUCKET;
    if (base - born < BORN_BEFORE)
        return 0;
    atomic_compare_exchange_strong(birth, &born, base + (SHARES + AHEAD) * ONE_BUCKET);
    return (SHARES + AHEAD + 1) * ONE_BUCKET;
}

/* Everything that counts for the meter. */
static int sources_of(const struct meter *m, struct source *sources)
{
    bool look = crowded(m);
    uint64_t end = 0;
    int n = 0;
    for (uint32_t owned = entries_owned(m->t, m->home, m->own); owned; owned &= owned - 1) {
        uint32_t entry = entry_candidate(m->home, __builtin_ctz(owned));
        sources[n++] = (struct source){ entry_ring(m->t, entry), base_of(m, m->own), LIVE };
        uint64_t shared_to = look ? shared_end(m, entry) : 0;
        end = shared_to > end ? shared_to : end;
    }
    if (n == 0)
        end = LIVE;
    uint64_t shared = key_shared(m);
    for (int i = 0; look && i < WAYS; i++) {
        uint32_t entry = entry_shared(m->t, i);
        if (entry_owned(m->t, entry, shared))
            sources[n++] = (struct source){ entry_ring(m->t, entry), base_of(m, shared), end };
    }
    return n;
}

static void sum_up(struct meter *m)
{
    struct source sources[SOURCES_MAX];
    int n = sources_of(m, sources);
    uint64_t sum = 0, newest = 0;
    for (struct source *s = sources; s < sources + n; s++) {
        for (int i = 0; i < RING; i++) {
            uint64_t word = atomic_load(&s->ring[i]) - s->base;
            sum += word < s->end ? word & COUNT_MASK : 0;
            newest = word < LIVE && word > newest ? word : newest;
        }
    }
    m->sum = (int64_t)sum;
    m->newest = newest >> COUNT_BITS;
}

/* Adds to the summary the permit that stands in the running bucket, and says what counts: by the summary, if that is
 * of this bucket and within the limit, and the entry is all that counts (`alone`); else by summing. */
static void summarize(struct meter *m, bool alone)
{
    _Atomic uint64_t *summary = &m->t->row[m->entry / WAYS].summary[m->entry % WAYS];
    uint64_t running = (m->key + (uint64_t)m->bucket) << SUMMARY_BITS;
    uint64_t word = atomic_load(summary);
    for (;;) {
        uint64_t later = (word - running) >> SUMMARY_BITS;
        if (later >= LIVE_BUCKETS) {
            sum_up(m);
            uint64_t replaced = ((word >> REPLACED_BITS) + 1) << REPLACED_BITS & REPLACED_MASK;
            if (atomic_compare_exchange_strong(summary, &word,
                                               running | replaced | (uint64_t)m->sum))
                return;
        } else if (atomic_compare_exchange_strong(summary, &word, word + 1)) {
            m->sum = (int64_t)(word & SUMMARY_MASK) + 1;
            m->newest = SHARES;
            if (later > 0 || m->sum > m->limit || !alone)
                sum_up(m);
            return;
        }
    }
}

/* ---- counting ---- */

/* Adds one permit to the running bucket. False when the entry has changed hands, or is ahead: then m->bucket is
 * moved. The word is read before the owner is looked at: if another owner has written it since, the exchange
 * fails. */
static bool add(struct meter *m)
{
    uint64_t base = base_of(m, m->key);
    _Atomic uint64_t *slot = slot_of(m);
    for (;;) {
        uint64_t word = atomic_load(slot), next = word + 1;
        int64_t lead = entry_lead(m->t, m->entry, m->key, until_of(m));
        if (lead < 0)
            return false;
        if (lead > RING * m->width + LEAD_SLACK) {
            m->bucket += (lead - LEAD_SLACK) / m->width;
            return false;
        }
        uint64_t number = (word - base) >> COUNT_BITS;
        if (number > SHARES && number < LIVE_BUCKETS) {
            m->bucket += (int64_t)number - SHARES - AHEAD;
            return false;
        }
        if (number != SHARES)
            next = (base + SHARES * ONE_BUCKET) | 1;
        if (atomic_compare_exchange_weak(slot, &word, next))
            return true;
    }
}

/* Takes one permit back from a bucket, if it still is that bucket. */
static void take_back(_Atomic uint64_t *slot, uint64_t bucket)
{
    uint64_t word = atomic_load(slot);
    while (word >> COUNT_BITS == bucket >> COUNT_BITS && (word & COUNT_MASK) > 0 &&
           !atomic_compare_exchange_weak(slot, &word, word - 1))
        ;
}

static void undo(const struct meter *m)
{
    if (m->entry != NOWHERE)
        take_back(slot_of(m), base_of(m, m->key) + SHARES * ONE_BUCKET);
}

/* Finds where to count: NOWHERE if the table is full and more lengths are in use than a row has entries. */
static void place(struct meter *m, bool *made)
{
    m->entry = entry_hold(m->t, m->home, m->own, until_of(m), m->now, made);
    m->shares = m->entry == NOWHERE;
    m->key = m->shares ? key_shared(m) : m->own;
    if (m->shares) {
        m->entry = entry_hold_shared(m->t, m->key, until_of(m), m->now);
    } else if (*made) {
        uint64_t born = base_of(m, m->own) + (SHARES + AHEAD) * ONE_BUCKET;
        atomic_store(&m->t->row[m->entry / WAYS].born[m->entry % WAYS], born);
    }
}

/* Counts one permit and sums. Begins again where others were faster: the entry is another's now, the key has got one
 * of its own meanwhile, or the clock is too far behind what others have counted. */
static void count(struct meter *m)
{
    bool made = false;
    for (;;) {
        place(m, &made);
        if (m->entry == NOWHERE) {
            m->sum = m->limit + 1;
            return;
        }
        if (!add(m))
            continue;

        uint32_t owned = entries_owned(m->t, m->home, m->own);
        bool rightly = m->shares == (owned == 0);
        if (rightly) {
            bool several = (owned & (owned - 1)) != 0;
            bool newcomer = crowded(m) && (m->shares || shared_end(m, m->entry) > 0);
            summarize(m, !several && !newcomer);
            if (m->newest <= SHARES + AHEAD)
                return;
        }
        undo(m);
        if (rightly)
            m->bucket += (int64_t)m->newest - SHARES - AHEAD;
    }
}

/* ---- answers ---- */

/* Microseconds until no more than `keep` of the permits that count are left. */
static int64_t reset_of(const struct meter *m, int64_t keep)
{
    struct source sources[SOURCES_MAX];
    int64_t permits[LIVE_BUCKETS] = { 0 }, left = 0;
    int n = sources_of(m, sources);
    for (struct source *s = sources; s < sources + n; s++) {
        for (int i = 0; i < RING; i++) {
            uint64_t word = atomic_load(&s->ring[i]) - s->base;
            if (word < s->end) {
                permits[word >> COUNT_BITS] += (int64_t)(word & COUNT_MASK);
                left += (int64_t)(word & COUNT_MASK);
            }
        }
    }

    int gone = 0; /* buckets that must leave; the first one leaves when the next bucket begins */
    while (left > keep)
        left -= permits[gone++];
    return gone > 0 ? (m->bucket + gone) * m->width - m->now : 0;
}

/* Of a meter whose permit is counted, or would be. */
static void answer(const struct meter *m, bool admitted, struct spent *out)
{
    struct spent s = { .err = OK, .admitted = admitted, .limit = m->limit };
    if (!admitted) {
        s.reset = reset_of(m, m->limit - 1);
        if (s.reset <= 0)
            s.reset = m->width; /* what stood in the way was taken back meanwhile */
    } else {
        int64_t last = (int64_t)(m->newest > SHARES ? m->newest : SHARES);
        s.left = m->limit - m->sum;
        s.reset = m->entry == NOWHERE ? reset_of(m, 0) : (m->bucket + last + 1) * m->width - m->now;
    }
    spent_fold(out, &s);
}

void meter_spend(struct table *t, const struct window *want, int n, int64_t now, struct spent *out)
{
    must(n >= 0 && n <= WINDOWS_MAX);
    struct meter meters[WINDOWS_MAX];
    bool admitted = true;
    for (int i = 0; i < n; i++) {
        meters[i] = meter_of(t, &want[i], now);
        __builtin_prefetch(t->row[meters[i].home.row[0]].owner);
        __builtin_prefetch(t->row[meters[i].home.row[1]].owner);
    }
    for (int i = 0; i < n; i++) {
        count(&meters[i]);
        admitted = admitted && meters[i].sum <= meters[i].limit;
        if (meters[i].shares)
            metric_add(METRIC_LIMIT_TABLE_FULL, 0, 1);
    }
    for (int i = 0; !admitted && i < n; i++)
        undo(&meters[i]);

    *out = SPENT_NOTHING;
    for (int i = 0; i < n; i++) {
        if (admitted || meters[i].sum > meters[i].limit)
            answer(&meters[i], admitted, out);
    }
}

void meter_look(struct table *t, const struct window *want, int n, int64_t now, struct spent *out)
{
    must(n >= 0 && n <= WINDOWS_MAX);
    *out = SPENT_NOTHING;
    for (int i = 0; i < n; i++) {
        struct meter m = meter_of(t, &want[i], now);
        sum_up(&m);
        answer(&m, m.sum < m.limit, out);
    }
}

/* The oldest permit of an entry, if it is older than *bucket. */
static void find_oldest(const struct meter *m, uint32_t entry, uint64_t key,
                        _Atomic uint64_t **slot, uint64_t *bucket)
{
    uint64_t base = base_of(m, key);
    for (int i = 0; entry_owned(m->t, entry, key) && i < RING; i++) {
        _Atomic uint64_t *here = &entry_ring(m->t, entry)[i];
        uint64_t word = atomic_load(here);
        if (word - base < LIVE && (word & COUNT_MASK) > 0 &&
            (!*slot || word - base < *bucket - base)) {
            *slot = here;
            *bucket = word;
        }
    }
}

/* The oldest permit is given back, whichever it was: one that stays may leave too late then, never too early. */
void meter_return(struct table *t, const struct window *want, int n, int64_t now)
{
    for (struct window const *one = want; one < want + n; one++) {
        struct meter m = meter_of(t, one, now);
        _Atomic uint64_t *slot = NULL;
        uint64_t bucket = 0;
        for (int i = 0; i < CANDIDATES; i++)
            find_oldest(&m, entry_candidate(m.home, i), m.own, &slot, &bucket);
        for (int i = 0; !slot && i < WAYS; i++)
            find_oldest(&m, entry_shared(t, i), key_shared(&m), &slot, &bucket);
        if (slot)
            take_back(slot, bucket);
    }
}

/* What the key spent in a shared entry stays: it cannot be told from what others did. */
void meter_clear(struct table *t, const struct window *want, int64_t now)
{
    struct meter m = meter_of(t, want, now);
    for (int i = 0; i < CANDIDATES * RING; i++) {
        uint32_t entry = entry_candidate(m.home, i / RING);
        _Atomic uint64_t *slot = &entry_ring(t, entry)[i % RING];
        uint64_t word = atomic_load(slot);
        while (entry_owned(t, entry, m.own) && (word & COUNT_MASK) > 0 &&
               !atomic_compare_exchange_weak(slot, &word, word & ~COUNT_MASK))
            ;
    }
}
