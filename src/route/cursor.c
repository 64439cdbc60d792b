/* cursor.c: base64url of: format, order, check, id, key. Times and integers are 8 bytes, big-endian;
 * a text takes the rest.
 */
#include "cursor.h"

#include "base/base64.h"

#include <math.h>

#define FORMAT 1
#define AT_ORDER 1 /* 2 * sort + descending */
#define AT_CHECK 2
#define AT_ID 6
#define AT_KEY 22
#define TEXT_MAX 8192 /* no request target is longer */

enum value_type cursor_type(const struct resource *res, int sort)
{
    int column = resource_column(res, res->sorts[sort]);
    must(column >= 0);
    return res->get->columns[column].type;
}

static int sorts_count(const struct resource *res)
{
    int n = 0;
    while (res->sorts && res->sorts[n])
        n++;
    return n;
}

/* FNV-1a: the same in every process and after every restart. */
static uint32_t mix(uint32_t hash, const void *bytes, size_t n)
{
    const unsigned char *p = bytes;
    for (size_t i = 0; i < n; i++)
        hash = (hash ^ p[i]) * 16777619u;
    return hash;
}

static uint32_t check_of(const struct resource *res, int sort, const char *bytes, size_t n)
{
    uint32_t hash = mix(2166136261u, res->plural, strlen(res->plural) + 1);
    hash = mix(hash, res->sorts[sort], strlen(res->sorts[sort]) + 1);
    hash = mix(hash, bytes, AT_CHECK);
    return mix(hash, bytes + AT_ID, n - AT_ID);
}

static void put_big(char *at, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        at[i] = (char)(value >> (8 * (bytes - 1 - i)));
}

static uint64_t get_big(const char *at, int bytes)
{
    uint64_t value = 0;
    for (int i = 0; i < bytes; i++)
        value = value << 8 | (unsigned char)at[i];
    return value;
}

/* ---- keys ---- */

static size_t key_size(const struct value *key)
{
    switch (key->type) {
    case VALUE_UUID:
        return sizeof(key->uuid.b);
    case VALUE_TEXT:
        return key->text.n;
    default:
        return 8;
    }
}

static void put_key(char *at, const struct value *key)
{
    uint64_t bits;
    switch (key->type) {
    case VALUE_UUID:
        memcpy(at, key->uuid.b, sizeof(key->uuid.b));
        break;
    case VALUE_TEXT:
        if (key->text.n > 0)
            memcpy(at, key->text.p, key->text.n);
        break;
    case VALUE_REAL:
        memcpy(&bits, &key->real, sizeof(bits));
        put_big(at, bits, 8);
        break;
    default:
        put_big(at, (uint64_t)key->i, 8);
        break;
    }
}

static bool get_key(struct str bytes, struct value *key)
{
    uint64_t bits;
    switch (key->type) {
    case VALUE_UUID:
        if (bytes.n != sizeof(key->uuid.b))
            return false;
        memcpy(key->uuid.b, bytes.p, sizeof(key->uuid.b));
        return true;
    case VALUE_TEXT:
        key->text = bytes;
        return str_utf8(bytes);
    case VALUE_REAL:
        if (bytes.n != 8)
            return false;
        bits = get_big(bytes.p, 8);
        memcpy(&key->real, &bits, sizeof(bits));
        return isfinite(key->real);
    default:
        if (bytes.n != 8)
            return false;
        key->i = (int64_t)get_big(bytes.p, 8);
        return key->type != VALUE_BOOL || key->i == 0 || key->i == 1;
    }
}

/* ---- the whole ---- */

void cursor_write(struct text *out, const struct resource *res, const struct cursor *c)
{
    size_t n = AT_KEY + key_size(&c->key);
    char *bytes = arena_alloc(out->arena, n);
    char *room = text_room(out, BASE64_LEN(n));
    if (!bytes || !room) {
        out->failed = true;
        return;
    }
    bytes[0] = FORMAT;
    bytes[AT_ORDER] = (char)(2 * c->sort + c->down);
    memcpy(bytes + AT_ID, c->id.b, sizeof(c->id.b));
    put_key(bytes + AT_KEY, &c->key);
    put_big(bytes + AT_CHECK, check_of(res, c->sort, bytes, n), 4);
    out->n += base64_encode(bytes, n, room);
}

bool cursor_read(struct arena *a, const struct resource *res, struct str text, struct cursor *out)
{
    if (text.n < BASE64_LEN(AT_KEY) || text.n > TEXT_MAX)
        return false;
    char *bytes = arena_alloc(a, text.n);
    long n = bytes ? base64_decode(text, bytes) : -1;
    if (n < AT_KEY || bytes[0] != FORMAT)
        return false;

    *out =
        (struct cursor){ .sort = (unsigned char)bytes[AT_ORDER] / 2, .down = bytes[AT_ORDER] & 1 };
    if (out->sort >= sorts_count(res))
        return false;
    if (get_big(bytes + AT_CHECK, 4) != check_of(res, out->sort, bytes, (size_t)n))
        return false;
    memcpy(out->id.b, bytes + AT_ID, sizeof(out->id.b));
    out->key.type = cursor_type(res, out->sort);
    return get_key((struct str){ bytes + AT_KEY, (size_t)n - AT_KEY }, &out->key);
}
