/* issue.h: what a session's owner is given: a short-lived access token, and a refresh token that is good for one use.
 * Of a refresh token only the SHA-256 is stored.
 */
#ifndef API_ISSUE_H
#define API_ISSUE_H

#include "base/base64.h"
#include "base/clock.h"
#include "http/req.h"

#define SESSION_LIFE (30 * DAY) /* from its last rotation; a refresh token's too */
#define REFRESH_PREFIX "ghr_"
#define REFRESH_TEXT (sizeof(REFRESH_PREFIX) - 1 + BASE64_LEN(32))

/* A new refresh token, in the arena; p is NULL when memory is out. */
struct str refresh_new(struct arena *a);
/* Whether the text can be one: the prefix and 32 bytes in canonical base64url. */
bool refresh_sane(struct str token);
/* What is stored of it: 32 bytes in the arena; p is NULL when memory is out. */
struct str refresh_hash(struct arena *a, struct str token);

/* The stage in front of issue_reply: the signing keys are here. */
stage_fn issue_keys, issue_keys_here;

/* For whom. */
struct subject {
    struct uuid user, session;
    struct str role;
    int64_t token_version;
};

/* A stage for who has proved to be s: in lockdown only who may change the mode gets in (503). Behind it
 * issue_mode_known, when it waits. */
enum verdict issue_mode(struct req *r, const struct subject *s);
stage_fn issue_mode_known;

/* Replies {"access_token","token_type":"Bearer","expires_in","refresh_token"}. */
enum verdict issue_reply(struct req *r, const struct subject *s, struct str refresh);

#endif
