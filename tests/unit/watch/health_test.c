/* What operators are told, and who may read the metrics. The handlers are found where the router finds them: in the
 * table. */
#include "../store/fixture.h"

#include "gate/facts.h"
#include "http/reply.h"
#include "watch/watch.h"

static struct fixture fixture;
static struct cache *cache;
static struct req request;
static struct principal who;
static atomic_int running;
static struct watch_setup setup = { .workers = 2, .running = &running };

static const struct action *action_of(const char *path)
{
    for (int i = 0; i < system_resource.nactions; i++)
        if (strcmp(system_resource.actions[i].path, path) == 0)
            return &system_resource.actions[i];
    fail();
    return NULL;
}

static void nothing(struct wait *w)
{
    (void)w;
}

static struct req *begin(void)
{
    rows_fini(&request.rows);
    arena_reset(&request.arena);
    request = (struct req){ .store = fixture.store, .cache = cache, .who = &who };
    request.address.s6_addr[10] = request.address.s6_addr[11] = 0xff;
    request.address.s6_addr[12] = 127;
    request.address.s6_addr[15] = 1;
    who = (struct principal){ 0 };
    wait_init(&request.wait, nothing);
    return &request;
}

/* Walks the handler; err: what the store is made to answer. */
static int reply_to(const char *path, enum err err)
{
    struct req *r = begin();
    r->action = action_of(path);
    enum verdict v = r->action->run(r);
    if (v == WAIT) {
        settle();
        if (err != OK)
            r->rows.err = err;
        v = r->action->then(r);
    }
    assert_int_equal(v, NEXT);
    return r->reply.status;
}

static bool says(const char *what)
{
    return memmem(request.reply.body.p, request.reply.body.n, what, strlen(what)) != NULL;
}

static int set_up(void **state)
{
    (void)state;
    fixture_make(&fixture);
    fixture_open(&fixture, NULL);
    cache = cache_new(&(struct cache_setup){ .max_bytes = 1 << 20 });
    config.metrics_allow = (char *)"10.1.0.0/16,2001:db8::/32";
    clock_tick();
    atomic_store(&running, 2);
    static const struct resource *const all[] = { &system_resource, NULL };
    resources_init(all);
    setup.started = clock_mono() - 90 * SECOND;
    return watch_init(&setup) == OK ? 0 : 1;
}

static int tear_down(void **state)
{
    (void)state;
    begin();
    watch_fini();
    cache_free(cache);
    fixture_close(&fixture);
    fixture_remove(&fixture);
    return 0;
}

/* ---- health ---- */

static void health_tests_the_store(void **state)
{
    (void)state;
    assert_int_equal(reply_to("/health", OK), 200);
    assert_true(says("\"status\":\"ok\"") && says("\"version\":\"" GATEHOUSE_VERSION "\""));
    assert_true(says("\"store\":{\"status\":\"ok\",\"microseconds\":") && says("SQLite"));
    assert_true(says("\"workers\":{\"configured\":2,\"running\":2}"));
    assert_true(says("\"uptime_seconds\":90"));
    assert_false(says("gatehouse.db")); /* where it lies helps an attacker only */
    assert_true(says("\"limits\":{\"profile\":\"standard\"}"));

    assert_int_equal(reply_to("/health", ERR_UNAVAILABLE), 503);
    assert_true(says("\"status\":\"failed\"") && says("\"store\":{\"status\":\"unavailable\""));
}

static void limits_that_are_off_are_said_loudly(void **state)
{
    (void)state;
    config.rate_limit_profile = PROFILE_OFF;
    assert_int_equal(reply_to("/health", OK), 200);
    config.rate_limit_profile = PROFILE_STANDARD;
    assert_true(says("\"profile\":\"off\"") && says("LIMITS ARE OFF"));
}

static void a_dead_worker_degrades(void **state)
{
    (void)state;
    atomic_store(&running, 1);
    assert_int_equal(reply_to("/health", OK), 200);
    atomic_store(&running, 2);
    assert_true(says("\"status\":\"degraded\"") && says("\"running\":1"));
}

