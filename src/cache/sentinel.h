/* cache/sentinel.h: asks the Sentinels, one after the other, where the master is. Embedded in who asks. */
#ifndef CACHE_SENTINEL_H
#define CACHE_SENTINEL_H

#include "redis_link.h"

struct sentinel {
    /* Set once by the owner; one of them is called for each sentinel_ask. */
    void (*found)(struct sentinel *s, const struct redis_place *master);
    void (*lost)(struct sentinel *s, const char *why); /* none could tell */

    const struct redis_url *url;
    struct link link;
    int at;    /* who is asked; who answered is asked first the next time */
    int tried; /* this time */
    bool greeted; /* the answer to AUTH, if one comes, has come */
};

/* The owner has zeroed it and set its functions; url is borrowed. */
void sentinel_init(struct sentinel *s, const struct redis_url *url);
void sentinel_ask(struct sentinel *s);
/* Asks no more. */
void sentinel_stop(struct sentinel *s);

#endif
