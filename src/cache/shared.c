#include "shared_room.h"

#include "base/clock.h"
#include "base/config.h"
#include "base/metric.h"

#include <stdio.h>
#include <stdlib.h>

/* Cells of METRIC_CACHE_SHARED, of _STORES and of _BYTES within a type. */
enum looked { HIT, MISS, STALE, FAILED, LOOKED };
enum stored { STORED, REFUSED, LOST, STORES };
enum direction { READ, WRITTEN, DIRECTIONS };

/* Makes the counters that are absent; answers them all. The last is e:all, which stays; ARGV[1]: the others' life. */
static struct redis_script make_counters = {
    .text = "local t, r = redis.call('TIME'), {}\n"
            "local now = string.format('%.0f', t[1] * 1000000 + t[2])\n"
            "for i = 1, #KEYS do\n"
            "  r[i] = redis.call('GET', KEYS[i])\n"
            "  if not r[i] then\n"
            "    r[i] = now\n"
            "    redis.call('SET', KEYS[i], now)\n"
            "    if i < #KEYS then redis.call('PEXPIRE', KEYS[i], ARGV[1]) end\n"
            "  end\n"
            "end\n"
            "return r",
};

/* KEYS: the entry, its counters; ARGV: its bytes, its life, the values that the counters must have. */
static struct redis_script store_entry = {
    .text = "for i = 2, #KEYS do\n"
            "  if redis.call('GET', KEYS[i]) ~= ARGV[i + 1] then return 0 end\n"
            "end\n"
            "redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])\n"
            "return 1",
};

/* KEYS: run, e:all; ARGV: the run_id that Redis has now. */
static struct redis_script compare_run = {
    .text = "if redis.call('GET', KEYS[1]) == ARGV[1] and ARGV[1] ~= '' then return 0 end\n"
            "local t = redis.call('TIME')\n"
            "local now = t[1] * 1000000 + t[2]\n"
            "local old = tonumber(redis.call('GET', KEYS[2]) or 0)\n"
            "if now <= old then now = old + 1 end\n"
            "redis.call('SET', KEYS[2], string.format('%.0f', now))\n"
            "redis.call('SET', KEYS[1], ARGV[1])\n"
            "return 1",
};

/* ---- names ---- */

static char *append(char *p, struct str s)
{
    memcpy(p, s.p, s.n);
    return p + s.n;
}

struct str shared_counter(const struct shared *s, uint32_t slot, char *out)
{
    char *p = append(append(out, redis_prefix(s->redis)), STR("e:"));
    char digits[10];
    int n = 0;
    if (slot == SLOT_ALL) {
        p = append(p, STR("all"));
    } else {
        do {
            digits[n++] = (char)('0' + slot % 10);
            slot /= 10;
        } while (slot);
        while (n > 0)
            *p++ = digits[--n];
    }
    return (struct str){ out, (size_t)(p - out) };
}

static struct str entry_name(const struct shared *s, enum cache_type type, struct str key,
                             char *out)
{
    char *p = append(append(out, redis_prefix(s->redis)), STR("f:"));
    p = append(append(p, s->layout), STR(":"));
    p = append(append(p, str_of(cache_type_name(type))), STR(":"));
    p = append(p, key);
    return (struct str){ out, (size_t)(p - out) };
}

/* The names of the counters, from argv[0] on. */
static void counter_names(const struct shared *s, const struct counters *of, struct str *argv,
                          char names[][NAME_SIZE])
{
    for (int i = 0; i < of->n; i++)
        argv[i] = shared_counter(s, of->at[i].slot, names[i]);
}

static const uint64_t *counter_find(const struct counters *in, uint32_t slot)
{
    for (int i = 0; i < in->n; i++)
        if (in->at[i].slot == slot)
            return &in->at[i].value;
    return NULL;
}

/* 0: absent, or not a counter. */
static uint64_t counter_read(const struct redis_value *v)
{
    int64_t value = 0;
    if (v->type != REDIS_TEXT || !str_int(v->text, 1, INT64_MAX, &value))
        return 0;
    return (uint64_t)value;
}

/* ---- whether Redis is believed ---- */

static void compared(struct wait *w)
{
    struct shared *s = LIST_OF(w, struct shared, wait);
    if (s->reply.err == OK)
        s->believed = s->compared;
    s->comparing = false;
    redis_reply_fini(&s->reply);
}

