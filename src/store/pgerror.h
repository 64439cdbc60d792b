/* store/pgerror.h: what a failure that PostgreSQL reports means for the ask and for the connection. */
#ifndef STORE_PGERROR_H
#define STORE_PGERROR_H

#include "store/store.h"

#include <libpq-fe.h>

#define PGERROR_SAYS 200

struct pgerror {
    enum err err;
    bool lost;    /* the connection is gone, or goes with this */
    bool again;   /* nothing was done, and the same may succeed now: a deadlock, a plan that grew old */
    bool leave;   /* the connection is of no more use: look for a better one once it is empty */
    bool down;    /* the database, not the statement, is why */
    char says[PGERROR_SAYS]; /* for the log, no values in it; "": nothing to tell */
};

/* stmt: which failed; at its commit, the first of the change. result may be NULL: libpq reports nothing more. */
void pgerror_read(struct pgerror *out, const PGresult *result, const struct stmt *stmt);
/* libpq's text about a connection as one line of at most n - 1 bytes. */
void pgerror_line(char *out, size_t n, const char *text);

#endif
