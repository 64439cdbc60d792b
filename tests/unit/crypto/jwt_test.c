#include "crypto/jwt.h"

#include "base/base64.h"
#include "base/clock.h"
#include "crypto/hash.h"
#include "crypto/seal.h"

#include "../base/nomem.h"
#include "../base/unit.h"

#define NOW (1800000000 * SECOND)
#define KID "0190a5f0-1234-7000-8000-0000000000aa"
#define OTHER_KID "0190a5f0-1234-7000-8000-0000000000bb"
#define SUB "0190a5f0-1234-7000-8000-000000000001"
#define SID "0190a5f0-1234-7000-8000-000000000002"
#define JTI "0190a5f0-1234-7000-8000-000000000003"

#define HEADER "{\"alg\":\"HS256\",\"typ\":\"JWT\",\"kid\":\"" KID "\"}"
#define WHO "\"iss\":\"gatehouse\",\"aud\":\"gatehouse\""
#define IDS "\"sub\":\"" SUB "\",\"sid\":\"" SID "\",\"jti\":\"" JTI "\""
#define TIMES "\"iat\":1799999990,\"exp\":1800000600"
#define REST "\"role\":\"user\",\"ver\":3"
#define CLAIMS "{" WHO "," IDS "," TIMES "," REST "}"

static struct arena arena;
static struct keys keys;

static struct uuid uuid_of(const char *text)
{
    struct uuid id = { { 0 } };
    if (!uuid_parse(str_of(text), &id))
        fail_msg("%s is no uuid", text);
    return id;
}

static int begin(void **state)
{
    (void)state;
    keys = (struct keys){ .n = 2 };
    keys.at[0] =
        (struct key){ .id = uuid_of(OTHER_KID), .secret = "the older secret", .from = NOW - DAY };
    keys.at[1] =
        (struct key){ .id = uuid_of(KID), .secret = "the newer secret", .from = NOW - HOUR };
    return 0;
}

static int end(void **state)
{
    (void)state;
    nomem_after(-1);
    arena_reset(&arena);
    arena_trim();
    return 0;
}

static struct claims some_claims(void)
{
    return (struct claims){ .sub = uuid_of(SUB),
                            .sid = uuid_of(SID),
                            .jti = uuid_of(JTI),
                            .role = STR("user"),
                            .ver = 3,
                            .iat = NOW - 10 * SECOND,
                            .exp = NOW + 600 * SECOND };
}

static void put_base64(struct text *t, struct str s)
{
    char *at = text_room(t, BASE64_LEN(s.n));
    t->n += base64_encode(s.p, s.n, at);
}

/* A token with a right MAC around whatever stands in the two parts, which are base64 already. */
static struct str signed_parts(struct str header, struct str payload, const struct key *key)
{
    struct text t = text_new(&arena, 0);
    uint8_t mac[SHA256_SIZE];
    text_add(&t, header);
    text_char(&t, '.');
    text_add(&t, payload);
    hmac_sha256((struct str){ (const char *)key->secret, KEY_SECRET }, text_str(&t), mac);
    text_char(&t, '.');
    put_base64(&t, (struct str){ (char *)mac, sizeof(mac) });
    return text_str(&t);
}

static struct str forged(const char *header, const char *claims)
{
    struct text h = text_new(&arena, 0), c = text_new(&arena, 0);
    put_base64(&h, str_of(header));
    put_base64(&c, str_of(claims));
    return signed_parts(text_str(&h), text_str(&c), &keys.at[1]);
}

static enum err verify_at(struct str token, int64_t now)
{
    struct claims out;
    struct uuid nobody = { { 0 } };
    /* Of exactly its length on the heap, so that ASan sees a read past its end. */
    char *exact = test_malloc(token.n ? token.n : 1);
    if (token.n)
        memcpy(exact, token.p, token.n);
    enum err err = jwt_verify(&arena, &keys, (struct str){ exact, token.n }, now, &out);
    test_free(exact);
    assert_true(err == OK || uuid_eq(&out.sub, &nobody)); /* nothing of a refused token comes out */
    return err;
}

