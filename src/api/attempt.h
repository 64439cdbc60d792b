/* attempt.h: one try at a password. The windows of failed tries are spent ahead, so that tries that run at once
 * cannot exceed them, and given back when it was none: the password was right, or was not looked at.
 */
#ifndef API_ATTEMPT_H
#define API_ATTEMPT_H

#include "gate/facts.h"

/* In the request's arena; zeroed before the first use. */
struct attempt {
    struct signin signin;
    struct spent spent;
    int paid; /* windows spent so far */
};

/* Spends those of the account and the address; known: all that it needs. Or WAIT, then attempt_spent. */
enum verdict attempt_spend(struct req *r, struct attempt *a, struct str account, bool known);
/* NEXT, or DENY with 429. */
enum verdict attempt_spent(struct req *r, struct attempt *a);
void attempt_forgive(struct req *r, struct attempt *a);

#endif
