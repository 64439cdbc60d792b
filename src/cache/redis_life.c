#include "redis_own.h"

#include "base/config.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/mode.h"
#include "base/random.h"

#include <stdio.h>
#include <stdlib.h>

#define BACKOFF_FIRST (50 * 1000)
#define BACKOFF_MOST (400 * 1000) /* to which the wheel adds 100 on the average */
#define CONNECT_PATIENCE SECOND
#define GREET_PATIENCE (300 * 1000) /* at least; a Redis that takes longer than an ask may is of no use */

int64_t backoff_next(struct backoff *b)
{
    b->delay = b->delay ? b->delay * 2 : BACKOFF_FIRST;
    if (b->delay > BACKOFF_MOST)
        b->delay = BACKOFF_MOST;
    return clock_mono() + b->delay / 2 + random_below((uint32_t)b->delay / 2);
}

/* ---- what is said ---- */

static void set_says(struct redis *r)
{
    char where[REDIS_HOST_MAX + 32];
    if (r->place.port)
        snprintf(where, sizeof(where), "%s:%d/%d", r->place.host, r->place.port, r->url.database);
    else
        snprintf(where, sizeof(where), "the master %.100s of Sentinel", r->url.master);
    if (r->ready)
        snprintf(r->says, sizeof(r->says), "Redis %s at %s",
                 r->greet.version[0] ? r->greet.version : "(version not told)", where);
    else
        snprintf(r->says, sizeof(r->says), "Redis at %s (not connected)", where);
}

/* Once per reason. */
static void say_lost(struct redis *r, const char *why)
{
    set_says(r);
    if (strncmp(r->why, why, sizeof(r->why) - 1) == 0)
        return;
    snprintf(r->why, sizeof(r->why), "%s", why);
    log_say(LOG_WARN, "redis", "%s: %s", r->says, r->why);
}

static void say_connected(struct redis *r)
{
    set_says(r);
    r->why[0] = '\0';
    log_say(LOG_INFO, "redis", "connected to %s", r->says);
}

/* ---- the breaker ---- */

void life_note(struct redis *r, bool ok)
{
    if (!breaker_note(&r->breaker, ok, clock_mono()))
        return;
    metric_set(METRIC_REDIS_BREAKER, 0, r->breaker.open);
    mode_breaker(DEPENDENCY_REDIS, r->breaker.open);
    if (r->breaker.open) {
        log_say(LOG_WARN, "redis", "too many failures: not asked until it answers again");
        deadline_set(&r->probe, r->breaker.probe_at);
    } else {
        log_say(LOG_INFO, "redis", "it answers again");
        deadline_clear(&r->probe);
    }
}

/* Without a connection the attempts to make one are the probes. */
static void probe(struct deadline *d)
{
    struct redis *r = LIST_OF(d, struct redis, probe);
    if (!r->breaker.open)
        return;
    if (r->ready && breaker_allows(&r->breaker, clock_mono()))
        asks_probe(r);
    if (r->breaker.open)
        deadline_set(&r->probe, r->ready ? r->breaker.probe_at : clock_mono() + BREAKER_PROBE);
}

/* ---- the connection ---- */

static void down(struct redis *r, const char *why)
{
    r->ready = false;
    say_lost(r, why);
    asks_fail(r);
    life_note(r, false);
    deadline_set(&r->again, backoff_next(&r->backoff));
}

static void up(struct redis *r)
{
    redis_link_settled(&r->link);
    r->backoff = (struct backoff){ 0 };
    r->ready = true;
    r->connects++;
    metric_add(METRIC_REDIS_CONNECTS, 0, 1);
    say_connected(r);
    life_note(r, true);
    news_follow(r);
    for (int i = 0; i < r->nconnected; i++)
        r->connected[i]();
}

static void go_to(struct redis *r, const struct redis_place *place)
{
    r->place = *place;
    redis_link_open(&r->link, place, clock_mono() + CONNECT_PATIENCE);
}

static void seek(struct deadline *d)
{
    struct redis *r = LIST_OF(d, struct redis, again);
    if (r->url.master[0])
        sentinel_ask(&r->sentinel);
    else
        go_to(r, &r->url.places[0]);
}