static enum err verify(struct str token)
{
    return verify_at(token, NOW);
}

static void what_was_signed_verifies(void **state)
{
    (void)state;
    struct claims claims = some_claims(), out;
    struct str token;
    assert_int_equal(jwt_sign(&arena, &keys, &claims, NOW, &token), OK);
    assert_true(token.n < JWT_MAX);
    assert_int_equal(jwt_verify(&arena, &keys, token, NOW, &out), OK);
    assert_true(uuid_eq(&out.sub, &claims.sub) && uuid_eq(&out.sid, &claims.sid) &&
                uuid_eq(&out.jti, &claims.jti));
    assert_str(out.role, "user");
    assert_int_equal(out.ver, 3);
    assert_int_equal(out.iat, claims.iat);
    assert_int_equal(out.exp, claims.exp);
}

/* Byte for byte, so that other programs that read our tokens are not surprised. */
static void the_token_has_the_agreed_form(void **state)
{
    (void)state;
    struct claims claims = some_claims();
    struct str token, rest, header, payload;
    char out[1024];
    assert_int_equal(jwt_sign(&arena, &keys, &claims, NOW, &token), OK);
    rest = token;
    str_cut(&rest, '.', &header);
    str_cut(&rest, '.', &payload);
    assert_str(((struct str){ out, (size_t)base64_decode(header, out) }), HEADER);
    assert_str(((struct str){ out, (size_t)base64_decode(payload, out) }), CLAIMS);
    assert_true(str_eq(token, forged(HEADER, CLAIMS)));
}

static void a_role_may_hold_any_text(void **state)
{
    (void)state;
    struct claims claims = some_claims(), out;
    struct str token;
    claims.role = STR("a\"b\\c\n\xc3\xa9");
    assert_int_equal(jwt_sign(&arena, &keys, &claims, NOW, &token), OK);
    assert_int_equal(jwt_verify(&arena, &keys, token, NOW, &out), OK);
    assert_true(str_eq(out.role, claims.role));

    char role[900];
    memset(role, 'r', sizeof(role));
    claims.role = (struct str){ role, sizeof(role) };
    assert_int_equal(jwt_sign(&arena, &keys, &claims, NOW, &token), ERR_INTERNAL); /* we could not read it */
    assert_null(token.p);
}

static void the_newest_key_in_force_signs(void **state)
{
    (void)state;
    struct claims claims = some_claims(), out;
    struct str token;
    struct keys old = keys;
    keys.at[1].from = NOW + 1;
    assert_int_equal(jwt_sign(&arena, &keys, &claims, NOW, &token), OK);
    old.n = 1;
    assert_int_equal(jwt_verify(&arena, &old, token, NOW, &out), OK);

    keys.at[0].until = NOW; /* over */
    assert_int_equal(jwt_sign(&arena, &keys, &claims, NOW, &token), ERR_UNAVAILABLE);
    assert_null(token.p);
    keys.n = 0;
    assert_int_equal(jwt_sign(&arena, &keys, &claims, NOW, &token), ERR_UNAVAILABLE);
}

static void keys_verify_within_their_time(void **state)
{
    (void)state;
    struct str token = forged(HEADER, CLAIMS);
    static const struct {
        int64_t from, until;
        enum err err;
    } cases[] = {
        { NOW, 0, OK },
        { NOW + JWT_SKEW, 0, OK },
        { NOW + JWT_SKEW + 1, 0, ERR_BAD_TOKEN },
        { NOW - DAY, NOW + 1, OK },
        { NOW - DAY, NOW - JWT_SKEW, OK },
        { NOW - DAY, NOW - JWT_SKEW - 1, ERR_BAD_TOKEN },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        keys.at[1].from = cases[i].from;
        keys.at[1].until = cases[i].until;
        assert_int_equal(verify(token), cases[i].err);
    }
}

