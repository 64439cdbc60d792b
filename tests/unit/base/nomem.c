#include "nomem.h"

#include <stddef.h>
#include <stdlib.h>

static long left = -1;
static bool happened;

void nomem_after(long allocations)
{
    left = allocations;
    happened = false;
}

bool nomem_happened(void)
{
    return happened;
}

static bool refused(void)
{
    if (left < 0)
        return false;
    if (left > 0) {
        left--;
        return false;
    }
    happened = true;
    return true;
}

static void *scarce_malloc(size_t size)
{
    return refused() ? NULL : malloc(size);
}

__attribute__((unused)) static void *scarce_realloc(void *p, size_t size)
{
    return refused() ? NULL : realloc(p, size);
}

#define malloc scarce_malloc
#define realloc scarce_realloc
#include "../../../src/base/arena.c"