static void ready_needs_the_store_and_live_does_not(void **state)
{
    (void)state;
    assert_int_equal(reply_to("/health/ready", OK), 200);
    assert_int_equal(reply_to("/health/ready", ERR_UNAVAILABLE), 503);
    request.store = NULL;
    assert_int_equal(reply_to("/health/live", ERR_UNAVAILABLE), 200);
    assert_null(action_of("/health/live")->then);
}

static void a_draining_worker_is_live_but_not_ready(void **state)
{
    (void)state;
    watch_drain();
    assert_int_equal(reply_to("/health/ready", OK), 503);
    assert_true(says("draining"));
    assert_int_equal(reply_to("/health", OK), 503);
    assert_int_equal(reply_to("/health/live", OK), 200);
    assert_int_equal(watch_init(&setup), OK);
}

/* ---- metrics ---- */

static enum verdict metrics_for(const char *address, uint64_t permits, const char *forwarded)
{
    struct req *r = begin();
    r->action = action_of("/metrics");
    assert_true(network_address(str_of(address), &r->address));
    who.permits = permits;
    if (forwarded)
        r->headers[r->nheaders++] = (struct header){ STR("X-Forwarded-For"), str_of(forwarded) };
    return r->action->run(r);
}

static void loopback_and_the_named_networks_read_the_metrics(void **state)
{
    (void)state;
    static const char *const may[] = { "127.0.0.1", "127.8.8.8", "::1", "10.1.2.3", "2001:db8::5" };
    static const char *const may_not[] = { "10.2.0.1", "192.0.2.1", "2001:db9::1", "128.0.0.1",
                                           "::2" };
    for (int i = 0; i < COUNT(may); i++)
        assert_int_equal(metrics_for(may[i], 0, NULL), NEXT);
    assert_string_equal(request.reply.type, "text/plain; version=0.0.4; charset=utf-8");
    for (int i = 0; i < COUNT(may_not); i++) {
        assert_int_equal(metrics_for(may_not[i], 0, NULL), DENY);
        assert_int_equal(request.err, ERR_FORBIDDEN);
    }
}

static void others_need_the_permission(void **state)
{
    (void)state;
    assert_int_equal(metrics_for("192.0.2.1", PERMIT_BIT(PERMIT_METRICS_READ), NULL), NEXT);
    assert_int_equal(metrics_for("192.0.2.1", PERMIT_BIT(PERMIT_LOGS_READ), NULL), DENY);
}

static void a_stranger_behind_a_local_proxy_is_not_loopback(void **state)
{
    (void)state;
    assert_int_equal(metrics_for("127.0.0.1", 0, "192.0.2.1"), DENY);
    assert_int_equal(metrics_for("10.1.2.3", 0, "10.1.2.3"), NEXT); /* named by a proxy that is trusted */
    assert_int_equal(metrics_for("127.0.0.1", PERMIT_BIT(PERMIT_METRICS_READ), "192.0.2.1"), NEXT);
}

static void the_description_is_ready(void **state)
{
    (void)state;
    assert_int_equal(reply_to("/openapi.json", OK), 200);
    assert_true(says("\"openapi\":\"3.1") && says("/health/ready"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(health_tests_the_store),
        cmocka_unit_test(limits_that_are_off_are_said_loudly),
        cmocka_unit_test(a_dead_worker_degrades),
        cmocka_unit_test(ready_needs_the_store_and_live_does_not),
        cmocka_unit_test(a_draining_worker_is_live_but_not_ready),
        cmocka_unit_test(loopback_and_the_named_networks_read_the_metrics),
        cmocka_unit_test(others_need_the_permission),
        cmocka_unit_test(a_stranger_behind_a_local_proxy_is_not_loopback),
        cmocka_unit_test(the_description_is_ready),
    };
    return cmocka_run_group_tests_name("watch/health", tests, set_up, tear_down);
}
