/* base/random.h: random bytes of the kernel (getrandom), fetched ahead in small batches.
 * Bytes fetched before a fork are never used after it. Thread-safe.
 */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

void random_bytes(void *out, size_t n);
/* Uniform in [0, bound); bound > 0. */
uint32_t random_below(uint32_t bound);

#endif
