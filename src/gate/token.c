#include "token.h"

#include "base/hash.h"

#include <stdlib.h>

#define SETS 4096u
#define WAYS 4
#define KEPT_MAX 512 /* bytes of a token that is kept; ours have about 300 */
#define ROLE_MAX 32
#define HASHED 16    /* characters, the last ones */

/* Zeroed is empty. */
struct entry {
    uint64_t age; /* of the table when it was kept; another one now: void */
    struct claims claims;
    size_t token_n;
    char role[ROLE_MAX];
    char token[KEPT_MAX];
};

/* The hashes lie together, so that a look costs one line of memory before the entry's own. */
struct set {
    uint64_t hash[WAYS];
    struct entry at[WAYS];
};

struct tokens {
    uint64_t age;
    struct set sets[SETS];
};

struct tokens *tokens_new(void)
{
    return calloc(1, sizeof(struct tokens)); /* its pages arrive as tokens do */
}

void tokens_free(struct tokens *t)
{
    if (!t)
        return;
    for (unsigned i = 0; i < SETS; i++)
        for (unsigned way = 0; way < WAYS; way++)
            if (t->sets[i].at[way].token_n)
                explicit_bzero(&t->sets[i].at[way], sizeof(struct entry));
    free(t);
}

/* Of 96 bits of the MAC, at its end: as random as the whole, and only verified tokens are kept. */
static uint64_t hash_of(struct str token)
{
    size_t n = token.n < HASHED ? token.n : HASHED;
    return hash_bytes(token.p + token.n - n, n);
}

static bool same(const struct entry *e, struct str token)
{
    return str_same_secret((struct str){ e->token, e->token_n }, token);
}

bool tokens_find(const struct tokens *t, struct str token, int64_t now, struct claims *out)
{
    uint64_t hash = hash_of(token);
    const struct set *set = &t->sets[hash % SETS];

    for (unsigned way = 0; way < WAYS; way++) {
        const struct entry *e = &set->at[way];
        if (set->hash[way] != hash || e->age != t->age || e->claims.exp <= now || !same(e, token))
            continue;
        *out = e->claims;
        return true;
    }
    return false;
}

/* What is void ends before all else. */
static int64_t end_of(const struct tokens *t, const struct entry *e)
{
    return e->age == t->age ? e->claims.exp : INT64_MIN;
}

/* The place to be used: that of the same token, else the one that ends first. */
static struct entry *place_for(const struct tokens *t, struct set *set, uint64_t hash)
{
    struct entry *first = set->at;
    for (unsigned way = 0; way < WAYS; way++) {
        if (set->hash[way] == hash)
            return &set->at[way];
        if (end_of(t, &set->at[way]) < end_of(t, first))
            first = &set->at[way];
    }
    return first;
}

void tokens_keep(struct tokens *t, struct str token, const struct claims *claims)
{
    if (token.n > KEPT_MAX || claims->role.n > ROLE_MAX)
        return;
    uint64_t hash = hash_of(token);
    struct set *set = &t->sets[hash % SETS];
    struct entry *e = place_for(t, set, hash);

    set->hash[e - set->at] = hash;
    *e = (struct entry){ .age = t->age, .claims = *claims, .token_n = token.n };
    memcpy(e->role, claims->role.p, claims->role.n);
    e->claims.role.p = e->role;
    memcpy(e->token, token.p, token.n);
}

void tokens_forget(struct tokens *t)
{
    t->age++;
}
