/* base/arena.h: the memory of one request, given back whole.
 * Blocks come from a per-process pool of equal blocks, so the steady state never reaches malloc;
 * what is larger than a block is malloc'd alone and freed at the reset. Not thread-safe.
 * Built with ARENA_GUARD every allocation is a malloc of its own, for ASan.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stdbool.h>
#include <stddef.h>

#define ARENA_BLOCK 8192 /* bytes of one pooled block, header included */

struct arena_block;

/* Zeroed is empty and valid. `failed` stays set from the first refused allocation until the reset,
 * so a caller may compose first and look once. */
struct arena {
    struct arena_block *blocks;
    char *at, *end;
    bool failed;
};

/* size bytes, aligned for any type, not zeroed; NULL when memory is out (and failed is set). */
void *arena_alloc(struct arena *a, size_t size);
/* The same, zeroed. */
void *arena_zero(struct arena *a, size_t size);
/* A copy of n bytes with a NUL behind it; NULL when memory is out. */
char *arena_copy(struct arena *a, const void *p, size_t n);
/* Makes the allocation p of `old` bytes `size` bytes long, in place when it was the last one. p may be NULL. */
void *arena_grow(struct arena *a, void *p, size_t old, size_t size);
/* Gives everything back; the arena is empty and usable. Pointers into it are dead. */
void arena_reset(struct arena *a);

/* Bytes that all arenas of this process hold now, pooled ones included. */
size_t arena_held(void);
/* Frees the pool of unused blocks (at exit, for leak checks). */
void arena_trim(void);

#define ARENA_NEW(a, type) ((type *)arena_zero((a), sizeof(type)))
#define ARENA_ARRAY(a, type, n) ((type *)arena_zero((a), sizeof(type) * (n)))

#endif
