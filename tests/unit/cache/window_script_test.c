/* The arithmetic of the script that counts windows in Redis, against a plain model, with the clock in a key of the
 * test: random steps, edges of buckets, long silence, and a clock that goes back.
 */
#include "on_redis.h"

#include "../../../src/cache/share.c"

#define MODEL_BUCKETS 60000
#define WINDOWS 3

static struct redis *redis;

/* xorshift64* (Vigna, 2016) */
static uint64_t draw(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(2685821657736338717) >> 8;
}

/* ---- the model ---- */

struct model {
    struct window w;
    bool ahead;
    int64_t width, first; /* the bucket that permits[0] is */
    int64_t permits[MODEL_BUCKETS];
    int64_t newest; /* 0: none */
    int64_t b;      /* the running one, in this step */
};

static int64_t *permits_of(struct model *m, int64_t bucket)
{
    assert_true(bucket >= m->first && bucket < m->first + MODEL_BUCKETS);
    return &m->permits[bucket - m->first];
}

static int64_t counted(const struct model *m)
{
    return m->ahead ? 63 : 61;
}

static int64_t sum_of(struct model *m)
{
    int64_t sum = 0;
    for (int64_t b = m->b - counted(m) + 1; b <= m->b; b++)
        sum += *permits_of(m, b);
    return sum;
}

static void model_tick(struct model *m, int64_t now)
{
    m->b = now / m->width;
    if (m->newest > m->b && m->newest <= m->b + 3) {
        m->b = m->newest;
    } else if (m->newest > m->b) { /* all counts as of the next bucket */
        int64_t sum = 0;
        for (int64_t b = m->newest - 200; b <= m->newest; b++) {
            sum += *permits_of(m, b);
            *permits_of(m, b) = 0;
        }
        m->newest = ++m->b;
        *permits_of(m, m->b) = sum;
    }
    for (int64_t b = m->b - 200; b <= m->b - counted(m); b++)
        *permits_of(m, b) = 0;
    if (m->newest <= m->b - counted(m))
        m->newest = 0;
}

static void model_back(struct model *m, const struct claim *c)
{
    int64_t at = c->bucket;
    if (c->asked == CLAIM_RETURN) {
        for (at = m->b - counted(m) + 1; at < m->b && *permits_of(m, at) == 0;)
            at++;
        *permits_of(m, at) -= *permits_of(m, at) > 0;
    } else if (c->back > 0) {
        int64_t had = *permits_of(m, at);
        *permits_of(m, at) -= c->back < had ? c->back : had;
    }
}

static int64_t reset_at(struct model *m, int64_t taken)
{
    int64_t sum = sum_of(m), b = m->newest;
    if (sum == 0)
        return 0;
    if (taken == 0 && sum >= m->w.limit) {
        for (b = m->b - counted(m); sum >= m->w.limit;)
            sum -= *permits_of(m, ++b);
    }
    return (b + counted(m)) * m->width;
}

/* ---- one step of both ---- */

static void set_clock(int64_t now)
{
    char key[64], seconds[24], rest[24];
    int k = snprintf(key, sizeof(key), "%sclock", test_prefix);
    int s = snprintf(seconds, sizeof(seconds), "%lld", (long long)(now / SECOND));
    int u = snprintf(rest, sizeof(rest), "%lld", (long long)(now % SECOND));
    struct str argv[] = { STR("HSET"), { key, (size_t)k }, STR("s"), { seconds, (size_t)s },
                          STR("u"),    { rest, (size_t)u } };
    redis_ask(redis, 6, argv, NULL, NULL);
}

static void step(struct model *models, const struct claim *claims, int n, int64_t now,
                 struct grant *grants)
{
    struct redis_reply reply = { 0 };
    struct wait w;
    wait_init(&w, woken);
    set_clock(now);
    share_ask(redis, claims, n, &reply, &w);
    loop_run();
    assert_true(share_read(&reply, claims, n, now, grants));
    redis_reply_fini(&reply);

    bool pass = true;
    for (int i = 0; i < n; i++) {
        model_tick(&models[i], now);
        model_back(&models[i], &claims[i]);
        pass = pass && (claims[i].asked <= 0 || sum_of(&models[i]) < models[i].w.limit);
    }
    for (int i = 0; i < n; i++) {
        struct model *m = &models[i];
        int64_t left = m->w.limit - sum_of(m);
        int64_t taken = claims[i].asked < left ? claims[i].asked : left;
        if (!pass || claims[i].asked <= 0)
            taken = 0;
        *permits_of(m, m->b) += taken;
        m->newest = taken > 0 ? m->b : m->newest;
        assert_int_equal(grants[i].taken, taken);
        assert_int_equal(grants[i].left, left - taken > 0 ? left - taken : 0);
        assert_int_equal(grants[i].refused, taken == 0 && left <= 0);
        assert_int_equal(grants[i].bucket, m->b);
        assert_int_equal(grants[i].start, m->b * m->width);
        int64_t at = reset_at(m, taken);
        assert_int_equal(grants[i].reset, at ? at - now : 0);
    }
}

