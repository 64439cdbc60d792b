#include "pipe.h"

#include "base/clock.h"
#include "gen/stmt.h"
#include "pgvalue.h"
#include "postgres.h"
#include "result.h"

#include <stdio.h>

#define TRIES 3 /* of a change that met a deadlock */

void pipe_init(struct pipe *p, struct postgres *pg)
{
    *p = (struct pipe){ .pg = pg };
    list_init(&p->jobs);
    list_init(&p->again);
}

void pipe_open(struct pipe *p, PGconn *conn)
{
    must(!p->depth);
    p->conn = conn;
    p->ending = p->open = p->unsent = p->leave = false;
    p->at = 0;
}

static struct job *first(const struct pipe *p)
{
    return job_of_node(p->jobs.next);
}

bool pipe_slow(const struct pipe *p, int64_t now)
{
    return p->depth && now - p->since > PIPE_SLOW;
}

/* ---- sending ---- */

static bool send_stmt(struct pipe *p, const struct stmt *stmt, const struct value *params)
{
    struct pgparams set;
    if (!stmt->postgres || !pgparams_set(&set, stmt, params))
        return false;
    if (stmt->index >= 0 && !p->pg->setup.pooler)
        return PQsendQueryPrepared(p->conn, p->pg->names[stmt->index].text, stmt->nparams,
                                   set.values, set.lengths, set.formats, 1);
    Oid types[STMT_PARAMS_MAX];
    pgparams_types(stmt, types);
    return PQsendQueryParams(p->conn, stmt->postgres, stmt->nparams, types, set.values, set.lengths,
                             set.formats, 1);
}

/* Other nodes learn from this row what the change moves. */
static bool send_bumps(struct pipe *p, struct job *job)
{
    const struct value params[] = {
        { .type = VALUE_UUID, .uuid = p->pg->setup.node },
        { .type = VALUE_BYTES, .text = text_str(&job->what) },
    };
    return send_stmt(p, &stmt_bump_add, params);
}

/* Before libpq 17 this is a write of its own each time. */
static bool sync(struct pipe *p)
{
    job_of_node(p->jobs.prev)->last = true;
    p->open = false;
#ifdef LIBPQ_HAS_SEND_PIPELINE_SYNC
    return PQsendPipelineSync(p->conn);
#else
    return PQpipelineSync(p->conn);
#endif
}

bool pipe_send(struct pipe *p, struct job *job)
{
    const struct change *c = &job->ask.change;
    bool own = job->ask.write || job->alone;
    bool good = !own || !p->open || sync(p);
    list_push(&p->jobs, &job->ask.node);
    if (p->depth++ == 0)
        p->since = clock_mono_now();
    for (int i = 0; i < c->n && good; i++)
        good = send_stmt(p, c->at[i].stmt, c->at[i].params);
    if (good && job->bumped)
        good = send_bumps(p, job);
    p->unsent = true;
    p->open = !own;
    return good && (!own || sync(p));
}

int pipe_flush(struct pipe *p)
{
    if (p->open && !sync(p))
        return -1;
    int left = PQflush(p->conn);
    p->unsent = left > 0;
    return left;
}

/* ---- what comes back ---- */

/* A change that was done, and whose answer is lost all the same. */
static void answer_lost(struct job *job, enum err err, const char *name, const char *why)
{
    if (job->ask.write)
        job->unknown = true;
    else
        job->err = err;
    ask_fail(&job->ask, err, "%s: %s", name, why);
}

static void take_good(struct pipe *p, struct job *job, const PGresult *result)
{
    const struct change *c = &job->ask.change;
    if (p->at == c->n) { /* the row of bumps */
        job->number = pgvalue_number(result);
        return;
    }
    const struct stmt *stmt = c->at[p->at].stmt;
    const char *why = "";
    job->seen = p->at + 1;
    job_returned(job, p->at, result);
    if (job->answered)
        return;
    if (stmt->change)
        job->ask.out->changed += pgvalue_changed(result, stmt);
    if (p->at != c->answer || !stmt->ncolumns)
        return;
    enum err err = pgvalue_rows(result, job->ask.out, &why);
    if (err != OK)
        answer_lost(job, err, stmt->name, why);
}

/* Whether it may be tried again: nothing of it was done, and the asker still waits. */
static bool may_try(const struct job *job, const struct pgerror *error)
{
    int tries = error->leave ? 1 : TRIES;
    return error->again && !job->answered && job->tries < tries &&
           job->ask.deadline > clock_mono_now();
}

