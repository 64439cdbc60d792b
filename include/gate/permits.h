/* gate/permits.h: permissions between their two forms: a JSON array of names in rows, bits in principals. */
#ifndef GATE_PERMITS_H
#define GATE_PERMITS_H

#include "base/arena.h"
#include "base/str.h"

/* The bits of ["startup:read", ...]. A name that is none counts for nothing; what is no such array is none at all. */
enum err permits_read(struct arena *a, struct str names, uint64_t *permits) CHECKED;
/* The array, in the arena; p is NULL when memory is out. */
struct str permits_write(struct arena *a, uint64_t permits);

#endif
