#include "crypto/jwt.h"

#include "base/base64.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/random.h"
#include "crypto/hash.h"
#include "crypto/seal.h"

#define GATEHOUSE "gatehouse"                /* who issues, and for whom */
#define SECONDS_MOST ((int64_t)253402300799) /* the year 9999 */
#define CONTEXT "signing key "

/* ---- keys ---- */

/* What a sealed secret is bound to: it opens only as the key that it was made for. */
static struct str context_of(const struct uuid *id, char out[sizeof(CONTEXT) - 1 + UUID_TEXT])
{
    memcpy(out, CONTEXT, sizeof(CONTEXT) - 1);
    uuid_format(id, out + sizeof(CONTEXT) - 1);
    return (struct str){ out, sizeof(CONTEXT) - 1 + UUID_TEXT };
}

static struct str secret_of(const struct key *key)
{
    return (struct str){ (const char *)key->secret, KEY_SECRET };
}

enum err key_make(struct arena *a, const uint8_t seal_key[32], struct uuid id, struct key *key,
                  struct str *sealed)
{
    char context[sizeof(CONTEXT) - 1 + UUID_TEXT];
    *key = (struct key){ .id = id };
    random_bytes(key->secret, KEY_SECRET);
    return seal(a, seal_key, context_of(&id, context), secret_of(key), sealed);
}

enum err key_open(struct arena *a, const uint8_t seal_key[32], struct uuid id, struct str sealed,
                  struct key *key)
{
    char context[sizeof(CONTEXT) - 1 + UUID_TEXT];
    struct str plain;
    *key = (struct key){ .id = id };
    TRY(seal_open(a, seal_key, context_of(&id, context), sealed, &plain));

    bool whole = plain.n == KEY_SECRET;
    if (whole)
        memcpy(key->secret, plain.p, KEY_SECRET);
    explicit_bzero((char *)plain.p, plain.n);
    return whole ? OK : ERR_BAD_TOKEN;
}

/* The newest whose time has come and not gone. */
static const struct key *signing_key(const struct keys *keys, int64_t now)
{
    for (int i = keys->n - 1; i >= 0; i--) {
        const struct key *k = &keys->at[i];
        if (k->from <= now && (k->until == 0 || now < k->until))
            return k;
    }
    return NULL;
}

static const struct key *key_named(const struct keys *keys, const struct uuid *id, int64_t now)
{
    for (int i = 0; i < keys->n; i++) {
        const struct key *k = &keys->at[i];
        if (!uuid_eq(&k->id, id))
            continue;
        bool within = now >= k->from - JWT_SKEW && (k->until == 0 || now <= k->until + JWT_SKEW);
        return within ? k : NULL;
    }
    return NULL;
}

/* ---- signing ---- */

static void put_uuid(struct text *t, const char *name, const struct uuid *id)
{
    json_key(t, name);
    json_put_uuid(t, id);
}

static void put_text(struct text *t, const char *name, struct str value)
{
    json_key(t, name);
    json_put_text(t, value);
}

static void put_int(struct text *t, const char *name, int64_t value)
{
    json_key(t, name);
    text_int(t, value);
}

static struct str header_of(struct arena *a, const struct key *key)
{
    struct text t = text_new(a, 96);
    text_lit(&t, "{\"alg\":\"HS256\",\"typ\":\"JWT\"");
    put_uuid(&t, "kid", &key->id);
    text_char(&t, '}');
    return t.failed ? STR_NONE : text_str(&t);
}

static struct str payload_of(struct arena *a, const struct claims *c)
{
    struct text t = text_new(a, 320);
    text_char(&t, '{');
    put_text(&t, "iss", STR(GATEHOUSE));
    put_text(&t, "aud", STR(GATEHOUSE));
    put_uuid(&t, "sub", &c->sub);
    put_uuid(&t, "sid", &c->sid);
    put_uuid(&t, "jti", &c->jti);
    put_int(&t, "iat", c->iat / SECOND);
    put_int(&t, "exp", c->exp / SECOND);
    put_text(&t, "role", c->role);
    put_int(&t, "ver", c->ver);
    text_char(&t, '}');
    return t.failed ? STR_NONE : text_str(&t);
}

static void put_base64(struct text *t, struct str bytes)
{
    char *at = text_room(t, BASE64_LEN(bytes.n));
    if (at)
        t->n += base64_encode(bytes.p, bytes.n, at);
}

enum err jwt_sign(struct arena *a, const struct keys *keys, const struct claims *claims,
                  int64_t now, struct str *token)
{
    *token = STR_NONE;
    const struct key *key = signing_key(keys, now);
    if (!key)
        return ERR_UNAVAILABLE;

    struct str header = header_of(a, key), payload = payload_of(a, claims);
    if (!header.p || !payload.p)
        return ERR_NO_MEMORY;

    struct text t =
        text_new(a, BASE64_LEN(header.n) + BASE64_LEN(payload.n) + BASE64_LEN(SHA256_SIZE) + 2);
    put_base64(&t, header);
    text_char(&t, '.');
    put_base64(&t, payload);
    if (t.failed)
        return ERR_NO_MEMORY;

    uint8_t mac[SHA256_SIZE];
    hmac_sha256(secret_of(key), text_str(&t), mac);
    text_char(&t, '.');
    put_base64(&t, (struct str){ (char *)mac, sizeof(mac) });
    if (t.failed)
        return ERR_NO_MEMORY;
    if (t.n > JWT_MAX)
        return ERR_INTERNAL; /* we would not read it again */
    *token = text_str(&t);
    return OK;
}