/* Each with a right MAC: only the header is wrong. */
static void hostile_headers_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "{\"alg\":\"none\",\"typ\":\"JWT\",\"kid\":\"" KID "\"}",
        "{\"alg\":\"None\",\"kid\":\"" KID "\"}",
        "{\"alg\":\"HS512\",\"kid\":\"" KID "\"}",
        "{\"alg\":\"RS256\",\"kid\":\"" KID "\"}",
        "{\"alg\":\"ES256\",\"kid\":\"" KID "\"}",
        "{\"alg\":\"hs256\",\"kid\":\"" KID "\"}",
        "{\"alg\":\"HS256 \",\"kid\":\"" KID "\"}",
        "{\"alg\":[\"HS256\"],\"kid\":\"" KID "\"}",
        "{\"alg\":null,\"kid\":\"" KID "\"}",
        "{\"alg\":\"\",\"kid\":\"" KID "\"}",
        "{\"typ\":\"JWT\",\"kid\":\"" KID "\"}",
        "{\"alg\":\"HS256\",\"typ\":\"jwt\",\"kid\":\"" KID "\"}",
        "{\"alg\":\"HS256\",\"typ\":\"at+jwt\",\"kid\":\"" KID "\"}",
        "{\"alg\":\"HS256\",\"typ\":null,\"kid\":\"" KID "\"}",
        /* key names */
        "{\"alg\":\"HS256\",\"typ\":\"JWT\"}",
        "{\"alg\":\"HS256\",\"kid\":\"\"}",
        "{\"alg\":\"HS256\",\"kid\":null}",
        "{\"alg\":\"HS256\",\"kid\":0}",
        "{\"alg\":\"HS256\",\"kid\":[\"" KID "\"]}",
        "{\"alg\":\"HS256\",\"kid\":\"../../../../dev/null\"}",
        "{\"alg\":\"HS256\",\"kid\":\"/dev/null\"}",
        "{\"alg\":\"HS256\",\"kid\":\"' or '1'='1\"}",
        "{\"alg\":\"HS256\",\"kid\":\"" KID "'--\"}",
        "{\"alg\":\"HS256\",\"kid\":\"{" KID "}\"}",
        "{\"alg\":\"HS256\",\"kid\":\"0190a5f012347000800000000000000aa\"}",
        "{\"alg\":\"HS256\",\"kid\":\"0190a5f0-1234-7000-8000-0000000000cc\"}",
        "{\"alg\":\"HS256\",\"kid\":\"" OTHER_KID "\"}", /* there, but not the one that signed */
        /* names that would lead elsewhere */
        "{\"alg\":\"HS256\",\"kid\":\"" KID "\",\"jku\":\"https://evil.example/jwks\"}",
        "{\"alg\":\"HS256\",\"kid\":\"" KID "\",\"jwk\":{\"kty\":\"oct\",\"k\":\"AA\"}}",
        "{\"alg\":\"HS256\",\"kid\":\"" KID "\",\"x5u\":\"https://evil.example/c\"}",
        "{\"alg\":\"HS256\",\"kid\":\"" KID "\",\"x5c\":[]}",
        "{\"alg\":\"HS256\",\"kid\":\"" KID "\",\"crit\":[\"exp\"]}",
        "{\"alg\":\"HS256\",\"kid\":\"" KID "\",\"b64\":false}",
        "{\"alg\":\"HS256\",\"kid\":\"" KID "\",\"zip\":\"DEF\"}",
        "{\"alg\":\"HS256\",\"kid\":\"" KID "\",\"cty\":\"JWT\"}",
        "{\"alg\":\"HS256\",\"typ\":\"JWT\",\"kid\":\"" KID "\",\"x\":1}",
        /* JSON tricks */
        "{\"alg\":\"none\",\"alg\":\"HS256\",\"kid\":\"" KID "\"}",
        "{\"alg\":\"HS256\",\"alg\":\"none\",\"kid\":\"" KID "\"}",
        "{\"alg\":\"HS256\",\"kid\":\"" KID "\",\"kid\":\"" KID "\"}",
        "{\"alg\":\"HS256\",\"kid\":\"" KID "\",}",
        "{\"alg\":\"HS256\",\"kid\":\"" KID "\"}{}",
        "[\"HS256\",\"" KID "\"]",
        "\"HS256\"",
        "null",
        "{}",
        "",
    };
    for (size_t i = 0; i < COUNT(bad); i++)
        if (verify(forged(bad[i], CLAIMS)) != ERR_BAD_TOKEN)
            fail_msg("%s", bad[i]);
    assert_int_equal(verify(forged("{\"kid\":\"" KID "\",\"alg\":\"HS256\"}", CLAIMS)), OK);
    assert_int_equal(verify(forged(" { \"alg\" : \"HS256\" , \"kid\" : \"" KID "\" } ", CLAIMS)),
                     OK);
}

