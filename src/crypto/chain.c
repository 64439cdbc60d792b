#include "crypto/chain.h"

#include "crypto/seal.h"

#include <stdio.h>

void chain_keys(struct str secret, struct chain_keys *out)
{
    derive_key(secret, "audit rows", out->row);
    derive_key(secret, "audit links", out->link);
    derive_key(secret, "audit heads", out->head);
    derive_key(secret, "audit subjects", out->subject);
}

static struct str key_of(const uint8_t key[SHA256_SIZE])
{
    return (struct str){ (const char *)key, SHA256_SIZE };
}

/* ---- fields, one behind the other; each text behind its length, so that none runs into the next ---- */

#define PARTS 32

struct fields {
    struct str parts[PARTS];
    int n;
    uint8_t numbers[PARTS][8];
};

static void put(struct fields *f, const void *p, size_t n)
{
    must(f->n < PARTS);
    f->parts[f->n++] = (struct str){ p, n };
}

static void put_int(struct fields *f, int64_t v)
{
    must(f->n < PARTS);
    uint8_t *b = f->numbers[f->n];
    for (int i = 0; i < 8; i++)
        b[i] = (uint8_t)((uint64_t)v >> (56 - 8 * i));
    put(f, b, 8);
}

static void put_text(struct fields *f, struct str s)
{
    put_int(f, (int64_t)s.n);
    put(f, s.p, s.n);
}

static void put_uuid(struct fields *f, const struct uuid *id)
{
    put(f, id->b, sizeof(id->b));
}

static void mac_of(const struct fields *f, const uint8_t key[SHA256_SIZE], uint8_t out[SHA256_SIZE])
{
    hmac_sha256_of(key_of(key), f->parts, f->n, out);
}

void chain_mac(const struct chain_keys *keys, const struct chain_row *row, uint8_t out[SHA256_SIZE])
{
    struct fields f = { .n = 0 };
    put_uuid(&f, &row->id);
    put_uuid(&f, &row->writer);
    put_int(&f, row->sequence);
    put_int(&f, row->at);
    put_text(&f, row->principal_kind);
    put_uuid(&f, &row->principal_id);
    put_uuid(&f, &row->session_id);
    put_text(&f, row->action);
    put_uuid(&f, &row->target);
    put_text(&f, row->outcome);
    put_uuid(&f, &row->decision);
    put_text(&f, row->risk);
    put_text(&f, row->correlation);
    put_uuid(&f, &row->subject);
    put_text(&f, row->sealed);
    mac_of(&f, keys->row, out);
}

void chain_link(const struct chain_keys *keys, const uint8_t before[SHA256_SIZE], int64_t number,
                const struct uuid *id, struct str mac, uint8_t out[SHA256_SIZE])
{
    struct fields f = { .n = 0 };
    put(&f, before, SHA256_SIZE);
    put_int(&f, number);
    put_uuid(&f, id);
    put_text(&f, mac);
    mac_of(&f, keys->link, out);
}

void chain_sign(const struct chain_keys *keys, int64_t number, const uint8_t link[SHA256_SIZE],
                int64_t at, uint8_t out[SHA256_SIZE])
{
    struct fields f = { .n = 0 };
    put_int(&f, number);
    put(&f, link, SHA256_SIZE);
    put_int(&f, at);
    mac_of(&f, keys->head, out);
}

/* ---- heads as text ---- */

static char *put_hex(char *out, const uint8_t bytes[SHA256_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    for (int i = 0; i < SHA256_SIZE; i++) {
        *out++ = digits[bytes[i] >> 4];
        *out++ = digits[bytes[i] & 15];
    }
    return out;
}

size_t chain_head_write(const struct chain_head *head, char out[CHAIN_HEAD_LINE])
{
    char *at = out + snprintf(out, CHAIN_HEAD_LINE, "%lld ", (long long)head->number);
    at = put_hex(at, head->link);
    at += snprintf(at, CHAIN_HEAD_LINE - (size_t)(at - out), " %lld ", (long long)head->at);
    at = put_hex(at, head->signature);
    *at = '\0';
    return (size_t)(at - out);
}

static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_hex(struct str s, uint8_t out[SHA256_SIZE])
{
    if (s.n != 2 * SHA256_SIZE)
        return false;
    for (int i = 0; i < SHA256_SIZE; i++) {
        int high = digit(s.p[2 * i]), low = digit(s.p[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

bool chain_head_read(struct str line, struct chain_head *out)
{
    struct str rest = line, number, link, at;
    return str_cut(&rest, ' ', &number) && str_cut(&rest, ' ', &link) && str_cut(&rest, ' ', &at) &&
           rest.p && str_int(number, 1, INT64_MAX, &out->number) && read_hex(link, out->link) &&
           str_int(at, 0, INT64_MAX, &out->at) && read_hex(rest, out->signature);
}

/* ---- what is sealed ---- */

#define SUBJECT "audit subject "
#define PAYLOAD "audit payload "

struct context {
    char text[sizeof(SUBJECT) - 1 + UUID_TEXT];
};

static struct str context_of(struct context *c, const char purpose[sizeof(SUBJECT)],
                             const struct uuid *id)
{
    memcpy(c->text, purpose, sizeof(SUBJECT) - 1);
    uuid_format(id, c->text + sizeof(SUBJECT) - 1);
    return (struct str){ c->text, sizeof(c->text) };
}

enum err chain_subject_seal(struct arena *a, const struct chain_keys *keys,
                            const struct uuid *subject, const uint8_t key[CHAIN_KEY],
                            struct str *sealed)
{
    struct context c;
    return seal(a, keys->subject, context_of(&c, SUBJECT, subject), key_of(key), sealed);
}

enum err chain_subject_open(struct arena *a, const struct chain_keys *keys,
                            const struct uuid *subject, struct str sealed, uint8_t key[CHAIN_KEY])
{
    struct context c;
    struct str plain;
    TRY(seal_open(a, keys->subject, context_of(&c, SUBJECT, subject), sealed, &plain));
    bool whole = plain.n == CHAIN_KEY;
    if (whole)
        memcpy(key, plain.p, CHAIN_KEY);
    explicit_bzero((char *)plain.p, plain.n);
    return whole ? OK : ERR_BAD_TOKEN;
}

enum err chain_payload_seal(struct arena *a, const uint8_t key[CHAIN_KEY], const struct uuid *id,
                            struct str plain, struct str *sealed)
{
    struct context c;
    return seal(a, key, context_of(&c, PAYLOAD, id), plain, sealed);
}

enum err chain_payload_open(struct arena *a, const uint8_t key[CHAIN_KEY], const struct uuid *id,
                            struct str sealed, struct str *plain)
{
    struct context c;
    return seal_open(a, key, context_of(&c, PAYLOAD, id), sealed, plain);
}
