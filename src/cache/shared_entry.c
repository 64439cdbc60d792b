/* cache/shared_entry.c: an entry in Redis is
 *     u8 form, u8 flags, u8 counters, u8 0, u32 bytes of the plain value, i64 end of life (wall clock),
 *     for each counter u32 slot, u32 0, u64 value,
 *     the value, deflated when it is large and that helps,
 * numbers as the machine has them: nodes that share a Redis are of one kind, and the form tells others.
 */
#include "shared_room.h"

#include <string.h>
#include <zlib.h>

#define FORM (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? 1 : 2)
#define DEFLATED 1
#define DEFLATE_FROM 1024
#define LEVEL 1
#define RAW (-15) /* window bits: without zlib's own frame */

struct head {
    uint8_t form, flags, counters, zero;
    uint32_t plain;
    int64_t dies;
};

struct pair {
    uint32_t slot, zero;
    uint64_t value;
};

#define HEAD_MAX (sizeof(struct head) + COUNTERS_MAX * sizeof(struct pair))

/* Smaller by deflate, or 0: it is not. */
static size_t deflated(struct str value, char *out, size_t cap)
{
    static z_stream z; /* kept: making one takes a quarter of a megabyte */
    static bool made;
    if (!made && deflateInit2(&z, LEVEL, Z_DEFLATED, RAW, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return 0;
    made = true;
    deflateReset(&z);
    z.next_in = (z_const Bytef *)value.p;
    z.avail_in = (uInt)value.n;
    z.next_out = (Bytef *)out;
    z.avail_out = (uInt)cap;
    return deflate(&z, Z_FINISH) == Z_STREAM_END ? cap - z.avail_out : 0;
}

static bool inflated(struct str packed, char *out, size_t size)
{
    static z_stream z;
    static bool made;
    if (!made && inflateInit2(&z, RAW) != Z_OK)
        return false;
    made = true;
    inflateReset(&z);
    z.next_in = (z_const Bytef *)packed.p;
    z.avail_in = (uInt)packed.n;
    z.next_out = (Bytef *)out;
    z.avail_out = (uInt)size;
    return inflate(&z, Z_FINISH) == Z_STREAM_END && z.avail_out == 0 && z.avail_in == 0;
}

struct str entry_write(const struct shared_entry *e)
{
    static char buffer[HEAD_MAX + ENTRY_VALUE_MAX];
    if (e->value.n > ENTRY_VALUE_MAX)
        return STR_NONE;
    struct head head = {
        .form = FORM,
        .counters = (uint8_t)e->under.n,
        .plain = (uint32_t)e->value.n,
        .dies = e->dies,
    };
    char *p = buffer + sizeof(head);
    for (int i = 0; i < e->under.n; i++) {
        struct pair pair = { e->under.at[i].slot, 0, e->under.at[i].value };
        memcpy(p, &pair, sizeof(pair));
        p += sizeof(pair);
    }

    size_t n = e->value.n > DEFLATE_FROM ? deflated(e->value, p, e->value.n - 1) : 0;
    if (n > 0)
        head.flags = DEFLATED;
    else if ((n = e->value.n) > 0)
        memcpy(p, e->value.p, n);
    memcpy(buffer, &head, sizeof(head));
    return (struct str){ buffer, (size_t)(p - buffer) + n };
}

bool entry_read(struct str bytes, struct shared_entry *out)
{
    static char buffer[ENTRY_VALUE_MAX];
    struct head head;
    if (bytes.n < sizeof(head))
        return false;
    memcpy(&head, bytes.p, sizeof(head));
    size_t at = sizeof(head) + head.counters * sizeof(struct pair);
    if (head.form != FORM || head.flags > DEFLATED || head.counters == 0 ||
        head.counters > COUNTERS_MAX || bytes.n < at || head.plain > ENTRY_VALUE_MAX)
        return false;

    *out = (struct shared_entry){ .dies = head.dies };
    out->under.n = head.counters;
    for (int i = 0; i < head.counters; i++) {
        struct pair pair;
        memcpy(&pair, bytes.p + sizeof(head) + (size_t)i * sizeof(pair), sizeof(pair));
        out->under.at[i].slot = pair.slot;
        out->under.at[i].value = pair.value;
    }
    out->value = (struct str){ bytes.p + at, bytes.n - at };
    if (!head.flags)
        return out->value.n == head.plain;
    if (!inflated(out->value, buffer, head.plain))
        return false;
    out->value = (struct str){ buffer, head.plain };
    return true;
}
