/* store/job.h: an ask on its way through PostgreSQL, and what it moves. It may be answered before its results are in
 * (its time was over): they are read all the same, and what it changed still moves epochs.
 */
#ifndef STORE_JOB_H
#define STORE_JOB_H

#include "ask.h"
#include "pgerror.h"

struct postgres;

/* Cells of METRIC_LANE_ERRORS: of each lane. */
enum { LANE_OF_ASK, LANE_OF_CONNECTION };

struct job {
    struct ask ask;   /* first: asks are allocated as jobs */
    struct arena arena;
    struct text what; /* the bumps of a change, as in base/epoch.h */
    bool everything;  /* what it moves is not known: all */
    bool bumped;      /* what was written behind it */
    bool alone;       /* shares no Sync: it was aborted with another's failure */
    bool last;        /* a Sync follows */
    bool again;       /* is to be sent again */
    bool answered;    /* out and the asker are gone */
    int tries;
    int seen;         /* statements whose result was read */
    enum err err;     /* of a change: why nothing of it was done */
    bool unknown;     /* of a change: done, but its answer could not be kept */
    int64_t number;   /* of its row in the table bumps */
};

struct job *job_of(struct ask *ask);
struct job *job_of_node(struct list *node);
/* Its lane. */
enum lane job_lane(const struct job *job);
/* A fresh one. */
void job_init(struct job *job);
/* Before it is sent, and sent again: what its parameters move. False when memory is out. */
bool job_start(struct job *job);
/* Notes what a row that statement `at` returned moves. */
void job_returned(struct job *job, int at, const PGresult *result);

/* Answers with a result that is in; it is given back when nobody holds it. */
void job_answer(struct job *job, enum err err);
/* A change that was committed: moves epochs, tells, answers. */
void job_committed(struct job *job, struct postgres *pg);
/* What was sent, and nobody knows what becomes of it: its time is over, or its connection is gone. */
void job_unknown(struct job *job, struct postgres *pg);
/* No result of it comes any more. Behind each of the answers. */
void job_drop(struct job *job);

#endif
