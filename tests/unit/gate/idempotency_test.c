/* A key with a request: when it counts, what the request is, what a repetition gets and what is kept for it. */
#include "../base/nomem.h"
#include "../store/fixture.h"

#include "../../../src/store/result.h"

#include "crypto/hash.h"
#include "gate/facts.h"

#define NOW (1000 * DAY)

static struct principal me = { .kind = PRINCIPAL_USER, .user_id = { { 1, [15] = 3 } } };
static const struct action creates = { .audit = "thing.create" };

static struct req request(struct str key)
{
    return (struct req){
        .method = POST,
        .path = STR("/api/v1/things"),
        .query = STR("a=1"),
        .if_match = STR("\"v7\""),
        .body = STR("{}"),
        .idempotency_key = key,
        .action = &creates,
        .who = &me,
        .now = NOW,
    };
}

/* ---- whether the key counts ---- */

static const struct {
    const char *says;
    struct action action;
    enum principal_kind kind;
    bool key;
} exempt[] = {
    { "no key", { .audit = "x" }, PRINCIPAL_USER, false },
    { "nothing is changed", { .audit = NULL }, PRINCIPAL_USER, true },
    { "nothing to repeat", { .audit = "x", .plain = true }, PRINCIPAL_USER, true },
    { "nobody, who shares keys with everybody", { .audit = "x" }, PRINCIPAL_ANONYMOUS, true },
};

static void who_is_not_asked(void **state)
{
    (void)state;
    for (int i = 0; i < COUNT(exempt); i++) {
        struct req r = request(exempt[i].key ? STR("\n") : STR_NONE); /* a key that would be refused */
        struct principal who = { .kind = exempt[i].kind };
        r.action = &exempt[i].action;
        r.who = &who;
        if (gate_idempotency(&r) != NEXT || r.request_hash.p || r.nfaults)
            fail_msg("%s", exempt[i].says);
    }
}

static void keys_that_are_none(void **state)
{
    (void)state;
    char long_one[256];
    memset(long_one, 'k', sizeof(long_one));
    const struct str keys[] = { STR(""),      STR("a b"), STR(" a"), STR("a "), STR("a\x7f"), STR("\x7f"),
                                STR("a\tb"), STR("\xc3\xa4"), { long_one, sizeof(long_one) } };
    for (int i = 0; i < COUNT(keys); i++) {
        struct req r = request(keys[i]);
        assert_int_equal(gate_idempotency(&r), DENY);
        assert_int_equal(r.err, ERR_BAD_HEADER);
        assert_int_equal(r.nfaults, 1);
        assert_string_equal(r.faults[0].field, "Idempotency-Key");
    }
}

/* ---- what the request is ---- */

/* What is kept for a day must read alike in the program that comes after this one. */
#define SPELLED "4:POST14:/api/v1/things3:a=14:\"v7\"2:{}"

static struct fixture f;
static bool woken;

static void woke(struct wait *w)
{
    (void)w;
    woken = true;
}

static void open_store(void)
{
    fixture_make(&f);
    fixture_open(&f, NULL);
}

static void close_store(void)
{
    fixture_close(&f);
    fixture_remove(&f);
}

/* Asks the store about the key; what it found is in r->found. */
static void ask(struct req *r)
{
    woken = false;
    r->store = f.store;
    wait_init(&r->wait, woke);
    assert_int_equal(gate_idempotency(r), WAIT);
    settle();
    assert_true(woken);
    assert_int_equal(r->found.err, OK);
}

static void done(struct req *r)
{
    rows_fini(&r->found);
    arena_reset(&r->arena);
}

static void keep_row(int64_t at)
{
    char text[300];
    snprintf(
        text, sizeof(text),
        "insert or replace into idempotency (principal_id, key, request_hash, status, body, location, "
        "row_version, created_at) values (x'01000000000000000000000000000003', 'k', x'00', 200, null, "
        "null, 0, %lld)",
        (long long)at);
    sql(&f, text);
}

