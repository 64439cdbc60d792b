#include "each.h"

#include "base/metric.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* Resident bytes of this process: the second number of /proc/self/statm, in pages (proc(5)). */
static int64_t resident(void)
{
    char text[128];
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    if (fd >= 0)
        close(fd);
    if (n <= 0)
        return 0;
    text[n] = '\0';
    char *second = strchr(text, ' ');
    return second ? strtoll(second, NULL, 10) * sysconf(_SC_PAGESIZE) : 0;
}

void gauges_set(const struct jobs_setup *use)
{
    metric_set(METRIC_PASSWORD_QUEUED, 0, offload_load(use->passwords));
    metric_set(METRIC_PROCESS_RSS, 0, resident());
}
