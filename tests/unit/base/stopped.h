/* stopped.h: a clock of the test's own. Link stopped.c into the test: it takes the place of the library's clock. Wall
 * time stands still when the test says so; monotonic time always goes on, so that nothing waits forever.
 */
#ifndef TESTS_STOPPED_H
#define TESTS_STOPPED_H

#include <stdint.h>

/* From now on it is this time (wall microseconds); 0: it goes on. */
void clock_stop(int64_t wall);
/* From now on it is that much later (microseconds), by both clocks; a stopped one stays where it is. */
void clock_skip(int64_t by);

#endif