static void master_found(struct sentinel *s, const struct redis_place *master)
{
    go_to(LIST_OF(s, struct redis, sentinel), master);
}

static void master_lost(struct sentinel *s, const char *why)
{
    down(LIST_OF(s, struct redis, sentinel), why);
}

static void opened(struct link *l)
{
    struct redis *r = LIST_OF(l, struct redis, link);
    int64_t patience = config.redis_timeout_ms * (SECOND / 1000);
    if (patience < GREET_PATIENCE)
        patience = GREET_PATIENCE;
    deadline_set(&l->patience, clock_mono() + patience);
    if (greet_begin(&r->greet, l, &r->url, true) != OK)
        life_renew(r, "out of memory");
}

static void answered(struct link *l, struct redis_block *b)
{
    struct redis *r = LIST_OF(l, struct redis, link);
    if (r->ready) {
        asks_answer(r, b);
        return;
    }
    enum greeted greeted = greet_take(&r->greet, b);
    block_give(b);
    if (greeted == GREET_DONE)
        up(r);
    else if (greeted == GREET_FAILED)
        life_renew(r, r->greet.why);
}

static void closed(struct link *l, const char *why)
{
    down(LIST_OF(l, struct redis, link), why);
}

void life_renew(struct redis *r, const char *why)
{
    redis_link_close(&r->link);
    down(r, why);
}

static void life_init(struct redis *r)
{
    r->link.opened = opened;
    r->link.answered = answered;
    r->link.closed = closed;
    redis_link_init(&r->link);
    r->sentinel.found = master_found;
    r->sentinel.lost = master_lost;
    sentinel_init(&r->sentinel, &r->url);
    deadline_init(&r->again, seek);
    deadline_init(&r->probe, probe);
    if (!r->url.master[0])
        r->place = r->url.places[0];
    set_says(r);
    seek(&r->again);
}

static void life_fini(struct redis *r)
{
    deadline_clear(&r->again);
    deadline_clear(&r->probe);
    sentinel_stop(&r->sentinel);
    redis_link_close(&r->link);
    r->ready = false;
}

/* ---- the client ---- */

enum err redis_open(struct redis **out, const char *url, const char *prefix)
{
    const char *why;
    *out = NULL;
    struct redis *r = calloc(1, sizeof(*r));
    if (!r || !(r->outlet = calloc(1, sizeof(*r->outlet)))) {
        free(r);
        return ERR_NO_MEMORY;
    }
    enum err err = redis_url_parse(url, &r->url, &why);
    if (err != OK) {
        log_say(LOG_ERROR, "redis", "REDIS_URL cannot be understood: %s", why);
        explicit_bzero(&r->url, sizeof(r->url));
        free(r->outlet);
        free(r);
        return err;
    }
    must(strlen(prefix) < sizeof(r->prefix));
    snprintf(r->prefix, sizeof(r->prefix), "%s", prefix);
    asks_init(r);
    news_init(r);
    life_init(r);
    *out = r;
    return OK;
}

void redis_close(struct redis *r)
{
    if (!r)
        return;
    news_fini(r);
    if (r->ready)
        redis_link_flush(&r->link); /* what nobody waits for: permits given back, the last bumps */
    life_fini(r);
    asks_fini(r);
    metric_set(METRIC_REDIS_BREAKER, 0, 0);
    explicit_bzero(&r->url, sizeof(r->url));
    free(r);
}

bool redis_broken(const struct redis *r)
{
    return r->breaker.open;
}

const char *redis_says(const struct redis *r)
{
    return r->says;
}

struct str redis_run_id(const struct redis *r)
{
    return str_of(r->greet.run_id);
}

int64_t redis_connects(const struct redis *r)
{
    return r->connects;
}

struct str redis_prefix(const struct redis *r)
{
    return str_of(r->prefix);
}

void redis_on_connect(struct redis *r, void (*connected)(void))
{
    must(r->nconnected < REDIS_LISTENERS_MAX);
    r->connected[r->nconnected++] = connected;
}
