/* stopped.h: a wall clock that stands still when the test says so. Link stopped.c into the test: it takes the place of
 * the library's clock. Monotonic time goes on, so that nothing waits forever.
 */
#ifndef TESTS_STOPPED_H
#define TESTS_STOPPED_H

#include <stdint.h>

/* From now on it is this time (wall microseconds); 0: it goes on. */
void clock_stop(int64_t wall);

#endif
