/* audit_read.h: the audit as a command of its own process reads it: a store, a loop to wait on, and the keys. */
#ifndef AUDIT_READ_H
#define AUDIT_READ_H

#include "crypto/chain.h"
#include "gen/stmt.h"

#define AUDIT_PAGE 500 /* rows at once */

struct audit_reading {
    struct store *store;
    struct chain_keys keys;
    struct arena arena; /* of the page in hand */
    struct rows rows;
    struct wait wait;
};

/* False: it has been said why. */
bool audit_read_open(struct audit_reading *a);
void audit_read_close(struct audit_reading *a);
/* Gives the last page back and begins the next ask: its rows go to a->rows and wake a->wait. */
void audit_read_next(struct audit_reading *a);
/* Waits for it; false: it has been said why. */
bool audit_read_done(struct audit_reading *a);

/* The current row of a page with the columns audit_row; texts are the page's. False when the row is not there. */
bool audit_read_row(const struct rows *rows, struct chain_row *out);
/* What is sealed in it, opened; p NULL when its key is gone, or it does not open. */
struct str audit_read_payload(struct audit_reading *a, const struct chain_row *row,
                              struct str subject_key);

#endif
