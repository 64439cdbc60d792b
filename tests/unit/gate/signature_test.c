/* Signed URLs: for one method, one medium, one signer, one version, until a time; and nothing else. */
#include "../base/unit.h"

#undef COUNT
#include "../base/nomem.h"
#include "base/clock.h"
#include "base/epoch.h"
#include "gate/facts.h"
#include "gate/keyring.h"
#include "gate/signature.h"

#include <stdlib.h>

static const uint8_t key[33] = { 1, 2, 3, [32] = 9 }; /* the last is no part of it */
static const struct uuid medium = { { 1, 2, 3, 4, 5, 6, 0x70, 8, 0x80, 10, 11 } };
static const struct uuid signer = { { 9, 2, 3, 4, 5, 6, 0x70, 8, 0x80, 10, 11 } };
static struct arena arena;

static struct str written(enum method method)
{
    struct text t = text_new(&arena, 400);
    struct signature s = { .signer = signer, .expires = 1000, .version = 3 };
    signature_write(&t, &s, key, method, &medium);
    assert_false(t.failed);
    return text_str(&t);
}

static int64_t at(int64_t seconds)
{
    return seconds * SECOND;
}

static void what_was_written_is_read(void **state)
{
    (void)state;
    struct signature s;
    const char *reason = NULL;
    assert_true(signature_given(written(GET)));
    assert_true(signature_read(written(GET), &s));
    assert_int_equal(s.expires, 1000);
    assert_int_equal(s.version, 3);
    assert_true(uuid_eq(&s.signer, &signer));
    assert_true(signature_holds(&s, key, GET, &medium, at(999), &reason));
    arena_reset(&arena);
}

/* As any other maker of such URLs has it. */
static void it_is_spelled_like_this(void **state)
{
    (void)state;
    assert_str(written(GET),
               "expires=1000&signer=09020304-0506-7008-800a-0b0000000000&version=3&signature="
               "hu4sUXDFlpDR_oe57xplXFmqF1FF-706iAdn0mDPRCw");
    arena_reset(&arena);
}

static void it_holds_for_nothing_else(void **state)
{
    (void)state;
    struct signature s, t;
    const char *reason = NULL;
    uint8_t other_key[32] = { 0 };
    assert_true(signature_read(written(GET), &s));
    assert_false(signature_holds(&s, key, PUT, &medium, 0, &reason));
    assert_false(signature_holds(&s, key, GET, &signer, 0, &reason));
    assert_false(signature_holds(&s, other_key, GET, &medium, 0, &reason));
    memcpy(other_key, key, sizeof(other_key));
    other_key[31]++;
    assert_false(signature_holds(&s, other_key, GET, &medium, 0, &reason));
    t = s;
    t.version++;
    assert_false(signature_holds(&t, key, GET, &medium, 0, &reason));
    t = s;
    t.expires++;
    assert_false(signature_holds(&t, key, GET, &medium, 0, &reason));
    t = s;
    t.signer = medium;
    assert_false(signature_holds(&t, key, GET, &medium, 0, &reason));
    assert_non_null(strstr(reason, "as it was signed"));
    assert_false(signature_holds(&s, key, GET, &medium, at(1000), &reason));
    assert_non_null(strstr(reason, "expired"));
    arena_reset(&arena);
}

static void each_bit_of_the_mac_counts(void **state)
{
    (void)state;
    struct signature s;
    const char *reason;
    struct str query = str_copy(&arena, written(GET));
    char *mac = (char *)(uintptr_t)query.p + query.n - 43;
    for (int i = 0; i < 43; i++) {
        char before = mac[i];
        mac[i] = before == 'A' ? 'B' : 'A';
        assert_true(signature_read(query, &s));
        assert_false(signature_holds(&s, key, GET, &medium, 0, &reason));
        mac[i] = before;
    }
    arena_reset(&arena);
}

#define ID "01926b3e-7c1a-7000-8000-000000000001"
#define MAC "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void queries_that_are_none(void **state)
{
    (void)state;
    static const char *const queries[] = {
        "", "signature=", "expires=1&signer=" ID "&version=1", "signer=" ID "&version=1&signature=" MAC,
        "expires=1&signer=" ID "&version=1&signature=" MAC "a",
        "expires=01&signer=" ID "&version=1&signature=" MAC,
        "expires=-1&signer=" ID "&version=1&signature=" MAC,
        "expires=9223372036854775807&signer=" ID "&version=1&signature=" MAC,
        "expires=9223372036855&signer=" ID "&version=1&signature=" MAC,
        "expires=&signer=" ID "&version=1&signature=" MAC,
        "expires&signer=" ID "&version=1&signature=" MAC,
        "expires=1&signer=01926b3e-7c1a-7000-8000-00000000000x&version=1&signature=" MAC,
        "expires=1&expires=1&signer=" ID "&version=1&signature=" MAC,
        "expires=1&signer=01926B3E-7c1a-7000-8000-000000000001&version=1&signature=" MAC,
        "expires=1&signer=" ID "&version=1&signature=" MAC "&",
        "expires=1&signer=" ID "&version=1&signature=" MAC "&more=1",
        "expires=1&signer=" ID "&version=%31&signature=" MAC,
    };
    struct signature s;
    assert_true(signature_read(STR("expires=1&signer=" ID "&version=1&signature=" MAC), &s));
    for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++)
        if (signature_read(str_of(queries[i]), &s))
            fail_msg("accepted: %s", queries[i]);
    assert_true(signature_read(STR("expires=0&signer=" ID "&version=0&signature=" MAC), &s));
    assert_true(signature_read(
        STR("signature=" MAC "&version=10&signer=" ID "&expires=9223372036854"), &s));
    assert_int_equal(s.expires, 9223372036854);
    assert_int_equal(s.version, 10);
    assert_false(signature_given(STR("limit=1&x=signature")));
}

