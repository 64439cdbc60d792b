/* net/wheel.h: one timer wheel for all deadlines of a loop; O(1) to set, move and clear, 100 ms coarse, never early.
 * A deadline is absolute. An entry is embedded in what it ends.
 */
#ifndef NET_WHEEL_H
#define NET_WHEEL_H

#include "base/list.h"

#include <stdint.h>

struct deadline {
    struct list node;
    int64_t at; /* monotonic microseconds */
    void (*expired)(struct deadline *d);
};

void wheel_init(void); /* after loop_init */
void wheel_fini(void);
/* Before the first set. */
void deadline_init(struct deadline *d, void (*expired)(struct deadline *d));
/* Sets or moves it. expired() is called on the loop, once, at `at` or up to 200 ms later. */
void deadline_set(struct deadline *d, int64_t at);
void deadline_clear(struct deadline *d);

#endif