/* ---- random steps ---- */

static int64_t next_time(uint64_t *seed, int64_t now, int64_t width)
{
    switch (draw(seed) % 16) {
    case 0:
        return now + (int64_t)(draw(seed) % (uint64_t)(130 * width));
    case 1:
        return now + 61 * width - now % width - (int64_t)(draw(seed) % 2);
    case 2:
        return now + 63 * width - now % width - (int64_t)(draw(seed) % 2);
    case 3:
        return now - (int64_t)(draw(seed) % (uint64_t)(3 * width));
    case 4:
        return draw(seed) % 8 ? now : now - (int64_t)(draw(seed) % (uint64_t)(50 * width));
    case 5:
    case 6:
    case 7:
        return now + width - now % width - (int64_t)(draw(seed) % 2);
    default:
        return now + (int64_t)(draw(seed) % (uint64_t)(3 * width));
    }
}

static struct claim next_claim(uint64_t *seed, const struct model *m, int64_t now)
{
    struct claim c = { .w = &m->w, .ahead = m->ahead, .asked = 1 };
    switch (draw(seed) % 8) {
    case 0:
        c.asked = 0;
        break;
    case 1:
        c.asked = CLAIM_RETURN;
        break;
    case 2:
        c.back = 1 + (int64_t)(draw(seed) % 3);
        c.bucket = now / m->width - (int64_t)(draw(seed) % 5);
        break;
    default:
        if (m->ahead)
            c.asked = 1 + (int64_t)(draw(seed) % (uint64_t)(m->w.limit / 10 + 1));
    }
    return c;
}

static void the_script_does_what_the_model_does(void **state)
{
    static struct model models[WINDOWS];
    static const int64_t limits[] = { 1, 2, 5, 12, 30, 100 };
    int refused = 0, taken = 0;
    (void)state;
    for (uint64_t trial = 1; trial <= 12; trial++) {
        uint64_t seed = trial * 7919;
        int64_t now = 400000 * HOUR + (int64_t)(draw(&seed) % HOUR);
        for (uint64_t i = 0; i < WINDOWS; i++) {
            struct model *m = &models[i];
            memset(m, 0, sizeof(*m));
            m->w = (struct window){ trial * 16 + i, (int64_t)(1 + i) * HOUR,
                                    limits[draw(&seed) % COUNT(limits)], false };
            m->ahead = draw(&seed) % 2;
            m->width = m->w.length / 60;
            m->first = now / m->width - MODEL_BUCKETS / 10;
        }
        for (int i = 0; i < 400; i++) {
            struct claim claims[WINDOWS];
            struct grant grants[WINDOWS];
            int n = 1 + (int)(draw(&seed) % WINDOWS);
            now = next_time(&seed, now, models[draw(&seed) % WINDOWS].width);
            for (int j = 0; j < n; j++)
                claims[j] = next_claim(&seed, &models[j], now);
            step(models, claims, n, now, grants);
            refused += grants[0].refused;
            taken += grants[0].taken > 0;
        }
    }
    assert_true(refused > 500 && taken > 500); /* else little was tried */
}

/* A window that nobody asks for leaves no trace, and not before it is empty. */
static void a_window_expires_after_its_length(void **state)
{
    (void)state;
    struct model m = { .w = { 9999, HOUR, 5 }, .width = MINUTE };
    struct claim c = { .w = &m.w, .asked = 1 };
    struct grant g;
    m.first = clock_wall_now() / MINUTE - 1000;
    step(&m, &c, 1, clock_wall_now(), &g);
    char key[KEY_MAX];
    struct str ttl[] = { STR("PTTL"), key_text(redis, &m.w, key) };
    int64_t ms = ask_int(redis, 2, ttl);
    assert_in_range(ms, 62 * 60000, 70 * 60000);
    share_clear(redis, &m.w);
    assert_int_equal(ask_int(redis, 2, ttl), -2);
}

/* The script asks a key for the time. */
static int begin(void **state)
{
    static char text[sizeof(script_text) + 100];
    if (begin_on_redis(state) != 0)
        return -1;
    const char *at = strstr(script_text, "redis.call('TIME')");
    snprintf(text, sizeof(text), "%.*sredis.call('HMGET', '%sclock', 's', 'u')%s",
             (int)(at - script_text), script_text, test_prefix, at + strlen("redis.call('TIME')"));
    script.text = text;
    redis = connected_to(redis_address());
    return 0;
}

static int end(void **state)
{
    char key[64];
    struct str del[] = { STR("DEL"),
                         { key, (size_t)snprintf(key, sizeof(key), "%sclock", test_prefix) } };
    ask_int(redis, 2, del);
    redis_close(redis);
    return end_on_redis(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_script_does_what_the_model_does),
        cmocka_unit_test(a_window_expires_after_its_length),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
