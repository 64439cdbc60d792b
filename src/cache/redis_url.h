/* cache/redis_url.h: where Redis is and who we are there, as REDIS_URL says it. */
#ifndef CACHE_REDIS_URL_H
#define CACHE_REDIS_URL_H

#include "base/err.h"

#define REDIS_PLACES_MAX 8
#define REDIS_HOST_MAX 256

struct redis_place {
    char host[REDIS_HOST_MAX]; /* a name or an address, without brackets */
    int port;
};

struct redis_url {
    int nplaces;
    struct redis_place places[REDIS_PLACES_MAX]; /* of Redis itself (one), or of the Sentinels */
    char master[128];   /* behind Sentinel: what they call it; else empty */
    char user[128];     /* empty: the default one */
    char password[512]; /* empty: none */
    int database;
};

/* ERR_INVALID: then `why` is a sentence for the log, without anything of the URL. */
enum err redis_url_parse(const char *text, struct redis_url *out, const char **why) CHECKED;

#endif
