#include "redis_own.h"

#include "base/log.h"

#include <stdio.h>

#define NEWS_PATIENCE SECOND

static struct redis *redis_of(struct news *n)
{
    return LIST_OF(n, struct redis, news);
}

/* Only where commands go too: a Redis that cannot take them has no news. */
static void subscribe(struct news *n)
{
    struct redis *r = redis_of(n);
    deadline_clear(&n->again);
    if (n->heard && r->ready && n->link.state == LINK_CLOSED)
        redis_link_open(&n->link, &r->place, clock_mono() + NEWS_PATIENCE);
}

static void again(struct deadline *d)
{
    subscribe(LIST_OF(d, struct news, again));
}

static void lose(struct news *n, const char *why)
{
    if (!n->lost)
        log_say(LOG_WARN, "redis", "the subscription is lost: %s", why);
    n->lost = true;
    deadline_set(&n->again, backoff_next(&n->backoff));
}

static void opened(struct link *l)
{
    struct news *n = LIST_OF(l, struct news, link);
    if (greet_begin(&n->greet, l, &redis_of(n)->url, false) == OK)
        return;
    redis_link_close(l);
    lose(n, "out of memory");
}

static void greeted(struct news *n, const struct redis_block *b)
{
    struct str command[] = { STR("SUBSCRIBE"), str_of(n->channel) };
    enum greeted got = greet_take(&n->greet, b);
    if (got == GREET_ON)
        return;
    if (got == GREET_DONE && redis_link_command(&n->link, 2, command) == OK) {
        redis_link_flush(&n->link);
        return;
    }
    redis_link_close(&n->link);
    lose(n, got == GREET_FAILED ? n->greet.why : "out of memory");
}

static void take(struct news *n, const struct redis_block *b)
{
    struct str kind = block_text(b, 0), error;
    if (b->n == 3 && str_eq(kind, STR("message"))) {
        n->heard(block_text(b, 2));
    } else if (str_eq(kind, STR("subscribe"))) {
        redis_link_settled(&n->link);
        n->backoff = (struct backoff){ 0 };
        n->lost = false;
        log_say(LOG_INFO, "redis", "subscribed to %s", n->channel);
        n->heard(STR_NONE); /* what came meanwhile is lost */
    } else if (block_error(b, &error)) {
        char why[160];
        snprintf(why, sizeof(why), "%.*s", STR_ARG(error));
        redis_link_close(&n->link);
        lose(n, why);
    }
}

static void answered(struct link *l, struct redis_block *b)
{
    struct news *n = LIST_OF(l, struct news, link);
    if (n->greet.at < n->greet.n)
        greeted(n, b);
    else
        take(n, b);
    block_give(b);
}

static void closed(struct link *l, const char *why)
{
    lose(LIST_OF(l, struct news, link), why);
}

void news_init(struct redis *r)
{
    r->news.link.opened = opened;
    r->news.link.answered = answered;
    r->news.link.closed = closed;
    redis_link_init(&r->news.link);
    deadline_init(&r->news.again, again);
}

void news_fini(struct redis *r)
{
    deadline_clear(&r->news.again);
    redis_link_close(&r->news.link);
}

void news_follow(struct redis *r)
{
    struct news *n = &r->news;
    bool same =
        n->link.place.port == r->place.port && strcmp(n->link.place.host, r->place.host) == 0;
    if (!same)
        redis_link_close(&n->link);
    subscribe(n);
}

void redis_subscribe(struct redis *r, const char *channel, void (*heard)(struct str message))
{
    must(!r->news.heard && strlen(channel) < REDIS_PREFIX_MAX);
    snprintf(r->news.channel, sizeof(r->news.channel), "%s%s", r->prefix, channel);
    r->news.heard = heard;
    subscribe(&r->news);
}

void redis_resubscribe(struct redis *r)
{
    redis_link_close(&r->news.link);
    subscribe(&r->news);
}
