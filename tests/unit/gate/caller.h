/* caller.h: requests at gate identity, with a store, a cache and a ring of their own; one user, a session and a key. */
#ifndef GATE_CALLER_H
#define GATE_CALLER_H

#include "../store/fixture.h"

#include "cache/cache.h"
#include "gate/apikey.h"
#include "gate/facts.h"
#include "gate/keyring.h"

#define JWT_SECRET STR("0123456789abcdef0123456789abcdef")
#define ROLE_USER "[\"startup:read\",\"startup:create\"]"

static struct fixture f;
static struct cache *cache;
static struct keyring *keyring;
static struct uuid user, session, key_id;
static char key_text[APIKEY_TEXT];

/* One request at the stage. */
struct asker {
    struct req r;
    enum verdict v;
    bool early; /* went on without having been told to wait */
};

static inline void went_on(struct wait *w)
{
    struct asker *a = (struct asker *)(void *)LIST_OF(w, struct req, wait);
    a->early = a->early || a->v != WAIT;
    a->v = gate_identity_known(&a->r);
}

/* Of nobody yet; then the test gives it what it comes with. */
static inline struct asker *asker_new(void)
{
    struct asker *a = calloc(1, sizeof(*a));
    assert_non_null(a);
    clock_tick();
    a->r.store = f.store;
    a->r.cache = cache;
    a->r.keyring = keyring;
    a->r.now = clock_wall();
    wait_init(&a->r.wait, went_on);
    return a;
}

static inline struct asker *arrives(struct str authorization)
{
    struct asker *a = asker_new();
    a->r.authorization = authorization;
    a->v = gate_identity(&a->r);
    return a;
}

static inline struct asker *answered(struct str authorization)
{
    struct asker *a = arrives(authorization);
    settle();
    return a;
}

static inline void end(struct asker *a)
{
    assert_false(a->early);
    assert_int_equal(a->r.carried[1].n, 0); /* those are of gate facts */
    assert_null(a->r.filling.key.p); /* whoever waits for a fill was told */
    assert_null(a->r.found.held);
    arena_reset(&a->r.arena);
    free(a);
}

static inline void expect_at(int line, struct asker *a, enum verdict v, enum err err)
{
    if (a->v != v || (v == DENY && a->r.err != err))
        fail_msg("line %d: verdict %d, error %s (%s)", line, a->v, err_info(a->r.err)->code,
                 a->r.reason ? a->r.reason : "");
    end(a);
}
#define expect(asker, verdict, err) expect_at(__LINE__, (asker), (verdict), (err))

__attribute__((format(printf, 1, 2))) static inline int64_t run(const char *format, ...)
{
    char text[1000];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return sql(&f, text);
}

static inline const char *hex(const void *bytes, size_t n)
{
    static char rooms[4][80];
    static int next;
    char *out = rooms[next++ & 3];
    for (size_t i = 0; i < n; i++)
        snprintf(out + 2 * i, 3, "%02x", ((const uint8_t *)bytes)[i]);
    return out;
}
#define HEX(id) hex((id).b, 16)

static inline struct str token_of(struct uuid sub, struct uuid sid, int64_t ver)
{
    struct str token;
    int64_t iat = clock_wall() - clock_wall() % SECOND;
    const struct claims c = { .sub = sub,
                              .sid = sid,
                              .jti = id_of(9),
                              .role = STR("user"),
                              .ver = ver,
                              .iat = iat,
                              .exp = iat + HOUR };
    assert_int_equal(jwt_sign(&f.arena, keyring_keys(keyring), &c, clock_wall(), &token), OK);
    struct text t = text_new(&f.arena, 8 + token.n);
    text_lit(&t, "Bearer ");
    text_add(&t, token);
    return text_str(&t);
}

static inline struct str token(void)
{
    return token_of(user, session, 1);
}

static inline struct str key(void)
{
    struct text t = text_new(&f.arena, 80);
    text_lit(&t, "Bearer ");
    text_add(&t, (struct str){ key_text, sizeof(key_text) });
    return text_str(&t);
}

static inline void woke(struct wait *w)
{
    w->wake = NULL;
}

static inline void make_rows(void)
{
    uint8_t hash[SHA256_SIZE];
    long long later = clock_wall() + DAY;
    user = id_of(1);
    session = id_of(2);
    key_id = id_of(3);
    apikey_make(key_text, hash);
    run("update roles set permissions = '" ROLE_USER "' where name = 'user'");
    run("insert into users values (x'%s', 'a@example.com', 'x', 'user', 'active', 1, '{}', 1, 0, "
        "0)",
        HEX(user));
    run("insert into sessions values (x'%s', x'%s', '', '', %lld, null, 1, 0, 0)", HEX(session),
        HEX(user), later);
    run("insert into api_keys values (x'%s', x'%s', 'k', '%.8s', x'%s', "
        "'[\"startup:read\",\"task:read\"]', null, null, '{}', 1, 0, 0)",
        HEX(key_id), HEX(user), key_text + 3, hex(hash, sizeof(hash)));
}

static inline int set_up(void **state)
{
    (void)state;
    enum err err;
    struct wait w;
    fixture_make(&f);
    fixture_open(&f, NULL);
    clock_tick();
    cache = cache_new(&(struct cache_setup){ .max_bytes = 1 << 20 });
    keyring = keyring_new(f.store, JWT_SECRET);
    wait_init(&w, woke);
    keyring_load(keyring, &err, &w);
    settle();
    assert_int_equal(err, OK);
    make_rows();
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    settle();
    keyring_free(keyring);
    cache_free(cache);
    fixture_close(&f);
    fixture_remove(&f);
    return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

#endif
