/* cache/redis_greet.h: the first words on a connection: who we are, which database, and whether this is a Redis that
 * can be used. All are sent at once.
 */
#ifndef CACHE_REDIS_GREET_H
#define CACHE_REDIS_GREET_H

#include "redis_link.h"

#define GREET_STEPS 6

enum greeted { GREET_FAILED, GREET_ON, GREET_DONE };

struct greet {
    int n, at;
    int steps[GREET_STEPS];
    char version[32]; /* of the server */
    char run_id[48];  /* of its process */
    char why[160];    /* it failed */
};

/* usable: asks for all that commands need (a master, with its data loaded); else only logs in. */
enum err greet_begin(struct greet *g, struct link *l, const struct redis_url *url,
                     bool usable) CHECKED;
/* An answer to them. GREET_ON: there are more. */
enum greeted greet_take(struct greet *g, const struct redis_block *b);

/* AUTH as the URL wants it. */
enum err greet_auth(struct link *l, const struct redis_url *url) CHECKED;

#endif