static void compare(struct shared *s)
{
    char names[2][NAME_SIZE];
    char *p = append(append(names[0], redis_prefix(s->redis)), STR("run"));
    const struct str argv[] = {
        { names[0], (size_t)(p - names[0]) },
        shared_counter(s, SLOT_ALL, names[1]),
        redis_run_id(s->redis),
    };
    s->comparing = true;
    s->compared = redis_connects(s->redis);
    redis_run(s->redis, &compare_run, 2, 3, argv, &s->reply, &s->wait);
}

bool shared_usable(struct shared *s, const struct epochs *under)
{
    if (!redis_up(s->redis) || epochs_doubtful(under))
        return false;
    if (s->believed == redis_connects(s->redis))
        return true;
    if (!s->comparing)
        compare(s);
    return false;
}

/* ---- looking ---- */

static void look_end(struct shared_look *look, enum looked outcome)
{
    struct redis_reply entry = look->entry; /* the look may be gone after looked() */
    unsigned type = (unsigned)look->type;
    if (entry.n > 0 && entry.at[0].type == REDIS_TEXT)
        metric_add(METRIC_CACHE_SHARED_BYTES, type * DIRECTIONS + READ, entry.at[0].text.n);
    metric_add(METRIC_CACHE_SHARED, type * LOOKED + outcome, 1);
    look->entry = (struct redis_reply){ 0 };
    redis_reply_fini(&look->reply);
    look->hit = outcome == HIT;
    look->looked(look);
    redis_reply_fini(&entry);
}

/* Takes the values of all counters in `of`, as they begin at reply->at[from]; false: one is absent. */
static bool take_counters(struct counters *of, const struct redis_reply *reply, int from)
{
    bool all = reply->err == OK && reply->n == from + of->n;
    for (int i = 0; i < of->n; i++) {
        of->at[i].value = all ? counter_read(&reply->at[from + i]) : 0;
        all = all && of->at[i].value != 0;
    }
    return all;
}

static void made(struct wait *w)
{
    struct shared_look *look = LIST_OF(w, struct shared_look, wait);
    look->known = take_counters(&look->under, &look->reply, 0);
    look_end(look, look->reply.err == OK ? MISS : FAILED);
}

/* From here on they are there for those who look next. */
static void make(struct shared_look *look)
{
    char names[COUNTERS_MAX][NAME_SIZE];
    struct str argv[COUNTERS_MAX + 1];
    int n = look->under.n;
    counter_names(look->shared, &look->under, argv, names);
    argv[n] = STR(COUNTER_LIVES);
    wait_init(&look->wait, made);
    redis_run(look->shared->redis, &make_counters, n, n + 1, argv, &look->reply, &look->wait);
}

/* An entry must stand on all that was asked for, and on it as it is now. What else it stands on is gathered. */
static bool agrees(struct shared_look *look, const struct shared_entry *e)
{
    int found = 0;
    look->more.n = 0;
    for (int i = 0; i < e->under.n; i++) {
        const uint64_t *now = counter_find(&look->under, e->under.at[i].slot);
        if (now && *now != e->under.at[i].value)
            return false;
        if (now)
            found++;
        else
            look->more.at[look->more.n++] = e->under.at[i];
    }
    return found == look->under.n;
}

static void hit(struct shared_look *look, const struct shared_entry *e)
{
    look->value = e->value;
    look->left = e->dies - clock_wall();
    look->asked_for_all = look->more.n == 0;
    look_end(look, HIT);
}

static void looked_more(struct wait *w)
{
    struct shared_look *look = LIST_OF(w, struct shared_look, wait);
    const struct counters stood = look->more;
    struct shared_entry e;
    bool fresh = take_counters(&look->more, &look->reply, 0);
    for (int i = 0; i < stood.n; i++)
        fresh = fresh && look->more.at[i].value == stood.at[i].value;
    if (fresh && entry_read(look->entry.at[0].text, &e))
        hit(look, &e);
    else
        look_end(look, look->reply.err == OK ? STALE : FAILED);
}

static void look_more(struct shared_look *look)
{
    char names[COUNTERS_MAX][NAME_SIZE];
    struct str argv[COUNTERS_MAX + 1] = { STR("MGET") };
    counter_names(look->shared, &look->more, argv + 1, names);
    wait_init(&look->wait, looked_more);
    redis_ask(look->shared->redis, look->more.n + 1, argv, &look->reply, &look->wait);
}

