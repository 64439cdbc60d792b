#include "gate/restraint.h"

#include "base/config.h"
#include "limits.h"

#include <stdatomic.h>
#include <stdlib.h>

#define WAYS 4
#define SETS (RESTRAINT_PLACES / WAYS)

/* One subject: until when each level is in force, wall microseconds. A place whose every level has ended is free. */
struct place {
    _Atomic int64_t until[RESTRAINT_LEVELS];
    _Atomic int64_t kept;
};

struct set {
    _Atomic uint64_t subject[WAYS];
    struct place at[WAYS];
};

struct table {
    _Atomic int64_t last; /* no restraint ends later: mostly there is none at all */
    struct set sets[SETS];
};

static struct table *table; /* NULL: a process without a segment */

size_t restraint_size(void)
{
    return sizeof(struct table);
}

void restraint_init(void *part)
{
    table = part;
}

/* ---- words ---- */

const char *restraint_kind_name(enum restraint_kind kind)
{
    static const char *const names[] = { "principal", "address" };
    return names[kind];
}

const char *restraint_level_name(enum restraint_level level)
{
    static const char *const names[] = { "recorded", "half", "tenth", "block" };
    return names[level];
}

bool restraint_level_find(struct str name, enum restraint_level *out)
{
    for (int level = RESTRAINT_RECORDED; level < RESTRAINT_LEVELS; level++) {
        if (str_eq(name, str_of(restraint_level_name((enum restraint_level)level)))) {
            *out = (enum restraint_level)level;
            return true;
        }
    }
    return false;
}

int64_t restraint_length(enum restraint_level level)
{
    static const int64_t lengths[] = { 0, HOUR, 30 * MINUTE, HOUR };
    return lengths[level];
}

int64_t restraint_limit(enum restraint_level level, int64_t limit)
{
    static const int64_t parts[] = { 1, 2, 10, 10 };
    limit /= parts[level];
    return limit < 1 ? 1 : limit;
}

/* ---- subjects ---- */

/* The last bytes of an id are random. Even, where addresses are odd. */
uint64_t restraint_user(const struct uuid *user)
{
    uint64_t key;
    memcpy(&key, user->b + sizeof(user->b) - sizeof(key), sizeof(key));
    key &= ~UINT64_C(1);
    return key ? key : 2;
}

uint64_t restraint_address(const struct in6_addr *address)
{
    return limits_subject(limits_address(LIMIT_ADDRESS, address));
}

void restraint_address_text(const struct in6_addr *address, char out[RESTRAINT_SUBJECT])
{
    struct in6_addr network = *address;
    bool v4 = IN6_IS_ADDR_V4MAPPED(address);
    if (!v4)
        memset(network.s6_addr + 8, 0, 8);
    network_format(&network, out);
    if (!v4)
        memcpy(out + strlen(out), "/64", sizeof("/64"));
}

bool restraint_subject_read(enum restraint_kind kind, struct str text, struct uuid *user,
                            struct in6_addr *address)
{
    struct str rest = text, host;
    if (kind == RESTRAINT_PRINCIPAL)
        return uuid_parse(text, user);
    str_cut(&rest, '/', &host);
    if (!network_address(host, address))
        return false;
    return !rest.p || (str_eq(rest, STR("64")) && !IN6_IS_ADDR_V4MAPPED(address));
}

void restraint_forgive(struct windows *ws, enum restraint_kind kind, const struct uuid *user,
                       const struct in6_addr *address)
{
    struct window w =
        kind == RESTRAINT_PRINCIPAL ? limits_of_user(user) : limits_of_address(address);
    window_clear(ws, &w, clock_mono());
}

/* ---- looking ---- */

static struct set *set_of(uint64_t subject)
{
    return &table->sets[(subject * UINT64_C(0x9e3779b97f4a7c15)) >> 32 & (SETS - 1)];
}

static struct place *find(uint64_t subject)
{
    struct set *s = set_of(subject);
    for (int way = 0; way < WAYS; way++)
        if (atomic_load_explicit(&s->subject[way], memory_order_acquire) == subject)
            return &s->at[way];
    return NULL;
}

