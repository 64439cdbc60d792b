#include "base/breaker.h"

#include <string.h>

bool breaker_allows(struct breaker *b, int64_t now)
{
    if (!b->open)
        return true;
    if (now < b->probe_at)
        return false;
    b->probe_at = now + BREAKER_PROBE;
    return true;
}

/* Puts the answer in the place of the oldest. */
static void remember(struct breaker *b, bool ok)
{
    uint64_t *word = &b->outcome[b->next / 64];
    uint64_t bit = UINT64_C(1) << (b->next % 64);
    if (b->answers == BREAKER_WINDOW)
        b->failed -= (*word & bit) != 0;
    else
        b->answers++;
    *word = ok ? *word & ~bit : *word | bit;
    b->failed += !ok;
    b->next = (b->next + 1) % BREAKER_WINDOW;
}

bool breaker_note(struct breaker *b, bool ok, int64_t now)
{
    bool was = b->open;
    if (was) {
        if (ok)
            memset(b, 0, sizeof(*b)); /* what failed before says nothing about now */
        return ok;
    }
    b->consecutive = ok ? 0 : b->consecutive + 1;
    remember(b, ok);
    bool half = b->answers == BREAKER_WINDOW && b->failed * 2 >= BREAKER_WINDOW;
    if (b->consecutive >= BREAKER_CONSECUTIVE || half) {
        b->open = true;
        b->probe_at = now + BREAKER_PROBE;
    }
    return b->open;
}
