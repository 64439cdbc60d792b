/* The caller's own sessions. Rows are not cached: ending all of them moves only the user's epoch, not each row's. */
#include "api/all.h"
#include "api/crud.h"
#include "gen/stmt.h"
#include "http/reply.h"

static enum verdict session_delete(struct req *r)
{
    enum err err = crud_match(r);
    if (err != OK)
        return req_deny(r, err);
    add_session_end(&r->change, &r->facts->id, r->now);
    reply_empty(r, 204);
    return NEXT;
}

static enum verdict session_delete_all(struct req *r)
{
    add_session_end_all(&r->change, &r->who->user_id, r->now);
    r->audit_target = r->who->user_id;
    reply_empty(r, 204);
    return NEXT;
}

static const struct field session_fields[] = {
    { "address",    TEXT, .shown = true, .says = "From where it was signed in." },
    { "user_agent", TEXT, .shown = true, .says = "The client that did." },
    { "expires_at", TIME, .shown = true, .says = "Moves on with each refresh." },
};

#define OWN .permit = PERMIT_SIGNED_IN, .session_only = true, .rate = RATE_DEFAULT

static const struct action session_actions[] = {
    { GET, "/api/v1/sessions", OWN,
      .list  = true,               .plain = true,
      .run   = crud_list,          .then = crud_listed,
      .says  = "List one's own sessions." },
    { DELETE, "/api/v1/sessions", OWN,
      .run   = session_delete_all, .plain = true,
      .audit = "session.end_all",  .status = 204,   .in_read_only = true,
      .says  = "End all of one's own sessions, this one too." },
    { GET, "/api/v1/sessions/{id}", OWN,
      .access = ACCESS_READ,       .plain = true,
      .run   = crud_get,
      .says  = "Read one of one's own sessions." },
    { DELETE, "/api/v1/sessions/{id}", OWN,
      .access = ACCESS_DELETE,     .plain = true,
      .run   = session_delete,
      .audit = "session.end",      .status = 204,   .in_read_only = true,
      .says  = "End one of one's own sessions." },
};

const struct resource sessions = {
    .noun = "session", .plural = "sessions",
    RESOURCE_FIELDS(session_fields), RESOURCE_ACTIONS(session_actions),
    .get = &stmt_session_get,
    .list = stmt_session_list, .sorts = stmt_session_list_sorts,
    .owned = true, .no_metadata = true,
};
