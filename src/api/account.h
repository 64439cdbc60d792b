/* account.h: what sign-up, sign-in and the management of users share: addresses of e-mail, and password work
 * off the loop.
 */
#ifndef API_ACCOUNT_H
#define API_ACCOUNT_H

#include "crypto/password.h"
#include "http/req.h"
#include "net/offload.h"

#define EMAIL_MAX 254 /* RFC 5321 section 4.5.3.1.3, without the brackets */

/* The address as it is stored and compared: its ASCII letters small. In the arena; p is NULL when memory is out. */
struct str email_fold(struct arena *a, struct str email);
/* Whether a folded address is one: a dot-atom (RFC 5322 section 3.2.3) of 64 bytes at most, '@', and a host
 * name with a dot. */
bool email_valid(struct str email);
/* The folded address that the field `email` of the body gives; ERR_INVALID with a fault when it is none. */
enum err email_read(struct req *r, struct str *out) CHECKED;

/* Password work for one request, in its arena. The passwords are copied for the thread and wiped when it is done. */
struct hashing {
    struct job job;
    char current[PASSWORD_MAX], next[PASSWORD_MAX];
    size_t current_n, next_n;
    bool check;                      /* current against this hash, first */
    char against[PASSWORD_HASH + 1];
    int cost;
    /* what came of it */
    bool matches;                    /* current is the password behind against, or nothing was to be checked */
    enum err err;                    /* of making the hash */
    char hash[PASSWORD_HASH + 1];    /* of next; "" when none was wanted or current does not match */
};
/* Makes the hash of `next`. WAIT, or DENY when too much is queued (429). */
enum verdict hashing_make(struct req *r, struct hashing *h, struct str next);
/* Checks `current` against a hash and, if it matches, makes the hash of `next` unless its p is NULL. */
enum verdict hashing_check(struct req *r, struct hashing *h, struct str current, struct str against,
                           struct str next);

/* src/api/users.c: composes a user's row, the statement that adds it and the reply 201. */
struct new_user {
    struct str email, role, status, metadata;
    const char *hash;
};
enum verdict user_make(struct req *r, const struct new_user *user);

#endif
