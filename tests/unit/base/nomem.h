/* nomem.h: an arena whose memory runs out when the test says so. Link nomem.c into the test: it takes the place
 * of the library's arena.
 */
#ifndef TESTS_NOMEM_H
#define TESTS_NOMEM_H

#include <stdbool.h>

/* So many allocations succeed from now on, then all fail; negative: none fails. */
void nomem_after(long allocations);
/* Whether one has failed since nomem_after. */
bool nomem_happened(void);

#endif
