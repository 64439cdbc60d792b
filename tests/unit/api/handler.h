/* An action's handler on a store of its own: the rows of the pipeline from `facts` to `commit`, without a
 * connection. */
#ifndef API_HANDLER_H
#define API_HANDLER_H

#include "../store/fixture.h"

#include "api/all.h"
#include "api/crud.h"
#include "cache/cache.h"
#include "cache/window.h"
#include "gate/keyring.h"
#include "crypto/password.h"
#include "net/offload.h"

#define PASSWORD "the right password"
#define CREDENTIALS "{\"email\":\"a@example.com\",\"password\":\"" PASSWORD "\"}"
#define WINDOWS 1024

static struct fixture f;
static struct principal who;
static struct cache *cache;
static struct windows *windows;
static void *table; /* of the windows */
static struct offload *passwords;
static struct keyring *keyring;
static int64_t later; /* how far the requests' clock is ahead */

/* One request; given back with done(). */
struct call {
    struct req r;
    const struct stage *at; /* of the rows below */
    enum verdict v;
};

static inline enum verdict inner(struct req *r, bool resumed)
{
    for (; r->inner->name; r->inner++, resumed = false) {
        enum verdict v = resumed ? r->inner->resume(r) : r->inner->enter(r);
        if (v != NEXT)
            return v;
    }
    r->inner = NULL;
    return NEXT;
}

static inline enum verdict handle(struct req *r)
{
    change_init(&r->change, &r->arena);
    r->inner = r->action->steps;
    return r->inner ? inner(r, false) : r->action->run(r);
}

static inline enum verdict handle_goes_on(struct req *r)
{
    return r->inner ? inner(r, true) : r->action->then(r);
}

static inline enum verdict make(struct req *r)
{
    if (r->change.n == 0)
        return NEXT;
    rows_fini(&r->rows);
    store_commit(r->store, &r->change, &r->rows, &r->wait);
    return WAIT;
}

static inline enum verdict made(struct req *r)
{
    if (r->rows.err != OK)
        return req_deny(r, r->rows.err);
    return r->action->made ? r->action->made(r) : NEXT;
}

static const struct stage path[] = {
    { "facts", gate_facts, gate_facts_known },
    { "input", input_read, NULL },
    { "handle", handle, handle_goes_on },
    { "commit", make, made },
    { 0 },
};

static inline void walk(struct call *c, bool resumed)
{
    for (; c->at->name; c->at++, resumed = false) {
        c->v = resumed ? c->at->resume(&c->r) : c->at->enter(&c->r);
        if (c->v != NEXT)
            return;
    }
}

static inline void went_on(struct wait *w)
{
    walk((struct call *)(void *)LIST_OF(w, struct req, wait), true);
}

static inline const struct action *action_of(const struct resource *res, enum method method,
                                             const char *where)
{
    for (int i = 0; i < res->nactions; i++)
        if (res->actions[i].method == method && strcmp(res->actions[i].path, where) == 0)
            return &res->actions[i];
    fail_msg("no action %s", where);
    return NULL;
}

/* Begins one; settle() lets all that were begun come to their end. */
static inline struct call *begin(const struct resource *res, enum method method, const char *where,
                                 const struct uuid *id, const char *body)
{
    struct call *c = calloc(1, sizeof(*c));
    assert_non_null(c);
    struct req *r = &c->r;
    clock_tick();
    r->now = clock_wall() + later;
    r->store = f.store;
    r->cache = cache;
    r->windows = windows;
    r->passwords = passwords;
    r->keyring = keyring;
    r->who = &who;
    r->resource = res;
    r->action = action_of(res, method, where);
    r->method = method;
    r->body = str_of(body);
    r->content_type = STR("application/json");
    r->id = STR("test");
    assert_true(network_address(STR("192.0.2.1"), &r->address));
    if (id) {
        r->target_ids.id = *id;
        r->target_ids.n = 1;
    }
    wait_init(&r->wait, went_on);
    c->at = path;
    walk(c, false);
    return c;
}

