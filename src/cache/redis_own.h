/* cache/redis_own.h: what the files of the Redis client share.
 *     redis.c        asks and answers
 *     redis_life.c   the client, and its connection: found, made, greeted, lost, made again
 *     redis_news.c   the subscription
 */
#ifndef CACHE_REDIS_OWN_H
#define CACHE_REDIS_OWN_H

#include "base/breaker.h"
#include "base/clock.h"
#include "net/loop.h"
#include "redis_greet.h"
#include "redis_link.h"
#include "sentinel.h"

#define REDIS_LISTENERS_MAX 4
#define REDIS_PREFIX_MAX 64

/* Writes at the end of each turn. The loop takes no hook back, so it outlives its client: one per redis_open. */
struct outlet {
    struct turn_hook hook;
    struct wait kick; /* makes sure that the turn ends, whoever asked and when */
    struct link *link; /* NULL: closed */
    struct outlet *next;
};

/* The wait before the next attempt: 50 ms, doubled to 400 ms, of which up to a half is left out by chance. */
struct backoff {
    int64_t delay;
};
int64_t backoff_next(struct backoff *b); /* when, in monotonic microseconds */

struct news {
    struct link link;
    struct greet greet;
    struct deadline again;
    struct backoff backoff;
    char channel[REDIS_PREFIX_MAX * 2];
    void (*heard)(struct str message); /* NULL: nothing is subscribed to */
    bool lost; /* and said so */
};

struct redis {
    struct redis_url url;
    char prefix[REDIS_PREFIX_MAX];
    char says[REDIS_HOST_MAX + 96];

    /* The connection. */
    struct link link;
    struct greet greet;
    struct sentinel sentinel;
    struct redis_place place; /* where Redis was last looked for */
    bool ready;               /* commands may be sent */
    int64_t connects;
    struct deadline again;    /* the next attempt */
    struct backoff backoff;
    char why[200];            /* it is not there: what the log has said about it */
    void (*connected[REDIS_LISTENERS_MAX])(void);
    int nconnected;
    struct breaker breaker;
    struct deadline probe;    /* while the breaker is open */
    struct news news;

    /* What is under way, in the order of the answers. */
    struct list asks;
    int nasks;
    struct deadline overdue; /* set while there are asks, at the time of the oldest or before */
    bool watched;
    struct outlet *outlet;
    int64_t grumbled; /* when a refused command was last logged */
};

/* redis.c */
void asks_init(struct redis *r);
/* All that is under way has failed, and there will be no more. */
void asks_fini(struct redis *r);
/* An answer to the oldest ask; b is taken over. */
void asks_answer(struct redis *r, struct redis_block *b);
/* The connection is lost: all that is under way has failed. */
void asks_fail(struct redis *r);
/* A PING in spite of the breaker, for its sake. */
void asks_probe(struct redis *r);

/* redis_life.c */
/* The connection is of no use: it is closed, and made anew. */
void life_renew(struct redis *r, const char *why);
/* What came of an ask, for the breaker. */
void life_note(struct redis *r, bool ok);

/* redis_news.c */
void news_init(struct redis *r);
void news_fini(struct redis *r);
/* The connection for commands is there, perhaps to another Redis than before. */
void news_follow(struct redis *r);

#endif
