#include "http/events.h"

#include "base/clock.h"
#include "base/config.h"
#include "http/reply.h"
#include "http/stream.h"
#include "net/loop.h"

#define LOOK_MS 100                   /* how often all streams are looked at */
#define COMMENT_EVERY (15 * SECOND)   /* so that proxies and clients see that it lives */

static struct {
    struct list streams;
    struct ticker *ticker; /* while there are any */
    unsigned count;
    bool draining;
} events = { .streams = { &events.streams, &events.streams } };

static void look(void *owner)
{
    (void)owner;
    for (struct list *node = events.streams.next; node != &events.streams; node = node->next) {
        const struct events *e = LIST_OF(node, struct events, node);
        if (stream_watching(e->r) && events_due(e) != EVENTS_NOTHING)
            stream_wake(e->r); /* only queues it: the list stays as it is */
    }
}

static unsigned count_of(const struct uuid *principal)
{
    unsigned n = 0;
    for (struct list *node = events.streams.next; node != &events.streams; node = node->next)
        n += uuid_eq(&LIST_OF(node, struct events, node)->principal, principal);
    return n;
}

enum err events_open(struct events *e, struct req *r, const struct uuid *principal)
{
    if (events.draining)
        return ERR_ENDING;
    if (events.count >= (uint64_t)config.events_max)
        return ERR_OVERLOADED;
    if (count_of(principal) >= EVENTS_EACH)
        return ERR_TOO_MANY;
    if (!events.ticker && !(events.ticker = ticker_new(LOOK_MS, look, NULL)))
        return ERR_NO_MEMORY;
    *e = (struct events){ .r = r, .principal = *principal, .until = INT64_MAX };
    list_init(&e->node);
    list_push(&events.streams, &e->node);
    events.count++;
    events_wrote(e);
    return OK;
}

void events_close(struct events *e)
{
    if (!e->r)
        return;
    list_remove(&e->node);
    e->r = NULL;
    if (--events.count == 0) {
        ticker_free(events.ticker);
        events.ticker = NULL;
    }
}

void events_reply(struct req *r)
{
    reply_body(r, 200, "text/event-stream", STR_NONE);
    stream_reply(r, -1);
    r->reply.events = true;
    reply_header(r, "X-Accel-Buffering", STR("no")); /* nginx would hold events back */
}

struct str events_text(struct req *r, const char *kind, int64_t id, struct str data)
{
    struct text t = text_new(&r->arena, data.n + 80);
    text_lit(&t, "event: ");
    text_add(&t, str_of(kind));
    text_lit(&t, "\nid: ");
    text_int(&t, id);
    text_lit(&t, "\ndata: ");
    text_add(&t, data);
    text_lit(&t, "\n\n");
    return t.failed ? STR_NONE : text_str(&t);
}

struct str events_last(struct req *r)
{
    struct text t = text_new(&r->arena, 80);
    if (r->err == OK)
        return STR("");
    text_lit(&t, "event: end\ndata: {\"code\":\"");
    text_add(&t, str_of(err_info(r->err)->code));
    text_lit(&t, "\"}\n\n");
    return t.failed ? STR("") : text_str(&t);
}

enum events_due events_due(const struct events *e)
{
    const struct epochs *carried = e->r->carried;
    if (events.draining)
        return EVENTS_ENDING;
    if (clock_wall() >= e->until || epochs_moved(&carried[0]) || epochs_moved(&carried[1]))
        return EVENTS_AGAIN;
    return clock_mono() >= e->comment ? EVENTS_COMMENT : EVENTS_NOTHING;
}

void events_wrote(struct events *e)
{
    e->comment = clock_mono() + COMMENT_EVERY;
}

enum verdict events_watch(struct events *e)
{
    return stream_watch(e->r);
}

unsigned events_count(void)
{
    return events.count;
}

void events_drain(void)
{
    events.draining = true;
    look(NULL);
}

void events_fini(void)
{
    ticker_free(events.ticker);
    events.ticker = NULL;
}
