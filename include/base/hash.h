/* base/hash.h: SipHash-1-3 (Aumasson and Bernstein, 2012) under a key of this process tree,
 * for tables that a stranger may fill. Not for storage and not a MAC.
 */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* Sets the key; once, in the master before the fork, so that all workers agree on slots of the shared segment. */
void hash_seed(const uint8_t key[16]);
uint64_t hash_bytes(const void *p, size_t n);
/* With a kind behind the bytes, so that one id names different things without a copy. */
uint64_t hash_kind(uint32_t kind, const void *p, size_t n);

#endif