struct held restraint_look(uint64_t subject, int64_t now)
{
    struct held none = { RESTRAINT_RECORDED, 0 };
    if (!table || atomic_load_explicit(&table->last, memory_order_acquire) <= now)
        return none;
    struct place *p = find(subject);
    for (int level = RESTRAINT_BLOCK; p && level > RESTRAINT_RECORDED; level--) {
        int64_t until = atomic_load_explicit(&p->until[level], memory_order_acquire);
        if (until > now)
            return (struct held){ (enum restraint_level)level, until };
    }
    return none;
}

/* ---- changing ---- */

/* When its last level ends. */
static int64_t end_of(struct place *p)
{
    int64_t end = INT64_MIN;
    for (int level = RESTRAINT_HALF; level < RESTRAINT_LEVELS; level++) {
        int64_t until = atomic_load(&p->until[level]);
        end = until > end ? until : end;
    }
    return end;
}

static void raise_to(_Atomic int64_t *word, int64_t value)
{
    int64_t old = atomic_load(word);
    while (old < value && !atomic_compare_exchange_weak(word, &old, value))
        ;
}

/* The subject's place, taken from who ends soonest if it has none. What another worker writes there for that one in
 * this moment stays until the next load. */
static struct place *take(uint64_t subject)
{
    struct set *s = set_of(subject);
    for (;;) {
        struct place *own = find(subject);
        int soonest = 0;
        if (own)
            return own;
        for (int way = 1; way < WAYS; way++)
            if (end_of(&s->at[way]) < end_of(&s->at[soonest]))
                soonest = way;
        uint64_t old = atomic_load(&s->subject[soonest]);
        struct place *p = &s->at[soonest];
        if (!atomic_compare_exchange_strong(&s->subject[soonest], &old, subject))
            continue;
        for (int level = RESTRAINT_HALF; level < RESTRAINT_LEVELS; level++)
            atomic_store(&p->until[level], 0);
        atomic_store(&p->kept, 0);
        return p;
    }
}

void restraint_put(uint64_t subject, enum restraint_level level, int64_t until, int64_t now,
                   int64_t kept)
{
    if (!table || level == RESTRAINT_RECORDED || until <= now)
        return;
    struct place *p = take(subject);
    raise_to(&p->kept, kept);
    raise_to(&p->until[level], until);
    raise_to(&table->last, until);
}

void restraint_drop(uint64_t subject, enum restraint_level level)
{
    struct place *p = table ? find(subject) : NULL;
    if (!p)
        return;
    atomic_store(&p->kept, 0);
    atomic_store(&p->until[level], 0);
}

/* ---- loading ---- */

static int by_subject(const void *a, const void *b)
{
    const struct restraint_row *x = a, *y = b;
    if (x->subject != y->subject)
        return (x->subject > y->subject) - (x->subject < y->subject);
    return (int)x->level - (int)y->level;
}

/* Of several for one subject and level the longest is left. Returns how many are. */
static int sorted(struct restraint_row *rows, int n)
{
    int kept = 0;
    qsort(rows, (size_t)n, sizeof(*rows), by_subject);
    for (int i = 0; i < n; i++) {
        if (kept == 0 || by_subject(&rows[kept - 1], &rows[i]) != 0)
            rows[kept++] = rows[i];
        else if (rows[i].until > rows[kept - 1].until)
            rows[kept - 1].until = rows[i].until;
    }
    return kept;
}

/* Ends what the rows do not say. */
static void cut(uint64_t subject, struct place *p, const struct restraint_row *rows, int n)
{
    for (int level = RESTRAINT_HALF; level < RESTRAINT_LEVELS; level++) {
        const struct restraint_row want = { .subject = subject,
                                            .level = (enum restraint_level)level };
        const struct restraint_row *row =
            bsearch(&want, rows, (size_t)n, sizeof(*rows), by_subject);
        atomic_store(&p->until[level], row ? row->until : 0);
    }
}

void restraint_load(struct restraint_row *rows, int n, int64_t now)
{
    if (!table)
        return;
    n = sorted(rows, n);
    for (struct set *s = table->sets; s < table->sets + SETS; s++) {
        for (int way = 0; way < WAYS; way++)
            if (end_of(&s->at[way]) > now && atomic_load(&s->at[way].kept) <= now)
                cut(atomic_load(&s->subject[way]), &s->at[way], rows, n);
    }
    for (int i = 0; i < n; i++)
        restraint_put(rows[i].subject, rows[i].level, rows[i].until, now, 0);
}
