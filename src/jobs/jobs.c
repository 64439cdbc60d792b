#include "jobs/jobs.h"

#include "each.h"
#include "net/loop.h"

#define GAUGES_SECONDS 5
#define UPKEEP_SECONDS 60

static struct {
    struct jobs_setup use;
    struct ticker *ticker;
    unsigned seconds;
} jobs;

static void tick(void *owner)
{
    (void)owner;
    if (jobs.seconds % GAUGES_SECONDS == 0)
        gauges_set(&jobs.use);
    if (jobs.use.duty) {
        tasks_expire(&jobs.use);
        if (jobs.seconds % UPKEEP_SECONDS == 0)
            upkeep_run(&jobs.use);
    }
    jobs.seconds++;
}

void jobs_start(const struct jobs_setup *setup)
{
    jobs.use = *setup;
    jobs.seconds = 0;
    jobs.ticker = ticker_new(1000, tick, NULL);
    gauges_set(&jobs.use);
}

void jobs_stop(void)
{
    ticker_free(jobs.ticker);
    jobs.ticker = NULL;
}

bool jobs_busy(void)
{
    return tasks_busy() || upkeep_busy();
}

void jobs_fini(void)
{
    jobs_stop();
    tasks_fini();
    upkeep_fini();
}