/* Each with a right MAC: only the claims are wrong. */
static void hostile_claims_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "{" IDS "," TIMES "," REST "}",
        "{\"iss\":\"gatehouse\"," IDS "," TIMES "," REST "}",
        "{\"aud\":\"gatehouse\"," IDS "," TIMES "," REST "}",
        "{\"iss\":\"Gatehouse\",\"aud\":\"gatehouse\"," IDS "," TIMES "," REST "}",
        "{\"iss\":\"gatehouse\",\"aud\":\"other\"," IDS "," TIMES "," REST "}",
        "{\"iss\":\"gatehouse\",\"aud\":[\"gatehouse\"]," IDS "," TIMES "," REST "}",
        "{\"iss\":[\"gatehouse\"],\"aud\":\"gatehouse\"," IDS "," TIMES "," REST "}",
        /* ids */
        "{" WHO ",\"sid\":\"" SID "\",\"jti\":\"" JTI "\"," TIMES "," REST "}",
        "{" WHO ",\"sub\":\"" SUB "\",\"jti\":\"" JTI "\"," TIMES "," REST "}",
        "{" WHO ",\"sub\":\"" SUB "\",\"sid\":\"" SID "\"," TIMES "," REST "}",
        "{" WHO ",\"sub\":\"admin\",\"sid\":\"" SID "\",\"jti\":\"" JTI "\"," TIMES "," REST "}",
        "{" WHO ",\"sub\":1,\"sid\":\"" SID "\",\"jti\":\"" JTI "\"," TIMES "," REST "}",
        "{" WHO ",\"sub\":null,\"sid\":\"" SID "\",\"jti\":\"" JTI "\"," TIMES "," REST "}",
        /* role and version */
        "{" WHO "," IDS "," TIMES ",\"ver\":3}",
        "{" WHO "," IDS "," TIMES ",\"role\":\"user\"}",
        "{" WHO "," IDS "," TIMES ",\"role\":[\"admin\"],\"ver\":3}",
        "{" WHO "," IDS "," TIMES ",\"role\":null,\"ver\":3}",
        "{" WHO "," IDS "," TIMES ",\"role\":\"user\",\"ver\":\"3\"}",
        "{" WHO "," IDS "," TIMES ",\"role\":\"user\",\"ver\":3.0}",
        "{" WHO "," IDS "," TIMES ",\"role\":\"user\",\"ver\":-3}",
        "{" WHO "," IDS "," TIMES ",\"role\":\"user\",\"ver\":9223372036854775808}",
        /* times */
        "{" WHO "," IDS ",\"iat\":1799999990," REST "}",
        "{" WHO "," IDS ",\"exp\":1800000600," REST "}",
        "{" WHO "," IDS ",\"iat\":1799999990,\"exp\":\"1800000600\"," REST "}",
        "{" WHO "," IDS ",\"iat\":1799999990,\"exp\":1800000600.0," REST "}",
        "{" WHO "," IDS ",\"iat\":1799999990,\"exp\":18e8," REST "}",
        "{" WHO "," IDS ",\"iat\":1799999990,\"exp\":1e999," REST "}",
        "{" WHO "," IDS ",\"iat\":1799999990,\"exp\":null," REST "}",
        "{" WHO "," IDS ",\"iat\":1799999990,\"exp\":true," REST "}",
        "{" WHO "," IDS ",\"iat\":1799999990,\"exp\":[1800000600]," REST "}",
        "{" WHO "," IDS ",\"iat\":1799999990,\"exp\":-1," REST "}",
        "{" WHO "," IDS ",\"iat\":1799999990,\"exp\":253402300800," REST "}",
        "{" WHO "," IDS ",\"iat\":1799999990,\"exp\":9223372036854775807," REST "}",
        "{" WHO "," IDS ",\"iat\":1799999990,\"exp\":18446744073709551616," REST "}",
        "{" WHO "," IDS ",\"iat\":\"1799999990\",\"exp\":1800000600," REST "}",
        "{" WHO "," IDS ",\"iat\":-9223372036854775808,\"exp\":1800000600," REST "}",
        "{" WHO "," IDS ",\"iat\":1800000061,\"exp\":1800000600," REST "}",
        "{" WHO "," IDS ",\"iat\":1799999990,\"exp\":1799999990," REST "}",
        "{" WHO "," IDS ",\"iat\":1799999990,\"exp\":1799999989," REST "}",
        /* JSON tricks */
        "{" WHO "," IDS "," TIMES "," REST ",\"role\":\"admin\"}",
        "{" WHO "," IDS "," TIMES "," REST ",\"exp\":1900000000}",
        "{" WHO "," IDS "," TIMES "," REST ",\"r\\u006fle\":\"admin\"}",
        "{" WHO "," IDS "," TIMES "," REST ",}",
        "{" WHO "," IDS "," TIMES "," REST "}x",
        "[" CLAIMS "]",
        "\"\"",
        "",
    };
    for (size_t i = 0; i < COUNT(bad); i++)
        if (verify(forged(HEADER, bad[i])) != ERR_BAD_TOKEN)
            fail_msg("%s", bad[i]);
    assert_int_equal(verify(forged(HEADER, CLAIMS)), OK);
}

