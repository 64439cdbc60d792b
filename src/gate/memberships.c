#include "memberships.h"

#include <stdlib.h>

#define ENTRY 65 /* characters of one: the team, its owner, the role's first letter */
#define EACH 2   /* memberships that it makes: in the team, and in a team of that owner */

/* By the first letters of viewer, contributor, editor, admin and owner. */
static const struct {
    char letter;
    enum access reach;
} roles[] = {
    { 'v', ACCESS_READ }, { 'c', ACCESS_CREATE }, { 'e', ACCESS_WRITE },
    { 'a', ACCESS_SHARE }, { 'o', ACCESS_ADMIN },
};

static enum access letter_reach(char letter)
{
    for (int i = 0; i < COUNT(roles); i++)
        if (roles[i].letter == letter)
            return roles[i].reach;
    return ACCESS_NONE;
}

static bool digit(char c, uint8_t *out)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = memchr(digits, c, strlen(digits));
    if (at)
        *out = (uint8_t)(at - digits);
    return at;
}

bool hex_uuid(struct str *text, struct uuid *out)
{
    if (text->n < 32)
        return false;
    for (int i = 0; i < 16; i++) {
        uint8_t high, low;
        if (!digit(text->p[2 * i], &high) || !digit(text->p[2 * i + 1], &low))
            return false;
        out->b[i] = (uint8_t)(high << 4 | low);
    }
    *text = (struct str){ text->p + 32, text->n - 32 };
    return true;
}

static int by_id_and_reach(const void *a, const void *b)
{
    const struct membership *x = a, *y = b;
    int order = memcmp(x->of.b, y->of.b, sizeof(x->of.b));
    return order ? order : (int)x->reach - (int)y->reach;
}

/* Of those with one id the furthest stays, which is the last. */
static uint32_t merge(struct membership *m, uint32_t n)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < n; i++)
        if (i + 1 == n || !uuid_eq(&m[i].of, &m[i + 1].of))
            m[kept++] = m[i];
    return kept;
}

enum err memberships_read(struct arena *a, struct str text, struct principal *who)
{
    uint32_t n = 0;
    who->nmemberships = 0;
    who->memberships = NULL;
    if (text.n == 0)
        return OK;
    if (text.n % ENTRY != 0)
        return ERR_INTERNAL;
    struct membership *m = ARENA_ARRAY(a, struct membership, text.n / ENTRY * EACH);
    if (!m)
        return ERR_NO_MEMORY;

    while (text.n) {
        struct membership *team = &m[n++], *owner = &m[n++];
        if (!hex_uuid(&text, &team->of) || !hex_uuid(&text, &owner->of))
            return ERR_INTERNAL;
        team->reach = owner->reach = letter_reach(text.p[0]);
        text = (struct str){ text.p + 1, text.n - 1 };
    }
    qsort(m, n, sizeof(*m), by_id_and_reach);
    who->memberships = m;
    who->nmemberships = merge(m, n);
    return OK;
}

enum access principal_team_access(const struct principal *who, const struct uuid *of)
{
    uint32_t low = 0, high = who->nmemberships;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        int order = memcmp(who->memberships[middle].of.b, of->b, sizeof(of->b));
        if (order < 0)
            low = middle + 1;
        else if (order > 0)
            high = middle;
        else
            return who->memberships[middle].reach;
    }
    return ACCESS_NONE;
}
