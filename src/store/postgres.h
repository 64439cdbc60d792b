/* store/postgres.h: the engine for PostgreSQL: what its lanes and their connections share. Loop only. */
#ifndef STORE_POSTGRES_H
#define STORE_POSTGRES_H

#include "ask.h"
#include "pool.h"
#include "pgurl.h"
#include "prepare.h"

#include "base/breaker.h"
#include "net/loop.h"

struct postgres {
    struct store store;
    struct store_setup setup;
    struct pgurl url;
    struct pool pools[LANE_COUNT];
    struct stmt_name *names;
    struct breaker breaker;
    struct ticker *ticker;
    struct wait turn;  /* open while asks of this turn are gathered */
    bool more;         /* some came since it was queued */
    struct wait probe; /* open while we ask ourselves whether the database is back */
    struct rows probed;
    int ready;         /* connections of all lanes */
    int coming;        /* those that are being made */
    bool met;          /* the log knows whom we talk to */
};

/* Something is to be sent at the end of this turn. */
void postgres_turn(struct postgres *pg);
/* What came of an ask, for the breaker: ok, or the database did not answer as it should. job: whose; NULL: of
 * several. */
void postgres_note(struct postgres *pg, const struct job *job, bool ok);
/* A connection became ready. */
void postgres_met(struct postgres *pg, PGconn *conn);

#endif