static void clocks_may_differ_by_a_minute(void **state)
{
    (void)state;
    struct str token = forged(HEADER, CLAIMS);
    int64_t iat = 1799999990 * SECOND, exp = 1800000600 * SECOND;
    keys.at[1].from = 0;
    assert_int_equal(verify_at(token, iat - JWT_SKEW), OK);
    assert_int_equal(verify_at(token, iat - JWT_SKEW - 1), ERR_BAD_TOKEN);
    assert_int_equal(verify_at(token, exp + JWT_SKEW), OK);
    assert_int_equal(verify_at(token, exp + JWT_SKEW + 1), ERR_TOKEN_EXPIRED);
    assert_int_equal(verify_at(token, exp + 100 * DAY), ERR_TOKEN_EXPIRED);
    assert_int_equal(verify_at(token, 0), ERR_BAD_TOKEN);
}

/* Expired and forged at once is forged: nothing is said about claims that nobody signed. */
static void the_signature_comes_first(void **state)
{
    (void)state;
    struct str good = forged(HEADER, CLAIMS);
    char *token = arena_copy(&arena, good.p, good.n);
    size_t n = good.n;
    token[n - 10] = token[n - 10] == 'A' ? 'B' : 'A';
    assert_int_equal(verify_at((struct str){ token, n }, NOW + DAY), ERR_BAD_TOKEN);
}

static void every_altered_character_is_seen(void **state)
{
    (void)state;
    struct str token = forged(HEADER, CLAIMS);
    char *copy = arena_copy(&arena, token.p, token.n);
    static const char others[] = "AQZgw09-_.=+/ \n";
    for (size_t i = 0; i < token.n; i++)
        for (const char *c = others; *c; c++) {
            if (token.p[i] == *c)
                continue;
            copy[i] = *c;
            assert_int_equal(verify((struct str){ copy, token.n }), ERR_BAD_TOKEN);
            copy[i] = token.p[i];
        }
    assert_int_equal(verify((struct str){ copy, token.n }), OK);
}

