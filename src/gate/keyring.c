#include "gate/keyring.h"

#include "base/clock.h"
#include "base/epoch.h"
#include "base/metric.h"
#include "crypto/hash.h"
#include "gen/stmt.h"
#include "token.h"

#include <stdlib.h>

enum { REMEMBERED, VERIFIED, REFUSED }; /* cells of METRIC_AUTH_TOKENS */

struct asker {
    struct asker *next;
    enum err *err;
    struct wait *wait;
};

struct keyring {
    struct store *store;
    uint8_t seal[SHA256_SIZE], urls[SHA256_SIZE];
    struct chain_keys chain;
    struct keys keys;
    bool loaded;
    struct epochs under; /* what the keys were read under */
    struct tokens *tokens;

    /* the load under way; one for all who ask meanwhile */
    struct asker *askers; /* NULL: none is under way */
    bool making; /* the first key is being committed */
    bool made;
    struct epochs reading;
    struct arena arena;
    struct change change;
    struct rows rows;
    struct wait wait;
};

static wait_fn woken;

struct keyring *keyring_new(struct store *store, struct str secret)
{
    struct keyring *k = calloc(1, sizeof(*k));
    if (!k)
        return NULL;
    k->tokens = tokens_new();
    if (!k->tokens) {
        free(k);
        return NULL;
    }
    k->store = store;
    derive_key(secret, "signing keys", k->seal);
    derive_key(secret, "signed urls", k->urls);
    chain_keys(secret, &k->chain);
    wait_init(&k->wait, woken);
    return k;
}

void keyring_free(struct keyring *k)
{
    if (!k)
        return;
    tokens_free(k->tokens);
    explicit_bzero(k, sizeof(*k));
    free(k);
}

/* ---- reading the keys ---- */

static void finish(struct keyring *k, enum err err)
{
    rows_fini(&k->rows);
    for (const struct asker *a = k->askers; a; a = a->next) {
        *a->err = err;
        wait_done(a->wait);
    }
    k->askers = NULL;
    arena_reset(&k->arena);
}

static void begin(struct keyring *k)
{
    k->reading = (struct epochs){ 0 };
    epochs_add(&k->reading, EPOCH_KEYS, NULL, 0);
    ask_key_list(k->store, &k->arena, &k->rows, &k->wait);
}

/* The rows as keys, without those that have ended. Of too many the newest count: the others verify the fewest
 * tokens. */
static enum err open_all(struct keyring *k, struct keys *keys)
{
    int64_t now = clock_wall();
    while (rows_next(&k->rows)) {
        int64_t until = rows_int(&k->rows, COL_KEY_LIST_UNTIL_AT);
        if (until != 0 && until <= now)
            continue;
        if (keys->n == KEYS_MAX) {
            memmove(&keys->at[0], &keys->at[1], sizeof(keys->at[0]) * (KEYS_MAX - 1));
            keys->n--;
        }
        struct key *key = &keys->at[keys->n];
        TRY(key_open(&k->arena, k->seal, rows_uuid(&k->rows, COL_KEY_LIST_ID),
                     rows_text(&k->rows, COL_KEY_LIST_SEALED), key));
        key->from = rows_int(&k->rows, COL_KEY_LIST_FROM_AT);
        key->until = until;
        keys->n++;
    }
    return OK;
}

static void take(struct keyring *k)
{
    struct keys keys = { 0 };
    enum err err = open_all(k, &keys);
    if (err == OK) {
        k->keys = keys;
        k->under = k->reading;
        k->loaded = true;
        tokens_forget(k->tokens);
    }
    explicit_bzero(&keys, sizeof(keys));
    finish(k, err == ERR_BAD_TOKEN ? ERR_INVALID : err);
}

/* Of workers that start together one makes it. It signs since a minute ago: requests that are under way have an
 * earlier time. */
static void make_first(struct keyring *k)
{
    struct uuid id = uuid_new(clock_wall());
    struct key key;
    struct str sealed;
    enum err err = key_make(&k->arena, k->seal, id, &key, &sealed);
    explicit_bzero(&key, sizeof(key));
    if (err != OK) {
        finish(k, err);
        return;
    }
    k->making = true;
    change_init(&k->change, &k->arena);
    add_key_lock(&k->change);
    add_key_add_first(&k->change, &id, sealed, clock_wall() - MINUTE, clock_wall());
    store_commit(k->store, &k->change, &k->rows, &k->wait);
}

static void listed(struct keyring *k)
{
    if (k->rows.err != OK)
        finish(k, k->rows.err);
    else if (k->rows.count > 0)
        take(k);
    else if (!k->made)
        make_first(k);
    else
        finish(k, ERR_INTERNAL); /* what was committed is not there */
}

static void first_made(struct keyring *k)
{
    enum err err = k->rows.err;
    k->making = false;
    if (err != OK) {
        finish(k, err);
        return;
    }
    k->made = true;
    begin(k);
}

static void woken(struct wait *w)
{
    struct keyring *k = LIST_OF(w, struct keyring, wait);
    if (k->making)
        first_made(k);
    else
        listed(k);
}

void keyring_load(struct keyring *k, enum err *err, struct wait *w)
{
    struct asker *asker = arena_alloc(&k->arena, sizeof(*asker));
    bool first = !k->askers;
    wait_open(w);
    if (!asker) {
        *err = ERR_NO_MEMORY;
        wait_done(w);
        return;
    }
    *asker = (struct asker){ k->askers, err, w };
    k->askers = asker;
    if (first)
        begin(k);
}

/* ---- using them ---- */

bool keyring_stale(const struct keyring *k)
{
    return !k->loaded || !epochs_fresh(&k->under);
}

bool keyring_moved(const struct keyring *k)
{
    return !k->loaded || epochs_moved(&k->under);
}

const struct keys *keyring_keys(const struct keyring *k)
{
    return &k->keys;
}

const uint8_t *keyring_seal(const struct keyring *k)
{
    return k->seal;
}

const struct chain_keys *keyring_chain(const struct keyring *k)
{
    return &k->chain;
}

enum err keyring_verify(struct keyring *k, struct arena *a, struct str token, int64_t now,
                        struct claims *out)
{
    if (tokens_find(k->tokens, token, now, out)) {
        metric_add(METRIC_AUTH_TOKENS, REMEMBERED, 1);
        return OK;
    }
    enum err err = jwt_verify(a, &k->keys, token, now, out);
    metric_add(METRIC_AUTH_TOKENS, err == OK ? VERIFIED : REFUSED, 1);
    if (err == OK)
        tokens_keep(k->tokens, token, out);
    return err;
}

const uint8_t *keyring_urls(const struct keyring *k)
{
    return k->urls;
}
