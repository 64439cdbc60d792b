#include "base/random.h"

#include "base/err.h"
#include "fork.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#define BATCH 512

/* What is left of the last batch is its end: bytes[BATCH - left]. */
static _Thread_local struct {
    uint8_t bytes[BATCH];
    size_t left;
    unsigned forks;
} batch;

static void from_kernel(void *out, size_t n)
{
    uint8_t *at = out;
    while (n) {
        ssize_t got = getrandom(at, n, 0);
        must(got > 0 || errno == EINTR); /* a process without random numbers must not go on */
        if (got > 0) {
            at += got;
            n -= (size_t)got;
        }
    }
}

void random_bytes(void *out, size_t n)
{
    if (n > BATCH) {
        from_kernel(out, n);
        return;
    }
    if (n == 0)
        return;
    if (batch.left < n || batch.forks != fork_count()) {
        from_kernel(batch.bytes, BATCH);
        batch.left = BATCH;
        batch.forks = fork_count();
    }

    uint8_t *from = batch.bytes + BATCH - batch.left;
    memcpy(out, from, n);
    explicit_bzero(from, n); /* what was given out is not kept */
    batch.left -= n;
}

uint32_t random_below(uint32_t bound)
{
    must(bound > 0);

    /* Lemire 2019: the high half of the product is uniform, but for low halves below 2^32 mod bound. */
    uint32_t least = (0 - bound) % bound;
    for (;;) {
        uint32_t random;
        random_bytes(&random, sizeof(random));
        uint64_t product = (uint64_t)random * bound;
        if ((uint32_t)product >= least)
            return (uint32_t)(product >> 32);
    }
}