/* False: the connection goes with it. */
static bool take_bad(struct pipe *p, struct job *job, const PGresult *result)
{
    const struct change *c = &job->ask.change;
    struct pgerror error;
    pgerror_read(&error, result, c->at[p->at < c->n ? p->at : 0].stmt);
    p->leave = p->leave || error.leave;
    if (error.lost && (p->ending || !*error.says))
        return false; /* a commit may have been done all the same */
    postgres_note(p->pg, job, !error.down);
    if (job->err == OK) {
        job->err = error.err;
        job->again = may_try(job, &error);
        job->tries += job->again;
        if (!job->again && !job->answered && *error.says)
            ask_fail(&job->ask, error.err, "%s", error.says);
    }
    return !error.lost;
}

static bool take_result(struct pipe *p, struct job *job, const PGresult *result)
{
    switch (PQresultStatus(result)) {
    case PGRES_COMMAND_OK:
    case PGRES_TUPLES_OK:
        take_good(p, job, result);
        return true;
    case PGRES_PIPELINE_ABORTED:
        if (!job->ask.write) { /* by the failure of another */
            job->again = job->alone = !job->answered;
            job->err = ERR_UNAVAILABLE;
        }
        return true;
    default:
        return take_bad(p, job, result);
    }
}

/* The first job is through: nothing more comes of it. */
static void finish(struct pipe *p)
{
    struct job *job = first(p);
    list_remove(&job->ask.node);
    p->depth--;
    p->at = 0;
    p->ending = false;
    p->since = clock_mono();
    if (job->again && !job->answered) {
        rows_clear(job->ask.out);
        list_push(&p->again, &job->ask.node);
        return;
    }
    if (job->err == OK)
        postgres_note(p->pg, job, true);
    if (job->ask.write && job->err == OK)
        job_committed(job, p->pg);
    else
        job_answer(job, job->err);
    job_drop(job);
}

/* A statement is answered whole. Reads need not wait for their Sync. */
static void statement_done(struct pipe *p)
{
    struct job *job = first(p);
    if (p->ending) /* behind a failed commit */
        return;
    if (++p->at < job->ask.change.n + job->bumped)
        return;
    if (!job->last) {
        finish(p);
        return;
    }
    p->ending = true;
    if (!job->ask.write && !job->again)
        job_answer(job, job->err);
}

/* What libpq has whole. */
static bool take_results(struct pipe *p)
{
    bool good = true;
    while (good && !PQisBusy(p->conn) && p->depth) {
        PGresult *result = PQgetResult(p->conn);
        if (!result)
            statement_done(p);
        else if (PQresultStatus(result) == PGRES_PIPELINE_SYNC)
            finish(p);
        else
            good = take_result(p, first(p), result);
        PQclear(result);
    }
    return good && PQstatus(p->conn) == CONNECTION_OK;
}

/* A record of TLS (16 KiB) may be more than libpq takes at once (8 KiB or more), and what is left of it makes no socket
 * readable. */
bool pipe_read(struct pipe *p)
{
    bool good = true;
    for (int rounds = PQsslInUse(p->conn) ? 3 : 1; rounds > 0 && good; rounds--)
        good = PQconsumeInput(p->conn) && take_results(p);
    return good;
}

/* ---- what does not come ---- */

bool pipe_expire(struct pipe *p, int64_t now)
{
    bool late = p->depth && now - first(p)->ask.deadline > PIPE_LATE;
    for (struct list *node = p->jobs.next; node != &p->jobs && !late; node = node->next) {
        struct job *job = job_of_node(node);
        if (job->answered || job->ask.deadline > now)
            continue;
        postgres_note(p->pg, job, false);
        ask_fail(&job->ask, ERR_UNAVAILABLE, "given up: no answer in time");
        job_unknown(job, p->pg);
    }
    return !late;
}

int pipe_fail(struct pipe *p)
{
    int failed = 0;
    while (p->depth) {
        struct job *job = first(p);
        list_remove(&job->ask.node);
        p->depth--;
        failed += !job->answered;
        job_unknown(job, p->pg);
        job_drop(job);
    }
    if (failed)
        postgres_note(p->pg, NULL, false);
    p->conn = NULL;
    p->open = p->unsent = p->ending = false;
    p->at = 0;
    return failed;
}
