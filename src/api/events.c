/* api/events.c: a row as a stream of events: as it is now, then each time it changes. Any resource may name
 * events_steps in an action whose path names the row. The gates look again before each event, and whenever what they
 * stand on moves, so the stream ends with the access to the row.
 */
#include "api/crud.h"
#include "base/clock.h"
#include "http/events.h"
#include "http/stream.h"

struct telling {
    struct events events;
    struct str kind; /* the resource's noun */
    int64_t told;    /* the version that the client has */
};

static struct telling *telling(struct req *r)
{
    return r->work;
}

static void let_go(struct req *r)
{
    events_close(&telling(r)->events);
}

/* Last-Event-ID: the version that a client which comes back has. What is none is no reason to refuse it. */
static int64_t told_before(const struct req *r)
{
    int64_t version;
    struct str id = req_header(r, "last-event-id");
    return id.p && str_int(str_trim(id), 0, INT64_MAX, &version) ? version : 0;
}

static enum verdict open_stream(struct req *r)
{
    if (r->work) /* the gates have looked again */
        return NEXT;
    if (!r->facts || r->carried[1].n == 0)
        return req_deny_for(r, ERR_INTERNAL, "a stream of a row whose facts have no epoch");
    struct telling *t = ARENA_NEW(&r->arena, struct telling);
    if (!t)
        return req_deny(r, ERR_NO_MEMORY);
    r->work = t;
    r->let_go = let_go;
    t->told = told_before(r);
    enum err err = events_open(&t->events, r, &r->who->user_id);
    if (err != OK)
        return req_deny(r, err);
    events_reply(r);
    return r->head ? DONE : NEXT;
}

static enum verdict begin(struct req *r)
{
    if (stream_begun(r))
        return NEXT;
    enum verdict v = stream_begin(r);
    if (v == NEXT) { /* from here on the arena is emptied between two events */
        r->kept = r->arena;
        r->arena = (struct arena){ 0 };
        return AGAIN;
    }
    return v;
}

static enum verdict tell(struct req *r)
{
    struct telling *t = telling(r);
    t->events.until = r->until ? r->until : INT64_MAX;
    if (r->who->expires < t->events.until)
        t->events.until = r->who->expires;
    if (r->facts->version == t->told)
        return NEXT;
    struct str event = events_text(r, r->resource->noun, r->facts->version, r->facts->json);
    if (!event.p)
        return req_deny(r, ERR_NO_MEMORY);
    enum verdict v = stream_write(r, event);
    if (v == NEXT) {
        t->told = r->facts->version;
        events_wrote(&t->events);
    }
    return v;
}

/* While it waited for the client the row may have changed, or the access to it. */
static enum verdict gates_look(struct req *r)
{
    r->now = clock_wall();
    return AGAIN;
}

static enum verdict watch(struct req *r)
{
    return events_watch(&telling(r)->events);
}

static enum verdict woken(struct req *r)
{
    switch (events_due(&telling(r)->events)) {
    case EVENTS_ENDING:
        return req_deny(r, ERR_ENDING);
    case EVENTS_AGAIN:
        return gates_look(r);
    case EVENTS_COMMENT:
        return NEXT;
    default:
        return watch(r);
    }
}

static enum verdict comment(struct req *r)
{
    enum verdict v = stream_write(r, STR(":\n\n"));
    if (v != NEXT)
        return v;
    events_wrote(&telling(r)->events);
    return gates_look(r);
}

const struct stage events_steps[] = {
    { "open", open_stream, NULL },
    { "begin", begin, begin },
    { "tell", tell, gates_look },
    { "watch", watch, woken },
    { "comment", comment, comment },
    { 0 },
};
