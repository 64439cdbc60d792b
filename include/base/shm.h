/* base/shm.h: the segment that master and workers share, made before the fork.
 * Modules carve their part at start, in the same order in every process of the tree (the part's address is
 * the same after a fork). Holds metrics, epochs, windows, mode. Never freed while a worker lives.
 * Nothing in it is guarded by a lock that a dead process could hold for ever.
 */
#ifndef BASE_SHM_H
#define BASE_SHM_H

#include "base/err.h"

#include <stddef.h>

/* Reserves address space for the segment (a memfd, zeroed, pages arrive on first touch); 0 when the system refuses.
 * */
enum err shm_init(size_t size) CHECKED;
/* The next size bytes, zeroed, 64-byte aligned. Only before the fork; must() when the segment is full. */
void *shm_carve(size_t size);
void shm_fini(void);

#endif
