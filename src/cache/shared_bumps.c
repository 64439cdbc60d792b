/* cache/shared_bumps.c: what has moved is told to Redis until it confirms. An epoch of this node is doubted for
 * EPOCH_DOUBT after each bump of it; while a bump stays untold for longer than it should, everything is.
 */
#include "shared_room.h"

#include "base/clock.h"

#include <stdlib.h>

#define UNTOLD_MAX 1024
#define WHAT_MAX 4096  /* bytes of one bump that is kept */
#define SLOTS_MAX 32   /* that one bump moves; with more, everything moves */
#define RETRY (250 * 1000)
#define LATE (500 * 1000) /* that a bump has not been told for */
#define NUMBER_SIZE 8

struct bump {
    struct list node;
    struct shared *shared;
    struct wait wait;
    struct redis_reply reply;
    bool asked;
    int64_t since;
    size_t n;
    char message[]; /* the number, big-endian, then what has moved */
};

/* KEYS: counters, which move; ARGV: their life (0: they stay), and a channel and what is published there, or no
 * more. */
static struct redis_script move_counters = {
    .text = "local t = redis.call('TIME')\n"
            "local now = t[1] * 1000000 + t[2]\n"
            "for i = 1, #KEYS do\n"
            "  local old = tonumber(redis.call('GET', KEYS[i]) or 0)\n"
            "  local new = now > old and now or old + 1\n"
            "  redis.call('SET', KEYS[i], string.format('%.0f', new))\n"
            "  if ARGV[1] ~= '0' then redis.call('PEXPIRE', KEYS[i], ARGV[1]) end\n"
            "end\n"
            "if ARGV[2] then redis.call('PUBLISH', ARGV[2], ARGV[3]) end\n"
            "return 1",
};

static void retry_soon(struct shared *s)
{
    if (s->retrying)
        return;
    s->retrying = true;
    deadline_set(&s->retry, clock_mono() + RETRY);
}

void bumps_all(struct shared *s, struct redis_reply *out, struct wait *w)
{
    char name[NAME_SIZE];
    const struct str argv[] = { shared_counter(s, SLOT_ALL, name), STR("0") };
    redis_run(s->redis, &move_counters, 1, 2, argv, out, w);
}

/* ---- one bump ---- */

/* The counters of all that has moved; of everything, if that is much or cannot be read. */
static int slots_of(const struct bump *b, uint32_t slots[SLOTS_MAX])
{
    struct str what = { b->message + NUMBER_SIZE, b->n - NUMBER_SIZE };
    int n = 0;
    while (n < SLOTS_MAX && epoch_what_next(&what, &slots[n]))
        n++;
    if (what.n == 0)
        return n;
    slots[0] = SLOT_ALL;
    return 1;
}

static void tell(struct bump *b)
{
    struct shared *s = b->shared;
    char names[SLOTS_MAX][NAME_SIZE], channel[NAME_SIZE];
    uint32_t slots[SLOTS_MAX] = { 0 };
    struct str argv[SLOTS_MAX + 3], prefix = redis_prefix(s->redis);
    int n = slots_of(b, slots), at = 0;
    for (; at < n; at++)
        argv[at] = shared_counter(s, slots[at], names[at]);

    memcpy(channel, prefix.p, prefix.n);
    memcpy(channel + prefix.n, "bumps", 5);
    argv[at++] = slots[0] == SLOT_ALL ? STR("0") : STR(COUNTER_LIVES);
    argv[at++] = (struct str){ channel, prefix.n + 5 };
    argv[at++] = (struct str){ b->message, b->n };
    b->asked = true;
    redis_run(s->redis, &move_counters, n, at, argv, &b->reply, &b->wait);
}

static void told(struct wait *w)
{
    struct bump *b = LIST_OF(w, struct bump, wait);
    enum err err = b->reply.err;
    redis_reply_fini(&b->reply);
    b->asked = false;
    if (err != OK) {
        retry_soon(b->shared);
        return;
    }
    b->shared->nuntold--;
    list_remove(&b->node);
    free(b);
}

