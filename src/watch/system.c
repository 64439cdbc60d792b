#include "handlers.h"

#include "base/config.h"
#include "base/metric.h"
#include "gate/facts.h"
#include "http/reply.h"
#include "route/openapi.h"

#include <netinet/in.h>

static struct arena arena; /* the description, written once */
static struct str description;

/* ---- metrics ---- */

static bool is_loopback(const struct in6_addr *a)
{
    return IN6_IS_ADDR_LOOPBACK(a) || (IN6_IS_ADDR_V4MAPPED(a) && a->s6_addr[12] == 127);
}

/* Without a token: loopback, or a network of METRICS_ALLOW. */
static bool is_allowed(const struct in6_addr *address)
{
    struct network allowed[NETWORKS_MAX];
    if (is_loopback(address))
        return true;
    int n = network_list(config.metrics_allow, allowed, NETWORKS_MAX);
    return n > 0 && network_has(allowed, n, address);
}

/* A proxy on this machine that is not in TRUSTED_PROXIES would lend its address to the whole world. */
static bool is_near(const struct req *r)
{
    bool forwarded = req_header(r, "x-forwarded-for").p || req_header(r, "forwarded").p;
    if (forwarded && is_loopback(&r->address))
        return false;
    return r->local || is_allowed(&r->address);
}

static enum verdict metrics(struct req *r)
{
    if (!is_near(r) && !(r->who->permits & PERMIT_BIT(PERMIT_METRICS_READ)))
        return req_deny_for(r, ERR_FORBIDDEN, "metrics:read");

    struct text page = text_new(&r->arena, 32768);
    metric_page(&page);
    if (page.failed)
        return req_deny(r, ERR_NO_MEMORY);
    reply_body(r, 200, "text/plain; version=0.0.4; charset=utf-8", text_str(&page));
    return NEXT;
}

/* ---- the description of the API ---- */

static enum verdict openapi(struct req *r)
{
    reply_json(r, 200, description);
    return NEXT;
}

enum err watch_init(const struct watch_setup *setup)
{
    struct text text = text_new(&arena, 65536);
    health_init(setup);
    openapi_write(&text);
    if (text.failed)
        return ERR_NO_MEMORY;
    description = text_str(&text);
    return OK;
}

void watch_fini(void)
{
    arena_reset(&arena);
    description = STR_NONE;
}

/* ---- the table ---- */

static const struct action system_actions[] = {
    { GET, "/health",
      .permit = PERMIT_ANYONE, .rate = RATE_NONE, .any_mode = true, .plain = true,
      .run    = health,        .then = health_known,
      .says   = "Each dependency, tested now; 503 when one fails." },
    { GET, "/health/live",
      .permit = PERMIT_ANYONE, .rate = RATE_NONE, .any_mode = true, .plain = true,
      .run    = health_live,
      .says   = "Whether this process answers; depends on nothing else." },
    { GET, "/health/ready",
      .permit = PERMIT_ANYONE, .rate = RATE_NONE, .any_mode = true, .plain = true,
      .run    = health_ready,  .then = health_ready_known,
      .says   = "Whether to send work here; 503 while draining or without the store." },
    { GET, "/metrics",
      .permit = PERMIT_ANYONE, .rate = RATE_DEFAULT, .any_mode = true, .plain = true,
      .run    = metrics,
      .says   = "Prometheus text format; from loopback and METRICS_ALLOW, else with metrics:read." },
    { GET, "/openapi.json",
      .permit = PERMIT_ANYONE, .rate = RATE_DEFAULT, .any_mode = true, .plain = true,
      .run    = openapi,
      .says   = "This API, as OpenAPI 3.1." },
};

const struct resource system_resource = {
    .noun = "system", .plural = "system", .no_metadata = true, RESOURCE_ACTIONS(system_actions),
};
