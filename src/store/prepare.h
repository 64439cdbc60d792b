/* store/prepare.h: all statements of sql/, prepared on a fresh connection in one batch. */
#ifndef STORE_PREPARE_H
#define STORE_PREPARE_H

#include "store/store.h"

#include <libpq-fe.h>

/* What a statement is called in a session: "s" and its index. */
struct stmt_name {
    char text[16];
};

struct prepare {
    int at;    /* how many are answered */
    bool failed;
    char says[200]; /* which, and why; "": the connection is gone */
};

enum prepared { PREPARE_GOES_ON, PREPARE_DONE, PREPARE_FAILED };

/* Fills the names of all statements. */
void prepare_names(struct stmt_name *names);
/* Puts the batch into libpq's buffer; the connection is in pipeline mode. */
bool prepare_send(struct prepare *p, PGconn *conn, const struct stmt_name *names);
/* Reads what has come. */
enum prepared prepare_read(struct prepare *p, PGconn *conn);

#endif