static void the_row_of_the_last_day_is_found(void **state)
{
    (void)state;
    const struct {
        int64_t at;
        int found;
    } ages[] = { { NOW, 1 }, { NOW - 24 * HOUR + 1, 1 }, { NOW - 24 * HOUR, 0 } };
    open_store();
    for (int i = 0; i < COUNT(ages); i++) {
        struct req r = request(STR("k")), other = request(STR("K"));
        keep_row(ages[i].at);
        ask(&r);
        assert_int_equal(r.found.count, ages[i].found);
        ask(&other);
        assert_int_equal(other.found.count, 0);
        done(&r);
        done(&other);
    }
    close_store();
}

static void each_sane_key_is_asked_for(void **state)
{
    (void)state;
    char longest[255];
    memset(longest, 'k', sizeof(longest));
    const struct str keys[] = {
        STR("k"), STR("!"), STR("~"), STR("!a~"), { longest, sizeof(longest) }
    };
    open_store();
    for (int i = 0; i < COUNT(keys); i++) {
        uint8_t hash[SHA256_SIZE];
        struct req r = request(keys[i]);
        ask(&r);
        sha256(STR(SPELLED), hash);
        assert_int_equal(r.request_hash.n, sizeof(hash));
        assert_memory_equal(r.request_hash.p, hash, sizeof(hash));
        done(&r);
    }
    close_store();
}

static void without_memory_nothing_is_done(void **state)
{
    (void)state;
    for (long n = 0; n < 2; n++) {
        struct req r = request(STR("k"));
        char *body = calloc(1, ARENA_BLOCK);
        assert_non_null(body);
        r.body = (struct str){ body, ARENA_BLOCK };
        arena_trim();
        nomem_after(n);
        enum verdict v = gate_idempotency(&r);
        assert_true(nomem_happened());
        nomem_after(-1);
        assert_int_equal(v, DENY);
        assert_int_equal(r.err, ERR_NO_MEMORY);
        arena_reset(&r.arena);
        free(body);
    }
}

/* ---- what a repetition gets ---- */

#define HASH "0123456789abcdef0123456789abcdef"

static const struct {
    const char *says;
    enum err found;
    const char *hash; /* NULL: no row */
    int status;
    const char *body, *location;
    enum verdict v;
    enum err err;
} repetitions[] = {
    { "the first one", OK, NULL, 0, NULL, NULL, NEXT, OK },
    { "a store that fails", ERR_UNAVAILABLE, NULL, 0, NULL, NULL, DENY, ERR_UNAVAILABLE },
    { "another request under the key", OK, "another", 201, "{}", NULL, DENY, ERR_KEY_REUSED },
    { "a reply that was not kept", OK, HASH, 0, NULL, NULL, DENY, ERR_NOT_KEPT },
    { "a reply", OK, HASH, 200, "{\"a\":1}", NULL, DONE, OK },
    { "a creation", OK, HASH, 201, "{\"a\":1}", "/api/v1/things/7", DONE, OK },
    { "a reply without a body", OK, HASH, 204, NULL, NULL, DONE, OK },
};

static struct value text_or_null(const char *text)
{
    return (struct value){ .type = VALUE_TEXT, .null = !text, .text = str_of(text) };
}

static void a_repetition_gets_the_reply_again(void **state)
{
    (void)state;
    for (int i = 0; i < COUNT(repetitions); i++) {
        const char *body = repetitions[i].body, *location = repetitions[i].location;
        struct req r = request(STR("k"));
        const struct value row[] = {
            { .type = VALUE_BYTES, .text = str_of(repetitions[i].hash) },
            { .type = VALUE_INT, .i = repetitions[i].status },
            text_or_null(body),
            text_or_null(location),
            { .type = VALUE_INT, .i = 12 },
        };
        r.request_hash = STR(HASH);
        r.found.stmt = &stmt_idempotency_find;
        if (repetitions[i].hash)
            assert_int_equal(rows_add(&r.found, row), OK);
        r.found.err = repetitions[i].found;
        enum verdict v = gate_idempotency_known(&r);
        if (v != repetitions[i].v || r.err != repetitions[i].err)
            fail_msg("%s: %d, %s", repetitions[i].says, v, err_info(r.err)->code);
        if (v == DONE) {
            assert_int_equal(r.reply.status, repetitions[i].status);
            assert_int_equal(r.reply.version, 12);
            assert_true(body ? str_eq(r.reply.body, str_of(body))
                             : !r.reply.type && r.reply.body.n == 0);
            struct text headers = text_new(&r.arena, 200);
            if (location) {
                text_lit(&headers, "Location: ");
                text_add(&headers, str_of(location));
                text_lit(&headers, "\r\n");
            }
            text_lit(&headers, "Idempotency-Replayed: true\r\n");
            assert_true(str_eq(text_str(&r.reply.headers), text_str(&headers)));
        }
        done(&r);
    }
}

