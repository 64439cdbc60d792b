#include "usage.h"

#include "base/clock.h"
#include "base/hash.h"
#include "gen/stmt.h"

#define SETS 1024u
#define WAYS 4

struct use {
    struct uuid key;
    int64_t at; /* 0: free */
};

static struct {
    struct use noted[SETS][WAYS]; /* what was written, or is about to be */
    struct use pending[CHANGE_MAX];
    int npending;

    /* the write under way */
    struct store *store;
    struct arena arena;
    struct change change;
    struct rows rows;
    struct wait wait;
} usage;

static void write_pending(void);

static void written(struct wait *w)
{
    (void)w;
    arena_reset(&usage.arena);
    if (usage.npending > 0)
        write_pending();
}

static void write_pending(void)
{
    change_init(&usage.change, &usage.arena);
    for (int i = 0; i < usage.npending; i++)
        add_api_key_used(&usage.change, &usage.pending[i].key, usage.pending[i].at);
    usage.npending = 0;
    wait_init(&usage.wait, written);
    store_commit(usage.store, &usage.change, &usage.rows, &usage.wait);
}

/* The place of the key in its set, or the one that was noted longest ago. */
static struct use *place_of(const struct uuid *key)
{
    struct use *set = usage.noted[hash_bytes(key->b, sizeof(key->b)) % SETS], *oldest = set;
    for (int way = 0; way < WAYS; way++) {
        if (uuid_eq(&set[way].key, key))
            return &set[way];
        if (set[way].at < oldest->at)
            oldest = &set[way];
    }
    return oldest;
}

void usage_note(struct store *s, const struct uuid *key, int64_t now)
{
    struct use *noted = place_of(key);
    if (uuid_eq(&noted->key, key) && now - noted->at < MINUTE)
        return;
    if (usage.npending == CHANGE_MAX)
        return;
    *noted = (struct use){ *key, now };
    usage.pending[usage.npending++] = *noted;
    usage.store = s;
    if (!usage.wait.open)
        write_pending();
}
