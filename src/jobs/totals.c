#include "each.h"

#include "base/metric.h"
#include "gen/stmt.h"
#include "route/resource.h"

static struct {
    struct arena arena;
    struct rows rows;
    struct wait wait;
} job;

static const struct {
    const char *noun;
    int column;
} counted[] = {
    { "startup", COL_BUSINESS_TOTALS_STARTUPS },
    { "agent", COL_BUSINESS_TOTALS_AGENTS },
    { "task", COL_BUSINESS_TOTALS_TASKS },
    { "user", COL_BUSINESS_TOTALS_USERS },
};

static void show(const char *noun, int64_t n)
{
    unsigned cell = 0;
    for (const struct resource *const *r = resources(); *r; r++, cell++)
        if (strcmp((*r)->noun, noun) == 0)
            metric_set(METRIC_BUSINESS_ROWS, cell, n);
}

static void known(struct wait *w)
{
    (void)w;
    if (job.rows.err == OK && rows_next(&job.rows))
        for (unsigned i = 0; i < COUNT(counted); i++)
            show(counted[i].noun, rows_int(&job.rows, counted[i].column));
    rows_fini(&job.rows);
}

void totals_show(const struct jobs_setup *use)
{
    if (totals_busy())
        return;
    if (!duty_held()) { /* who has it shows them: the sum over the nodes is right */
        for (unsigned i = 0; i < COUNT(counted); i++)
            show(counted[i].noun, 0);
        return;
    }
    arena_reset(&job.arena);
    wait_init(&job.wait, known);
    ask_business_totals(use->store, &job.arena, &job.rows, &job.wait);
}

bool totals_busy(void)
{
    return job.wait.open;
}

void totals_fini(void)
{
    rows_fini(&job.rows);
    arena_reset(&job.arena);
}
