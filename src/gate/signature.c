#include "gate/signature.h"

#include "base/base64.h"
#include "base/clock.h"
#include "crypto/hash.h"
#include "gate/facts.h"
#include "gate/keyring.h"

#include <stdio.h>

#define MAC_TEXT BASE64_LEN(SHA256_SIZE)

bool signature_given(struct str query)
{
    struct str part;
    while (str_cut(&query, '&', &part))
        if (str_starts(part, STR("signature=")))
            return true;
    return false;
}

/* What stands behind `name`, which ends in '=', when the part begins with it. */
static bool value_of(struct str part, struct str name, struct str *value)
{
    if (!str_starts(part, name))
        return false;
    *value = (struct str){ part.p + name.n, part.n - name.n };
    return true;
}

/* One spelling for each number and id, so that nobody can make another URL of a signed one. */
static bool number(struct str text, int64_t *out)
{
    return !(text.n > 1 && text.p[0] == '0') && str_int(text, 0, INT64_MAX, out);
}

static bool lower_uuid(struct str text, struct uuid *out)
{
    char canonical[UUID_TEXT];
    if (!uuid_parse(text, out))
        return false;
    uuid_format(out, canonical);
    return memcmp(text.p, canonical, UUID_TEXT) == 0;
}

bool signature_read(struct str query, struct signature *out)
{
    struct str part, value;
    unsigned seen = 0;
    *out = (struct signature){ 0 };
    while (str_cut(&query, '&', &part)) {
        unsigned bit = 0;
        if (value_of(part, STR("expires="), &value) && number(value, &out->expires))
            bit = 1;
        else if (value_of(part, STR("signer="), &value) && lower_uuid(value, &out->signer))
            bit = 2;
        else if (value_of(part, STR("version="), &value) && number(value, &out->version))
            bit = 4;
        else if (value_of(part, STR("signature="), &out->mac) && out->mac.n == MAC_TEXT)
            bit = 8;
        if (bit == 0 || (seen & bit))
            return false;
        seen |= bit;
    }
    return seen == 15 && out->expires <= INT64_MAX / SECOND;
}

/* What is signed: every part ends in a line of its own, so that none can run into the next. */
static void mac_of(const struct signature *s, const uint8_t key[32], enum method method,
                   const struct uuid *id, char out[MAC_TEXT])
{
    char text[160], medium[UUID_TEXT], signer[UUID_TEXT];
    uint8_t mac[SHA256_SIZE];
    struct str name = method_name(method);
    uuid_format(id, medium);
    uuid_format(&s->signer, signer);
    int n = snprintf(text, sizeof(text), "media\n%.*s\n%.*s\n%.*s\n%lld\n%lld\n", STR_ARG(name),
                     UUID_TEXT, medium, UUID_TEXT, signer, (long long)s->expires,
                     (long long)s->version);
    must(n > 0 && (size_t)n < sizeof(text));
    hmac_sha256((struct str){ (const char *)key, 32 }, (struct str){ text, (size_t)n }, mac);
    base64_encode(mac, sizeof(mac), out);
}

bool signature_holds(const struct signature *s, const uint8_t key[32], enum method method,
                     const struct uuid *id, int64_t now, const char **reason)
{
    char mac[MAC_TEXT];
    mac_of(s, key, method, id, mac);
    if (!str_same_secret(s->mac, (struct str){ mac, MAC_TEXT })) {
        *reason = "the URL is not as it was signed, or for another method or medium";
        return false;
    }
    if (s->expires <= now / SECOND) {
        *reason = "the URL has expired";
        return false;
    }
    return true;
}

void signature_write(struct text *out, const struct signature *s, const uint8_t key[32],
                     enum method method, const struct uuid *id)
{
    char mac[MAC_TEXT], signer[UUID_TEXT];
    mac_of(s, key, method, id, mac);
    uuid_format(&s->signer, signer);
    text_lit(out, "expires=");
    text_int(out, s->expires);
    text_lit(out, "&signer=");
    text_add(out, (struct str){ signer, UUID_TEXT });
    text_lit(out, "&version=");
    text_int(out, s->version);
    text_lit(out, "&signature=");
    text_add(out, (struct str){ mac, MAC_TEXT });
}

/* ---- the stage: gate 6, what can be said of the URL before anything is looked up ---- */

enum verdict gate_signature(struct req *r)
{
    struct uuid id;
    if (!r->action->signable || !signature_given(r->query))
        return NEXT;
    if (r->authorization.p || r->api_key.p)
        return req_deny_for(r, ERR_BAD_HEADER, "a signed URL with credentials beside it");
    r->signature = ARENA_NEW(&r->arena, struct signature);
    if (!r->signature)
        return req_deny(r, ERR_NO_MEMORY);
    if (!signature_read(r->query, r->signature) || !uuid_parse(r->target_ids.text[0], &id))
        return req_deny_for(r, ERR_NOT_FOUND, "the URL is not as it was signed");
    if (!signature_holds(r->signature, keyring_urls(r->keyring), r->method, &id, r->now,
                         &r->reason))
        return req_deny(r, ERR_NOT_FOUND);
    return NEXT;
}