/* ---- verifying ---- */

static enum err bad_token_unless(bool good)
{
    return good ? OK : ERR_BAD_TOKEN;
}

/* The JSON object that base64url text stands for. */
static enum err read_object(struct arena *a, struct str text, const struct json **out)
{
    char *bytes = arena_alloc(a, text.n);
    if (!bytes)
        return ERR_NO_MEMORY;
    long n = base64_decode(text, bytes);
    if (n < 0)
        return ERR_BAD_TOKEN;

    enum err err = json_read(a, (struct str){ bytes, (size_t)n }, out);
    if (err != OK)
        return err == ERR_NO_MEMORY ? err : ERR_BAD_TOKEN;
    return bad_token_unless(json_type(*out) == JSON_OBJECT);
}

static bool is_text(const struct json *v, const char *text)
{
    return v && json_type(v) == JSON_TEXT && str_eq(json_text(v), str_of(text));
}

static bool get_uuid(const struct json *object, const char *name, struct uuid *out)
{
    const struct json *v = json_get(object, name);
    return v && json_type(v) == JSON_TEXT && uuid_parse(json_text(v), out);
}

static bool get_int(const struct json *object, const char *name, int64_t most, int64_t *out)
{
    const struct json *v = json_get(object, name);
    if (!v || json_type(v) != JSON_INT || json_int(v) < 0 || json_int(v) > most)
        return false;
    *out = json_int(v);
    return true;
}

/* RFC 8725 section 3.1: the key decides on the algorithm, the header may only agree. A name that is not expected
 * (jku, jwk, x5u, crit) is refused rather than ignored. */
static enum err read_header(struct arena *a, struct str text, struct uuid *kid)
{
    const struct json *header;
    TRY(read_object(a, text, &header));

    const struct json *typ = json_get(header, "typ");
    size_t expected = typ ? 3 : 2;
    return bad_token_unless(json_count(header) == expected &&
                            is_text(json_get(header, "alg"), "HS256") &&
                            (!typ || is_text(typ, "JWT")) && get_uuid(header, "kid", kid));
}

static enum err check_mac(const struct key *key, struct str signed_part, struct str mac)
{
    uint8_t right[SHA256_SIZE], given[SHA256_SIZE];
    if (mac.n != BASE64_LEN(SHA256_SIZE) || base64_decode(mac, given) != SHA256_SIZE)
        return ERR_BAD_TOKEN;

    hmac_sha256(secret_of(key), signed_part, right);
    bool same = str_same_secret((struct str){ (char *)right, sizeof(right) },
                                (struct str){ (char *)given, sizeof(given) });
    explicit_bzero(right, sizeof(right));
    return bad_token_unless(same);
}

static enum err read_claims(struct arena *a, struct str text, struct claims *out)
{
    const struct json *claims;
    TRY(read_object(a, text, &claims));

    const struct json *role = json_get(claims, "role");
    if (!is_text(json_get(claims, "iss"), GATEHOUSE) ||
        !is_text(json_get(claims, "aud"), GATEHOUSE) || !get_uuid(claims, "sub", &out->sub) ||
        !get_uuid(claims, "sid", &out->sid) || !get_uuid(claims, "jti", &out->jti) || !role ||
        json_type(role) != JSON_TEXT || !get_int(claims, "ver", INT64_MAX, &out->ver) ||
        !get_int(claims, "iat", SECONDS_MOST, &out->iat) ||
        !get_int(claims, "exp", SECONDS_MOST, &out->exp))
        return ERR_BAD_TOKEN;

    out->role = json_text(role);
    out->iat *= SECOND;
    out->exp *= SECOND;
    return OK;
}

static enum err check_times(const struct claims *c, int64_t now)
{
    if (c->iat > now + JWT_SKEW || c->exp <= c->iat)
        return ERR_BAD_TOKEN;
    return now > c->exp + JWT_SKEW ? ERR_TOKEN_EXPIRED : OK;
}

enum err jwt_verify(struct arena *a, const struct keys *keys, struct str token, int64_t now,
                    struct claims *out)
{
    *out = (struct claims){ 0 };
    struct str rest = token, header, payload;
    if (token.n > JWT_MAX || !str_cut(&rest, '.', &header) || !str_cut(&rest, '.', &payload) ||
        !rest.p)
        return ERR_BAD_TOKEN;

    struct uuid kid;
    TRY(read_header(a, header, &kid));
    const struct key *key = key_named(keys, &kid, now);
    if (!key)
        return ERR_BAD_TOKEN;

    struct str signed_part = { token.p, header.n + 1 + payload.n };
    TRY(check_mac(key, signed_part, rest));

    struct claims claims;
    TRY(read_claims(a, payload, &claims));
    TRY(check_times(&claims, now));
    *out = claims;
    return OK;
}
