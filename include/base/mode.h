/* base/mode.h: the mode of the whole node, in the shared segment: every worker sees a change at once. */
#ifndef BASE_MODE_H
#define BASE_MODE_H

#include <stddef.h>

enum mode {
    MODE_NORMAL,
    MODE_READ_ONLY, /* changes are refused */
    MODE_LOCKDOWN, /* all is refused but health and the operator of the machine */
};

/* Bytes to carve from the shared segment, then where they are. Before mode_init the mode is normal. */
size_t mode_size(void);
void mode_init(void *part);
enum mode mode_now(void);
void mode_set(enum mode mode);

/* "normal", "read_only", "lockdown". */
const char *mode_name(enum mode mode);

#endif