static void looked_first(struct wait *w)
{
    struct shared_look *look = LIST_OF(w, struct shared_look, wait);
    struct shared_entry e;
    if (look->entry.err != OK || look->entry.n != look->under.n + 1) {
        look_end(look, FAILED);
        return;
    }
    look->known = take_counters(&look->under, &look->entry, 1);
    bool there = look->entry.at[0].type == REDIS_TEXT;
    if (!look->known)
        make(look);
    else if (!there)
        look_end(look, MISS);
    else if (!entry_read(look->entry.at[0].text, &e) || !agrees(look, &e) || e.dies <= clock_wall())
        look_end(look, STALE);
    else if (look->more.n > 0)
        look_more(look);
    else
        hit(look, &e);
}

void shared_look(struct shared *s, struct shared_look *look, enum cache_type type, struct str key,
                 const struct epochs *under, void (*looked)(struct shared_look *look))
{
    char name[NAME_SIZE], names[COUNTERS_MAX][NAME_SIZE];
    struct str argv[COUNTERS_MAX + 2] = { STR("MGET"), entry_name(s, type, key, name) };
    *look = (struct shared_look){ .looked = looked, .type = type, .key = key, .shared = s };
    for (uint32_t i = 0; i < under->n; i++)
        look->under.at[look->under.n++].slot = under->at[i].slot;
    look->under.at[look->under.n++].slot = SLOT_ALL;

    counter_names(s, &look->under, argv + 2, names);
    wait_init(&look->wait, looked_first);
    redis_ask(s->redis, look->under.n + 2, argv, &look->entry, &look->wait);
}

/* ---- storing ---- */

static void stored(struct wait *w)
{
    struct storing *one = LIST_OF(w, struct storing, wait);
    struct shared *s = one->shared;
    bool done = one->reply.err == OK && one->reply.n == 1;
    enum stored outcome = !done ? LOST : one->reply.at[0].i == 1 ? STORED : REFUSED;
    metric_add(METRIC_CACHE_SHARED_STORES, (unsigned)one->type * STORES + outcome, 1);
    redis_reply_fini(&one->reply);
    one->next = s->unused;
    s->unused = one;
}

static struct storing *storing_take(struct shared *s)
{
    struct storing *one = s->unused;
    if (one)
        s->unused = one->next;
    else if (!(one = calloc(1, sizeof(*one))))
        return NULL;
    one->shared = s;
    wait_init(&one->wait, stored);
    return one;
}

static bool covers(const struct counters *have, const struct epochs *want)
{
    for (uint32_t i = 0; i < want->n; i++)
        if (!counter_find(have, want->at[i].slot))
            return false;
    return true;
}

void shared_store(struct shared *s, const struct shared_look *look, const struct epochs *under,
                  struct str value, int64_t lives)
{
    if (!look->known || !covers(&look->under, under) || !shared_usable(s, under))
        return;
    if (config.redis_ttl > 0 && lives > config.redis_ttl * SECOND)
        lives = config.redis_ttl * SECOND;
    const struct shared_entry e = { look->under, clock_wall() + lives, value };
    struct str bytes = entry_write(&e);
    struct storing *one = bytes.p ? storing_take(s) : NULL;
    if (!one)
        return;

    char name[NAME_SIZE], names[COUNTERS_MAX][NAME_SIZE], numbers[COUNTERS_MAX + 1][24];
    struct str argv[2 * COUNTERS_MAX + 3];
    int n = look->under.n, at = 0;
    argv[at++] = entry_name(s, look->type, look->key, name);
    counter_names(s, &look->under, argv + at, names);
    at += n;
    argv[at++] = bytes;
    for (int i = 0; i <= n; i++) {
        int64_t number = i == 0 ? lives / 1000 : (int64_t)look->under.at[i - 1].value;
        int size = snprintf(numbers[i], sizeof(numbers[i]), "%lld", (long long)number);
        argv[at++] = (struct str){ numbers[i], (size_t)size };
    }
    one->type = look->type;
    metric_add(METRIC_CACHE_SHARED_BYTES, (unsigned)look->type * DIRECTIONS + WRITTEN, bytes.n);
    redis_run(s->redis, &store_entry, n + 1, at, argv, &one->reply, &one->wait);
}

/* ---- life ---- */

struct shared *shared_new(struct redis *redis, const char *layout)
{
    struct shared *s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    s->redis = redis;
    s->layout = str_of(layout ? layout : "");
    must(s->layout.n <= CACHE_LAYOUT_MAX);
    wait_init(&s->wait, compared);
    bumps_init(s);
    return s;
}

void shared_free(struct shared *s)
{
    if (!s)
        return;
    bumps_fini(s);
    while (s->unused) {
        struct storing *one = s->unused;
        s->unused = one->next;
        free(one);
    }
    free(s);
}
