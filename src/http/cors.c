#include "http/cors.h"

#include "base/config.h"
#include "http/reply.h"

/* Whether the origin stands in CORS_ORIGINS; compared whole, so no suffix or prefix trick passes. */
static bool allowed(struct str origin)
{
    struct str list = str_of(config.cors_origins), one;
    while (str_cut(&list, ',', &one))
        if (one.n > 0 && str_eq(str_trim(one), origin))
            return true;
    return false;
}

void cors_reply(struct req *r)
{
    if (config.cors_origins[0] == '\0')
        return;
    reply_header(r, "Vary", STR("Origin"));
    if (!r->origin.p || !allowed(r->origin))
        return;

    reply_header(r, "Access-Control-Allow-Origin", r->origin);
    if (r->method != OPTIONS || !req_header(r, "access-control-request-method").p) {
        reply_header(r, "Access-Control-Expose-Headers",
                     STR("ETag, Location, Retry-After, X-Request-ID, Decision-Id, "
                         "RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset"));
        return;
    }
    reply_header(r, "Access-Control-Allow-Methods", STR("GET, HEAD, POST, PUT, PATCH, DELETE"));
    reply_header(r, "Access-Control-Allow-Headers",
                 STR("Authorization, Content-Type, If-Match, If-None-Match, Idempotency-Key, "
                     "X-API-Key, X-Request-ID, traceparent"));
    reply_header(r, "Access-Control-Max-Age", STR("600"));
}
