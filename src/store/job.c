#include "job.h"

#include "base/metric.h"
#include "pgvalue.h"
#include "postgres.h"
#include "result.h"

#define WHAT_EXPECT 256 /* bytes */

struct job *job_of(struct ask *ask)
{
    return LIST_OF(ask, struct job, ask);
}

struct job *job_of_node(struct list *node)
{
    return job_of(LIST_OF(node, struct ask, node));
}

enum lane job_lane(const struct job *job)
{
    return job->ask.change.at[0].stmt->lane;
}

void job_init(struct job *job)
{
    job->alone = job->last = job->again = job->answered = job->unknown = false;
    job->everything = job->bumped = false;
    job->tries = job->seen = 0;
    job->err = OK;
    job->number = 0;
    job->what = (struct text){ 0 };
}

/* ---- what it moves ---- */

static void what_add(struct job *job, enum epoch_kind kind, const void *id, size_t n)
{
    char *room = n <= EPOCH_WHAT_MAX - 2 ? text_room(&job->what, EPOCH_WHAT_MAX) : NULL;
    if (room)
        job->what.n += epoch_what(room, kind, id, n);
    else
        job->everything = true;
}

static void what_param(struct job *job, const struct bump *bump, const struct value *params)
{
    const struct value *v = bump->param < 0 ? NULL : &params[bump->param];
    if (!v)
        what_add(job, bump->kind, NULL, 0);
    else if (v->null)
        return;
    else if (v->type == VALUE_UUID)
        what_add(job, bump->kind, v->uuid.b, sizeof(v->uuid.b));
    else
        what_add(job, bump->kind, v->text.p, v->text.n);
}

bool job_start(struct job *job)
{
    const struct change *c = &job->ask.change;
    job->err = OK;
    job->seen = 0;
    job->last = job->again = job->unknown = job->everything = false;
    job->number = 0;
    arena_reset(&job->arena);
    job->what = (struct text){ .arena = &job->arena };
    if (!job->ask.write)
        return true;
    for (int i = 0; i < c->n; i++)
        for (int b = 0; b < c->at[i].stmt->nbumps; b++)
            if (!c->at[i].stmt->bumps[b].returned)
                what_param(job, &c->at[i].stmt->bumps[b], c->at[i].params);
    job->bumped = job->what.n > 0;
    return !job->what.failed;
}

void job_returned(struct job *job, int at, const PGresult *result)
{
    const struct stmt *stmt = job->ask.change.at[at].stmt;
    struct uuid id;
    for (int b = 0; b < stmt->nbumps; b++) {
        if (!stmt->bumps[b].returned)
            continue;
        for (int row = 0; row < PQntuples(result); row++) {
            if (pgvalue_uuid(result, row, stmt->bumps[b].param, &id))
                what_add(job, stmt->bumps[b].kind, id.b, sizeof(id.b));
            else
                job->everything = true;
        }
    }
}

static bool returns_bumps(const struct stmt *stmt)
{
    for (int b = 0; b < stmt->nbumps; b++)
        if (stmt->bumps[b].returned)
            return true;
    return false;
}

static void move(const struct job *job, bool everything, const struct postgres *pg)
{
    struct str what = text_str(&job->what);
    epoch_bump_what(what, true);
    if (everything)
        epoch_bump_all();
    if (what.n && pg->setup.moved)
        pg->setup.moved(what, job->number);
}

/* ---- answers ---- */

void job_answer(struct job *job, enum err err)
{
    if (job->answered)
        return;
    job->answered = true;
    job->ask.out->err = err;
    if (err != OK)
        rows_clear(job->ask.out);
    if (err_info(err)->status >= 500)
        metric_add(METRIC_LANE_ERRORS, job_lane(job) * 2 + LANE_OF_ASK, 1);
    job->ask.held = true;
    wait_done(&job->ask.done);
}

void job_committed(struct job *job, struct postgres *pg)
{
    job->ask.committed = true;
    move(job, job->everything, pg);
    job_answer(job, job->unknown ? ERR_COMMIT_UNKNOWN : OK);
}

void job_unknown(struct job *job, struct postgres *pg)
{
    if (!job->ask.write || job->err != OK) { /* a failed statement has undone the change */
        job_answer(job, job->err != OK ? job->err : ERR_UNAVAILABLE);
        return;
    }
    bool everything = job->everything;
    for (int i = job->seen; i < job->ask.change.n; i++)
        everything = everything || returns_bumps(job->ask.change.at[i].stmt);
    job->number = 0;
    move(job, everything, pg);
    if (!job->answered && !job->ask.says[0])
        ask_fail(&job->ask, ERR_COMMIT_UNKNOWN,
                 "the connection was lost before the commit was answered");
    job_answer(job, ERR_COMMIT_UNKNOWN);
}

void job_drop(struct job *job)
{
    list_remove(&job->ask.node);
    arena_reset(&job->arena);
    ask_release(&job->ask);
}
