/* Health. Live: this process answers. Ready: it should be given work. Whole: what each dependency says now. */
#include "handlers.h"

#include "base/clock.h"
#include "base/config.h"
#include "base/json.h"
#include "base/mode.h"
#include "cache/redis.h"
#include "http/reply.h"

static struct watch_setup setup;
static bool draining;

void health_init(const struct watch_setup *with)
{
    setup = *with;
    draining = false;
}

void watch_drain(void)
{
    draining = true;
}

enum verdict health_live(struct req *r)
{
    reply_json(r, 200, STR("{\"status\":\"live\"}"));
    return NEXT;
}

/* ---- ready ---- */

enum verdict health_ready(struct req *r)
{
    if (draining) {
        reply_json(r, 503, STR("{\"status\":\"draining\"}"));
        return NEXT;
    }
    store_ping(r->store, &r->rows, &r->wait);
    return WAIT;
}

enum verdict health_ready_known(struct req *r)
{
    if (r->rows.err == OK)
        reply_json(r, 200, STR("{\"status\":\"ready\"}"));
    else
        reply_json(r, 503, STR("{\"status\":\"the store does not answer\"}"));
    return NEXT;
}

/* ---- whole ---- */

enum verdict health(struct req *r)
{
    int64_t *asked = arena_alloc(&r->arena, sizeof(*asked));
    if (!asked)
        return req_deny(r, ERR_NO_MEMORY);
    *asked = clock_mono_now();
    r->work = asked;
    store_ping(r->store, &r->rows, &r->wait);
    return WAIT;
}

static void put_lanes(struct text *t, const struct req *r)
{
    json_key(t, "lanes");
    text_char(t, '{');
    for (int i = 0; i < LANE_COUNT; i++) {
        struct lane_health lane = store_lane(r->store, (enum lane)i);
        text_printf(t, "%s\"%s\":{\"up\":%s,\"open\":%d,\"in_use\":%d,\"queued\":%d}", i ? "," : "",
                    lane_name((enum lane)i), lane.up ? "true" : "false", lane.open, lane.in_use,
                    lane.queued);
    }
    text_char(t, '}');
}

static void put_store(struct text *t, const struct req *r)
{
    const int64_t *asked = r->work;
    struct str engine = str_of(store_says(r->store));
    const char *place = memmem(engine.p, engine.n, " at ", 4);
    if (place)
        engine.n = (size_t)(place - engine.p); /* where it lies is the operator's business */
    json_key(t, "store");
    text_lit(t, "{\"status\":");
    json_put_text(t, str_of(r->rows.err == OK ? "ok" : err_info(r->rows.err)->code));
    json_key(t, "microseconds");
    text_int(t, clock_mono_now() - *asked);
    json_key(t, "engine");
    json_put_text(t, engine);
    if (setup.fallback) {
        json_key(t, "warning");
        json_put_text(t, STR("POSTGRESQL WAS NOT THERE: this node uses its embedded store"));
    }
    if (store_shared(r->store))
        put_lanes(t, r);
    text_char(t, '}');
}

/* Without Redis windows and facts are this node's own: it works on, but is not whole. */
static bool redis_lost(void)
{
    return setup.redis && !redis_up(setup.redis);
}

static void put_cache(struct text *t, const struct req *r)
{
    json_key(t, "cache");
    text_lit(t, "{\"status\":");
    json_put_text(t, redis_lost() ? STR("unavailable") : STR("ok"));
    json_key(t, "engine");
    json_put_text(t, setup.redis ? STR("memory and Redis") : STR("memory"));
    json_key(t, "bytes");
    text_int(t, (int64_t)cache_bytes(r->cache));
    json_key(t, "entries");
    text_int(t, (int64_t)cache_entries(r->cache));
    text_char(t, '}');
}

static void put_limits(struct text *t)
{
    static const char *const profiles[] = { "standard", "strict", "off" };
    json_key(t, "limits");
    text_lit(t, "{\"profile\":");
    json_put_text(t, str_of(profiles[config.rate_limit_profile]));
    if (config.rate_limit_profile == PROFILE_OFF) {
        json_key(t, "warning");
        json_put_text(t, STR("LIMITS ARE OFF: nothing but failed sign-ins is refused"));
    }
    text_char(t, '}');
}

/* Why the mode is what it is, unless it is normal. */
static void put_mode(struct text *t)
{
    if (mode_now() == MODE_NORMAL)
        return;
    json_key(t, "mode_cause");
    json_put_text(t, !mode_known()                          ? STR("not read from the store yet")
                     : mode_by_hand() >= mode_by_breakers() ? STR("set by hand")
                                                            : STR("open breakers"));
}

static const char *status_of(const struct req *r, int running)
{
    if (draining)
        return "draining";
    if (r->rows.err != OK)
        return "failed";
    return running < setup.workers || redis_lost() || setup.fallback ? "degraded" : "ok";
}

enum verdict health_known(struct req *r)
{
    int running = atomic_load(setup.running);
    struct text t = text_new(&r->arena, 512);

    text_lit(&t, "{\"status\":");
    json_put_text(&t, str_of(status_of(r, running)));
    json_key(&t, "version");
    json_put_text(&t, STR(GATEHOUSE_VERSION));
    json_key(&t, "mode");
    json_put_text(&t, str_of(mode_name(mode_now())));
    put_mode(&t);
    put_store(&t, r);
    put_cache(&t, r);
    put_limits(&t);
    json_key(&t, "workers");
    text_printf(&t, "{\"configured\":%d,\"running\":%d}", setup.workers, running);
    json_key(&t, "uptime_seconds");
    text_int(&t, (clock_mono() - setup.started) / SECOND);
    text_char(&t, '}');
    if (t.failed)
        return req_deny(r, ERR_NO_MEMORY);
    reply_json(r, r->rows.err == OK && !draining ? 200 : 503, text_str(&t));
    return NEXT;
}
