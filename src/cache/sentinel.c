#include "sentinel.h"

#include "base/clock.h"
#include "redis_greet.h"

#include <stdio.h>

static void ask_one(struct sentinel *s)
{
    s->greeted = s->url->password[0] == '\0';
    redis_link_open(&s->link, &s->url->places[s->at], clock_mono() + SECOND);
}

/* The next one is asked, or there is none left. */
static void pass_on(struct sentinel *s, const char *why)
{
    s->at = (s->at + 1) % s->url->nplaces;
    if (++s->tried < s->url->nplaces)
        ask_one(s);
    else
        s->lost(s, why);
}

static void opened(struct link *l)
{
    struct sentinel *s = LIST_OF(l, struct sentinel, link);
    struct str ask[] = { STR("SENTINEL"), STR("get-master-addr-by-name"), str_of(s->url->master) };
    enum err err = s->greeted ? OK : greet_auth(l, s->url);
    if (err == OK)
        err = redis_link_command(l, 3, ask);
    if (err == OK) {
        redis_link_flush(l);
        return;
    }
    redis_link_close(l);
    pass_on(s, "out of memory");
}

static bool read_place(const struct redis_block *b, struct redis_place *out)
{
    struct str host = block_text(b, 0), port = block_text(b, 1);
    int64_t number;
    if (b->n != 2 || host.n == 0 || host.n >= sizeof(out->host) ||
        !str_int(port, 1, 65535, &number))
        return false;
    memcpy(out->host, host.p, host.n);
    out->host[host.n] = '\0';
    out->port = (int)number;
    return true;
}

static void answered(struct link *l, struct redis_block *b)
{
    struct sentinel *s = LIST_OF(l, struct sentinel, link);
    struct redis_place master;
    struct str error;
    if (!s->greeted) { /* a Sentinel that wants no password refuses one, and answers all the same */
        s->greeted = true;
        block_give(b);
        return;
    }

    char why[160] = "the Sentinels do not know the master of that name";
    if (block_error(b, &error))
        snprintf(why, sizeof(why), "Sentinel: %.*s", STR_ARG(error));
    bool known = read_place(b, &master);
    block_give(b);
    redis_link_close(l);
    if (known)
        s->found(s, &master);
    else
        pass_on(s, why);
}

static void closed(struct link *l, const char *why)
{
    char says[160];
    snprintf(says, sizeof(says), "Sentinel: %s", why);
    pass_on(LIST_OF(l, struct sentinel, link), says);
}

void sentinel_init(struct sentinel *s, const struct redis_url *url)
{
    s->url = url;
    s->link.opened = opened;
    s->link.answered = answered;
    s->link.closed = closed;
    redis_link_init(&s->link);
}

void sentinel_ask(struct sentinel *s)
{
    s->tried = 0;
    ask_one(s);
}

void sentinel_stop(struct sentinel *s)
{
    redis_link_close(&s->link);
}