static void every_truncated_token_is_refused(void **state)
{
    (void)state;
    struct str token = forged(HEADER, CLAIMS);
    for (size_t n = 0; n < token.n; n++)
        assert_int_equal(verify((struct str){ token.p, n }), ERR_BAD_TOKEN);
    for (size_t n = 1; n <= token.n; n++)
        assert_int_equal(verify((struct str){ token.p + n, token.n - n }), ERR_BAD_TOKEN);
}

static struct str with(struct str a, const char *b)
{
    struct text t = text_new(&arena, 0);
    text_add(&t, a);
    text_add(&t, str_of(b));
    return text_str(&t);
}

static void there_are_three_parts_in_one_spelling(void **state)
{
    (void)state;
    struct str token = forged(HEADER, CLAIMS), rest = token, header, payload, mac;
    str_cut(&rest, '.', &header);
    str_cut(&rest, '.', &payload);
    mac = rest;

    assert_int_equal(verify(with(token, ".")), ERR_BAD_TOKEN);
    assert_int_equal(verify(with(token, ".AAAA")), ERR_BAD_TOKEN);
    assert_int_equal(verify(with(token, "=")), ERR_BAD_TOKEN);
    assert_int_equal(verify(with(token, "\n")), ERR_BAD_TOKEN);
    assert_int_equal(verify(with(with(header, "."), ".")), ERR_BAD_TOKEN);
    assert_int_equal(verify((struct str){ token.p, header.n + 1 + payload.n }), ERR_BAD_TOKEN);
    assert_int_equal(verify((struct str){ token.p, header.n + 1 + payload.n + 1 }), ERR_BAD_TOKEN);
    assert_int_equal(verify(STR("..")), ERR_BAD_TOKEN);
    assert_int_equal(verify(STR("")), ERR_BAD_TOKEN);
    assert_int_equal(verify(STR_NONE), ERR_BAD_TOKEN);

    /* A MAC of 32 bytes ends in a character with two spare bits: three other spellings of it. */
    char *copy = arena_copy(&arena, token.p, token.n);
    int read = 0;
    for (const char *c = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"; *c;
         c++) {
        copy[token.n - 1] = *c;
        read += verify((struct str){ copy, token.n }) == OK;
    }
    assert_int_equal(read, 1);
    assert_int_equal(mac.n, 43);

    /* Padding inside what is signed. */
    assert_int_equal(verify(signed_parts(with(header, "="), payload, &keys.at[1])), ERR_BAD_TOKEN);
    assert_int_equal(verify(signed_parts(header, with(payload, "="), &keys.at[1])), ERR_BAD_TOKEN);
    assert_int_equal(verify(signed_parts(header, STR(""), &keys.at[1])), ERR_BAD_TOKEN);
}

static void another_secret_is_refused(void **state)
{
    (void)state;
    struct str token = forged(HEADER, CLAIMS);
    keys.at[1].secret[31] ^= 1;
    assert_int_equal(verify(token), ERR_BAD_TOKEN);
    keys.n = 1;
    assert_int_equal(verify(token), ERR_BAD_TOKEN);
    keys.n = 0;
    assert_int_equal(verify(token), ERR_BAD_TOKEN);
}

static void long_tokens_are_refused_unread(void **state)
{
    (void)state;
    char claims[2000] = CLAIMS;
    size_t n = strlen(claims);
    for (; n < 1200; n++) {
        claims[n] = ' ';
        struct str token = forged(HEADER, claims);
        assert_int_equal(verify(token), token.n <= JWT_MAX ? OK : ERR_BAD_TOKEN);
    }
}

