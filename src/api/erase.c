/* Erasing a person: a deleted user loses what is personal. The keys that the audit's payloads are sealed under go, so
 * that what it says of the person cannot be read by anybody, while the chain holds as before; so do the address, the
 * metadata, where the sessions came from, and replies kept for the user's idempotency keys. What stays is the id.
 */
#include "api/all.h"
#include "api/crud.h"
#include "gen/stmt.h"
#include "http/reply.h"

#define ERASED "erased:"

/* Unique, and no address that anybody could have. */
static struct str nobody(struct req *r)
{
    char *text = arena_alloc(&r->arena, sizeof(ERASED) - 1 + UUID_TEXT);
    if (!text)
        return STR_NONE;
    memcpy(text, ERASED, sizeof(ERASED) - 1);
    uuid_format(&r->facts->id, text + sizeof(ERASED) - 1);
    return (struct str){ text, sizeof(ERASED) - 1 + UUID_TEXT };
}

static enum verdict user_erase(struct req *r)
{
    const struct uuid *id = &r->facts->id;
    struct str email = nobody(r);
    enum err err = crud_match(r);
    if (err != OK)
        return req_deny(r, err);
    if (!email.p)
        return req_deny(r, ERR_NO_MEMORY);
    add_erasure_user(&r->change, id, email, r->now);
    add_erasure_sessions(&r->change, id);
    add_erasure_sign_ins(&r->change, id);
    add_erasure_devices(&r->change, id);
    add_erasure_replies(&r->change, id);
    add_audit_subject_erase(&r->change, id);
    reply_empty(r, 204);
    return NEXT;
}

static const struct action erasure_actions[] = {
    { POST, "/api/v1/users/{id}/erase",
      .permit = PERMIT_USERS_MANAGE, .access = ACCESS_ADMIN, .rate = RATE_ADMIN, .no_body = true,
      .run    = user_erase,          .audit = "user.erase", .status = 204,
      .says   = "Erase what is personal of a deleted user, in the audit too; this cannot be undone." },
};

const struct resource erasures = {
    .noun = "erasure", .plural = "erasures",
    RESOURCE_ACTIONS(erasure_actions),
    .get = &stmt_erasure_get,
    .no_metadata = true,
};