static void overflow(struct shared *s)
{
    s->all_untold = true;
    epoch_doubt_all(clock_mono() + EPOCH_DOUBT);
    retry_soon(s);
}

void shared_moved(struct shared *s, struct str what, int64_t number)
{
    bool kept = s->nuntold < UNTOLD_MAX && what.n <= WHAT_MAX;
    struct bump *b = kept ? malloc(sizeof(*b) + NUMBER_SIZE + what.n) : NULL;
    if (!b) {
        overflow(s);
        return;
    }
    *b = (struct bump){ .shared = s, .since = clock_mono(), .n = NUMBER_SIZE + what.n };
    for (int i = 0; i < NUMBER_SIZE; i++)
        b->message[i] = (char)((uint64_t)number >> (8 * (NUMBER_SIZE - 1 - i)));
    if (what.n > 0)
        memcpy(b->message + NUMBER_SIZE, what.p, what.n);
    wait_init(&b->wait, told);
    list_push(&s->untold, &b->node);
    s->nuntold++;
    retry_soon(s);
    if (redis_up(s->redis))
        tell(b);
}

int shared_untold(const struct shared *s)
{
    return s->nuntold + s->all_untold + s->telling_all;
}

/* ---- again ---- */

static void told_all(struct wait *w)
{
    struct shared *s = LIST_OF(w, struct shared, all_wait);
    s->telling_all = false;
    if (s->all_reply.err != OK)
        s->all_untold = true;
    redis_reply_fini(&s->all_reply);
}

static void tell_all(struct shared *s)
{
    s->all_untold = false; /* what overflows from now on is another matter */
    s->telling_all = true;
    bumps_all(s, &s->all_reply, &s->all_wait);
}

static bool late(const struct shared *s)
{
    if (s->all_untold || s->telling_all)
        return true;
    const struct bump *oldest = LIST_OF(s->untold.next, struct bump, node);
    return !list_empty(&s->untold) && clock_mono() - oldest->since > LATE;
}

static void retry(struct deadline *d)
{
    struct shared *s = LIST_OF(d, struct shared, retry);
    s->retrying = false;
    if (shared_untold(s) == 0)
        return;
    if (late(s))
        epoch_doubt_all(clock_mono() + EPOCH_DOUBT);
    for (struct list *node = s->untold.next; node != &s->untold; node = node->next) {
        struct bump *b = LIST_OF(node, struct bump, node);
        if (!b->asked && redis_up(s->redis))
            tell(b);
    }
    if (s->all_untold && !s->telling_all && redis_up(s->redis))
        tell_all(s);
    retry_soon(s);
}

/* ---- everything ---- */

struct forgetting {
    struct wait wait;
    struct redis_reply reply;
    enum err *err;
    struct wait *asker;
};

static void forgotten(struct wait *w)
{
    struct forgetting *f = LIST_OF(w, struct forgetting, wait);
    *f->err = f->reply.err;
    redis_reply_fini(&f->reply);
    wait_done(f->asker);
    free(f);
}

void shared_forget(struct shared *s, enum err *err, struct wait *w)
{
    struct forgetting *f = calloc(1, sizeof(*f));
    wait_open(w);
    if (!f) {
        *err = ERR_NO_MEMORY;
        wait_done(w);
        return;
    }
    f->err = err;
    f->asker = w;
    wait_init(&f->wait, forgotten);
    bumps_all(s, &f->reply, &f->wait);
}

/* ---- life ---- */

void bumps_init(struct shared *s)
{
    list_init(&s->untold);
    wait_init(&s->all_wait, told_all);
    deadline_init(&s->retry, retry);
}

void bumps_fini(struct shared *s)
{
    struct list *node;
    deadline_clear(&s->retry);
    while ((node = list_take(&s->untold)))
        free(LIST_OF(node, struct bump, node));
}