static inline struct call *call(const struct resource *res, enum method method, const char *where,
                                const struct uuid *id, const char *body)
{
    struct call *c = begin(res, method, where, id, body);
    settle();
    return c;
}

static inline void done(struct call *c)
{
    rows_fini(&c->r.rows);
    rows_fini(&c->r.found);
    arena_reset(&c->r.arena);
    free(c);
}

static inline void expect_at(int line, struct call *c, enum err err, int status)
{
    if ((c->v == NEXT ? OK : c->r.err) != err || (c->v == NEXT && c->r.reply.status != status))
        fail_msg("line %d: verdict %d, %s (%s), status %d", line, c->v, err_info(c->r.err)->code,
                 c->r.reason ? c->r.reason : "", c->r.reply.status);
}
/* What came of it. */
#define expect(c, status) expect_at(__LINE__, (c), OK, (status))
#define expect_denied(c, err) expect_at(__LINE__, (c), (err), 0)

static inline void end_at(int line, struct call *c, enum err err, int status)
{
    expect_at(line, c, err, status);
    done(c);
}
/* The same, and it is given back. */
#define did(c, status) end_at(__LINE__, (c), OK, (status))
#define denied(c, err) end_at(__LINE__, (c), (err), 0)

/* A text member of the reply; in the fixture's arena. */
static inline struct str member(const struct call *c, const char *name)
{
    const struct json *body, *v;
    assert_int_equal(json_read(&f.arena, str_copy(&f.arena, c->r.reply.body), &body), OK);
    v = json_get(body, name);
    assert_non_null(v);
    return json_text(v);
}

__attribute__((format(printf, 1, 2))) static inline const char *text(const char *format, ...)
{
    static char rooms[4][2000];
    static int next;
    char *out = rooms[next++ & 3];
    va_list args;
    va_start(args, format);
    vsnprintf(out, sizeof(rooms[0]), format, args);
    va_end(args);
    return out;
}

/* 32 digits, for SQL. */
static inline const char *hex(const struct uuid *id)
{
    char out[33];
    for (int i = 0; i < 16; i++)
        snprintf(out + 2 * (size_t)i, 3, "%02x", id->b[i]);
    return text("%s", out);
}

static inline int64_t run(const char *statement)
{
    return sql(&f, statement);
}

/* ---- a world with one user ---- */

static struct uuid user;

static inline void add_user(const struct uuid *id, const char *email, const char *role,
                            const char *hash)
{
    run(text("insert into users values (x'%s', '%s', '%s', '%s', 'active', 1, '{}', 1, 0, 0)",
             hex(id), email, hash, role));
}

static inline void keys_here(struct wait *w)
{
    w->wake = NULL;
}

static inline int set_up(void **state)
{
    (void)state;
    enum err err;
    struct wait w;
    char hash[PASSWORD_HASH + 1];
    fixture_make(&f);
    fixture_open(&f, NULL);
    clock_tick();
    resources_init(api_resources);
    config.bcrypt_cost = 10;
    config.jwt_expire_minutes = 30;
    config.registration = REGISTRATION_OPEN;
    later = 0;
    cache = cache_new(&(struct cache_setup){ .max_bytes = 1 << 20 });
    table = calloc(1, windows_size(WINDOWS));
    windows = windows_new(table, WINDOWS, NULL);
    passwords = offload_new(2, 4, 0);
    keyring = keyring_new(f.store, STR("0123456789abcdef0123456789abcdef"));
    wait_init(&w, keys_here);
    keyring_load(keyring, &err, &w);
    settle();
    assert_int_equal(err, OK);
    user = id_of(1);
    assert_int_equal(password_hash(STR(PASSWORD), 10, hash), OK);
    add_user(&user, "a@example.com", "user", hash);
    who = (struct principal){ 0 };
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    settle();
    keyring_free(keyring);
    offload_free(passwords);
    cache_free(cache);
    windows_free(windows);
    free(table);
    fixture_close(&f);
    fixture_remove(&f);
    return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

#endif