/* ---- the stage ---- */

#define NOW at(500)

static const struct action signable = { .signable = true }, plain = { 0 };
static struct keyring *ring;

/* A signed query for the medium, under the ring's own key. */
static struct str signed_until(int64_t seconds)
{
    struct text t = text_new(&arena, 400);
    struct signature s = { .signer = signer, .expires = seconds, .version = 3 };
    signature_write(&t, &s, keyring_urls(ring), GET, &medium);
    return text_str(&t);
}

static struct req request(struct str query)
{
    static char text[UUID_TEXT];
    struct req r = {
        .action = &signable, .method = GET, .now = NOW, .query = query, .keyring = ring
    };
    uuid_format(&medium, text);
    r.target_ids.text[0] = (struct str){ text, UUID_TEXT };
    return r;
}

static void expect(struct req *r, enum verdict v, enum err err)
{
    r->err = OK;
    assert_int_equal(gate_signature(r), v);
    assert_int_equal(r->err, err);
    arena_reset(&r->arena);
}

static void the_stage_takes_what_was_signed(void **state)
{
    (void)state;
    struct req r = request(signed_until(501));
    assert_int_equal(gate_signature(&r), NEXT);
    assert_int_equal(r.err, OK);
    assert_non_null(r.signature);
    assert_int_equal(r.signature->version, 3);
    assert_true(uuid_eq(&r.signature->signer, &signer));
    arena_reset(&r.arena);
}

static void the_stage_leaves_what_is_not_signed(void **state)
{
    (void)state;
    struct req r = request(STR("limit=1"));
    expect(&r, NEXT, OK);
    assert_null(r.signature);
    r = request(signed_until(501));
    r.action = &plain;
    expect(&r, NEXT, OK);
    assert_null(r.signature);
}

static void the_stage_refuses_what_was_not_signed(void **state)
{
    (void)state;
    struct req r = request(signed_until(500));
    expect(&r, DENY, ERR_NOT_FOUND);
    assert_non_null(strstr(r.reason, "expired"));
    r = request(signed_until(501));
    r.method = PUT;
    expect(&r, DENY, ERR_NOT_FOUND);
    r = request(signed_until(501));
    r.target_ids.text[0] = STR("no id");
    expect(&r, DENY, ERR_NOT_FOUND);
    r = request(STR("signature=" MAC));
    expect(&r, DENY, ERR_NOT_FOUND);
}

/* In whose name would it be? */
static void no_other_credentials_beside_it(void **state)
{
    (void)state;
    struct req r = request(signed_until(501));
    r.authorization = STR("Bearer x");
    expect(&r, DENY, ERR_BAD_HEADER);
    r = request(signed_until(501));
    r.api_key = STR("x");
    expect(&r, DENY, ERR_BAD_HEADER);
}

static void without_memory_nothing_is_said_of_it(void **state)
{
    (void)state;
    struct req r = request(signed_until(501));
    arena_trim();
    nomem_after(0);
    expect(&r, DENY, ERR_NO_MEMORY);
    nomem_after(-1);
}

static void *epochs;

static int make_ring(void **state)
{
    (void)state;
    epochs = calloc(1, epoch_size());
    epoch_init(epochs);
    ring = keyring_new(NULL, STR("0123456789012345678901234567890123456789"));
    return ring ? 0 : -1;
}

static int free_ring(void **state)
{
    (void)state;
    keyring_free(ring);
    free(epochs);
    arena_reset(&arena);
    return 0;
}

#define STAGE(f) cmocka_unit_test_setup_teardown(f, make_ring, free_ring)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_written_is_read),
        cmocka_unit_test(it_is_spelled_like_this),
        cmocka_unit_test(it_holds_for_nothing_else),
        cmocka_unit_test(each_bit_of_the_mac_counts),
        cmocka_unit_test(queries_that_are_none),
        STAGE(the_stage_takes_what_was_signed),
        STAGE(the_stage_leaves_what_is_not_signed),
        STAGE(the_stage_refuses_what_was_not_signed),
        STAGE(no_other_credentials_beside_it),
        STAGE(without_memory_nothing_is_said_of_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
