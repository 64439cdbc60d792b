#include "lanes.h"

#include "base/config.h"

#include <err.h>
#include <stdlib.h>

#define MOST 1000

/* "10/50": two numbers, the first not above the second, which is at least 1. */
static bool read_size(const char *text, struct lane_size *out)
{
    char *end;
    if (text[0] < '0' || text[0] > '9')
        return false;
    long least = strtol(text, &end, 10);
    if (*end != '/' || end[1] < '0' || end[1] > '9')
        return false;
    long most = strtol(end + 1, &end, 10);
    *out = (struct lane_size){ (int)least, (int)most };
    return *end == '\0' && least <= most && most >= 1 && most <= MOST;
}

bool lanes_read(int workers, struct lane_size out[LANE_COUNT])
{
    const struct {
        const char *name, *text;
    } settings[LANE_COUNT] = {
        [LANE_AUTH] = { "LANE_AUTH", config.lane_auth },
        [LANE_READ] = { "LANE_READ", config.lane_read },
        [LANE_WRITE] = { "LANE_WRITE", config.lane_write },
        [LANE_ANALYTICS] = { "LANE_ANALYTICS", config.lane_analytics },
        [LANE_ADMIN] = { "LANE_ADMIN", config.lane_admin },
        [LANE_BATCH] = { "LANE_BATCH", config.lane_batch },
    };
    for (int i = 0; i < LANE_COUNT; i++) {
        struct lane_size node = {
            (int)config.database_pool_size,
            (int)(config.database_pool_size + config.database_max_overflow),
        };
        if (settings[i].text[0] && !read_size(settings[i].text, &node)) {
            warnx("%s must be least/most, such as 5/25: at most %d", settings[i].name, MOST);
            return false;
        }
        out[i].least = node.least / workers;
        out[i].most = node.most / workers > 0 ? node.most / workers : 1;
    }
    return true;
}
