/* gate/subject.h: a user's principal where the user is not there himself: whom others ask about, and who signed a URL.
 * The facts are those of a session's principal, without a session: from memory under the user's epoch, else from the
 * store.
 */
#ifndef GATE_SUBJECT_H
#define GATE_SUBJECT_H

#include "gate/facts.h"

struct subject_look {
    struct uuid user;
    bool afresh;          /* asks the store whatever is remembered, and remembers nothing */
    enum err err;         /* when it is done: OK, or why the facts cannot be had */
    bool found;           /* there is such a user */
    struct principal who; /* kind PRINCIPAL_USER; its memberships are in the request's arena */
    struct epochs under;  /* what it was read under */
    bool asked;
    char key[1 + sizeof(struct uuid)];
};
/* Begins it: NEXT when it is done, WAIT when r->wait will be woken; then call subject_again. */
enum verdict subject_begin(struct req *r, struct subject_look *look, const struct uuid *user,
                           bool afresh);
enum verdict subject_again(struct req *r, struct subject_look *look);

#endif