static void keys_are_sealed_and_opened(void **state)
{
    (void)state;
    static const uint8_t seal_key[32] = "a key for keys", other_seal[32] = "another key";
    struct key made, opened;
    struct str sealed;
    assert_int_equal(key_make(&arena, seal_key, uuid_of(KID), &made, &sealed), OK);
    assert_null(memmem(sealed.p, sealed.n, made.secret, KEY_SECRET));
    assert_int_equal(key_open(&arena, seal_key, uuid_of(KID), sealed, &opened), OK);
    assert_memory_equal(made.secret, opened.secret, KEY_SECRET);
    assert_true(uuid_eq(&opened.id, &made.id));
    assert_int_equal(opened.from | opened.until, 0);

    assert_int_equal(key_open(&arena, other_seal, uuid_of(KID), sealed, &opened), ERR_BAD_TOKEN);
    assert_int_equal(key_open(&arena, seal_key, uuid_of(OTHER_KID), sealed, &opened),
                     ERR_BAD_TOKEN);
    sealed.n--;
    assert_int_equal(key_open(&arena, seal_key, uuid_of(KID), sealed, &opened), ERR_BAD_TOKEN);

    struct key second;
    assert_int_equal(key_make(&arena, seal_key, uuid_of(KID), &second, &sealed), OK);
    assert_memory_not_equal(made.secret, second.secret, KEY_SECRET);
}

static void a_sealed_text_of_another_length_is_no_key(void **state)
{
    (void)state;
    static const uint8_t seal_key[32] = "a key for keys";
    struct key opened;
    struct str sealed;
    static const char bytes[KEY_SECRET + 1];
    for (size_t n = KEY_SECRET - 1; n <= KEY_SECRET + 1; n++) {
        struct str context = STR("signing key " KID);
        assert_int_equal(seal(&arena, seal_key, context, (struct str){ bytes, n }, &sealed), OK);
        enum err err = key_open(&arena, seal_key, uuid_of(KID), sealed, &opened);
        assert_int_equal(err, n == KEY_SECRET ? OK : ERR_BAD_TOKEN);
    }
}

static void no_memory_is_said(void **state)
{
    (void)state;
    static const uint8_t seal_key[32] = "a key for keys";
    struct claims claims = some_claims(), out;
    struct str good = forged(HEADER, CLAIMS), token, sealed;
    struct key key;
    for (long n = 0;; n++) {
        struct arena scarce = { 0 };
        arena_trim();
        nomem_after(n);
        enum err signing = jwt_sign(&scarce, &keys, &claims, NOW, &token);
        enum err verifying = jwt_verify(&scarce, &keys, good, NOW, &out);
        enum err making = key_make(&scarce, seal_key, uuid_of(KID), &key, &sealed);
        bool happened = nomem_happened();
        nomem_after(-1);
        assert_true(signing == OK || signing == ERR_NO_MEMORY);
        assert_true(verifying == OK || verifying == ERR_NO_MEMORY);
        assert_true(making == OK || making == ERR_NO_MEMORY);
        assert_int_equal(signing != OK || verifying != OK || making != OK, happened);
        arena_reset(&scarce);
        if (!happened)
            break;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_signed_verifies, begin, end),
        cmocka_unit_test_setup_teardown(the_token_has_the_agreed_form, begin, end),
        cmocka_unit_test_setup_teardown(a_role_may_hold_any_text, begin, end),
        cmocka_unit_test_setup_teardown(the_newest_key_in_force_signs, begin, end),
        cmocka_unit_test_setup_teardown(keys_verify_within_their_time, begin, end),
        cmocka_unit_test_setup_teardown(hostile_headers_are_refused, begin, end),
        cmocka_unit_test_setup_teardown(hostile_claims_are_refused, begin, end),
        cmocka_unit_test_setup_teardown(clocks_may_differ_by_a_minute, begin, end),
        cmocka_unit_test_setup_teardown(the_signature_comes_first, begin, end),
        cmocka_unit_test_setup_teardown(every_altered_character_is_seen, begin, end),
        cmocka_unit_test_setup_teardown(every_truncated_token_is_refused, begin, end),
        cmocka_unit_test_setup_teardown(there_are_three_parts_in_one_spelling, begin, end),
        cmocka_unit_test_setup_teardown(another_secret_is_refused, begin, end),
        cmocka_unit_test_setup_teardown(long_tokens_are_refused_unread, begin, end),
        cmocka_unit_test_setup_teardown(keys_are_sealed_and_opened, begin, end),
        cmocka_unit_test_setup_teardown(a_sealed_text_of_another_length_is_no_key, begin, end),
        cmocka_unit_test_setup_teardown(no_memory_is_said, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
