#include "jobs/jobs.h"

#include "each.h"
#include "gate/respond.h"
#include "net/loop.h"

#define GAUGES_SECONDS 5
#define UPKEEP_SECONDS 60
#define TOTALS_SECONDS 60
#define SWEEP_SECONDS 3600

static struct {
    struct jobs_setup use;
    struct ticker *ticker;
    unsigned seconds;
    unsigned upkeep_at, totals_at, sweep_at; /* the second from which it is due */
} jobs;

static void duties(void)
{
    duty_turn(&jobs.use);
    if (jobs.seconds % GAUGES_SECONDS == 0)
        outbox_show();
    if (jobs.seconds >= jobs.totals_at || !duty_held()) {
        totals_show(&jobs.use);
        jobs.totals_at = duty_held() ? jobs.seconds + TOTALS_SECONDS : 0;
    }
    if (!duty_held())
        return;
    tasks_expire(&jobs.use);
    if (jobs.seconds >= jobs.upkeep_at) {
        upkeep_run(&jobs.use);
        jobs.upkeep_at = jobs.seconds + UPKEEP_SECONDS;
    }
    if (jobs.seconds >= jobs.sweep_at) {
        media_sweep(&jobs.use);
        jobs.sweep_at = jobs.seconds + SWEEP_SECONDS;
    }
}

static void tick(void *owner)
{
    (void)owner;
    if (jobs.seconds % GAUGES_SECONDS == 0)
        gauges_set(&jobs.use);
    respond_retry();
    if (jobs.use.first)
        duties();
    jobs.seconds++;
}

void jobs_start(const struct jobs_setup *setup)
{
    jobs.use = *setup;
    jobs.ticker = ticker_new(1000, tick, NULL);
    gauges_set(&jobs.use);
    freshness_start(&jobs.use);
    audit_flush_start(&jobs.use);
    if (!jobs.use.first)
        return;
    modes_start(&jobs.use);
    duty_turn(&jobs.use);
    outbox_start(&jobs.use);
    restraints_start(&jobs.use);
    sealer_start(&jobs.use);
}

void jobs_stop(void)
{
    ticker_free(jobs.ticker);
    jobs.ticker = NULL;
    freshness_stop();
    modes_stop();
    outbox_stop();
    restraints_stop();
    sealer_stop();
    media_stop();
    duty_stop();
}

bool jobs_busy(void)
{
    return freshness_busy() || modes_busy() || duty_busy() || tasks_busy() || upkeep_busy() ||
           outbox_busy() || totals_busy() || restraints_busy() || respond_busy() || sealer_busy() ||
           media_busy() || audit_flush_busy();
}

void jobs_fini(void)
{
    jobs_stop();
    freshness_fini();
    modes_fini();
    duty_fini();
    tasks_fini();
    upkeep_fini();
    outbox_fini();
    totals_fini();
    restraints_fini();
    respond_fini();
    sealer_fini();
    audit_flush_fini();
    media_fini();
}