/* ---- what is kept for it ---- */

/* By the parameters of idempotency_add. */
enum { PRINCIPAL, KEY, REQUEST_HASH, STATUS, BODY, LOCATION, ROW_VERSION, SINCE, AT };

static const struct {
    const char *says;
    bool asked; /* with a key */
    int status;
    bool secret;
    const char *type, *headers;
    int kept; /* status; -1: no row */
    bool body;
    const char *location;
} keeps[] = {
    { "no key", false, 200, false, "application/json", "", -1, false, NULL },
    { "a reply", true, 200, false, "application/json", "", 200, true, NULL },
    { "the last status that is kept", true, 399, false, "application/json", "", 399, true, NULL },
    { "a refusal", true, 400, false, "application/json", "", -1, false, NULL },
    { "a failure", true, 503, false, "application/json", "", -1, false, NULL },
    { "a secret", true, 200, true, "application/json", "", 0, false, NULL },
    { "without a body", true, 204, false, NULL, "", 204, false, NULL },
    { "a creation", true, 201, false, "application/json", "Location: /a/b\r\n", 201, true, "/a/b" },
    { "its place among others", true, 201, false, "application/json",
      "Content-Location: /x\r\nLocation: /a/b\r\nX-Y: z\r\n", 201, true, "/a/b" },
    { "no place", true, 201, false, "application/json", "X-Location: /a/b\r\n", 201, true, NULL },
};

static bool holds(const struct value *v, const char *text)
{
    return text ? !v->null && str_eq(v->text, str_of(text)) : v->null;
}

static void the_reply_is_kept_with_the_change(void **state)
{
    (void)state;
    for (int i = 0; i < COUNT(keeps); i++) {
        struct req r = request(STR("k"));
        struct action action = { .audit = "x", .secret = keeps[i].secret };
        r.action = &action;
        r.request_hash = keeps[i].asked ? STR(HASH) : STR_NONE;
        r.reply.status = keeps[i].status;
        r.reply.type = keeps[i].type;
        r.reply.body = STR("{\"a\":1}");
        r.reply.version = 12;
        r.reply.headers = text_new(&r.arena, 200);
        text_add(&r.reply.headers, str_of(keeps[i].headers));
        change_init(&r.change, &r.arena);
        idempotency_keep(&r);
        if (r.change.n != (keeps[i].kept >= 0))
            fail_msg("%s: %d rows", keeps[i].says, r.change.n);
        if (r.change.n) {
            const struct value *p = r.change.at[0].params;
            assert_ptr_equal(r.change.at[0].stmt, &stmt_idempotency_add);
            assert_true(uuid_eq(&p[PRINCIPAL].uuid, &me.user_id) && holds(&p[KEY], "k"));
            assert_true(holds(&p[REQUEST_HASH], HASH));
            if (p[STATUS].i != keeps[i].kept || !holds(&p[LOCATION], keeps[i].location) ||
                !holds(&p[BODY], keeps[i].body ? "{\"a\":1}" : NULL))
                fail_msg("%s", keeps[i].says);
            assert_int_equal(p[ROW_VERSION].i, 12);
            assert_int_equal(p[SINCE].i, NOW - 24 * HOUR);
            assert_int_equal(p[AT].i, NOW);
        }
        done(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_not_asked),
        cmocka_unit_test(keys_that_are_none),
        cmocka_unit_test(the_row_of_the_last_day_is_found),
        cmocka_unit_test(each_sane_key_is_asked_for),
        cmocka_unit_test(without_memory_nothing_is_done),
        cmocka_unit_test(a_repetition_gets_the_reply_again),
        cmocka_unit_test(the_reply_is_kept_with_the_change),
    };
    return cmocka_run_group_tests_name("gate/idempotency", tests, NULL, NULL);
}
