#include "stopped.h"

#include <time.h>

static int64_t stopped;

static int look_at_clock(clockid_t id, struct timespec *out)
{
    if (id != CLOCK_REALTIME || !stopped)
        return clock_gettime(id, out);
    *out = (struct timespec){ stopped / 1000000, stopped % 1000000 * 1000 };
    return 0;
}

#define clock_gettime look_at_clock
#include "../../../src/base/clock.c"

void clock_stop(int64_t wall)
{
    stopped = wall;
    clock_tick();
}
