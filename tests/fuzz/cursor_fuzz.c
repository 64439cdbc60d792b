/* A cursor: garbage is refused, and what was written comes back as it was. */
#include "../../src/route/cursor.h"
#include "../unit/route/things.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_key(const struct cursor *c)
{
    must(c->key.type == (c->sort == 0 ? VALUE_TIME : VALUE_TEXT) && !c->key.null);
    if (c->key.type == VALUE_TEXT)
        must(str_utf8(c->key.text));
}

/* The bytes as order, id and key of a cursor. */
static void round_trip(struct arena *a, struct str bytes)
{
    struct cursor there, back;
    if (bytes.n < 25)
        return;
    there = (struct cursor){ .sort = bytes.p[0] & 1,
                             .down = bytes.p[0] >> 1 & 1,
                             .key.type = VALUE_TIME };
    memcpy(there.id.b, bytes.p + 1, 16);
    memcpy(&there.key.i, bytes.p + 17, 8);
    if (there.sort == 1)
        there.key = (struct value){ .type = VALUE_TEXT, .text = { bytes.p + 17, bytes.n - 17 } };

    struct text t = text_new(a, 0);
    cursor_write(&t, &things, &there);
    must(!t.failed);
    bool fine = there.sort == 0 || str_utf8(there.key.text);
    must(cursor_read(a, &things, text_str(&t), &back) == (fine && t.n <= 8192));
    if (!fine || t.n > 8192)
        return;
    must(back.sort == there.sort && back.down == there.down && uuid_eq(&back.id, &there.id));
    must(there.sort == 0 ? back.key.i == there.key.i : str_eq(back.key.text, there.key.text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = { 0 };
    struct cursor c;
    struct str bytes = { (const char *)data, size };

    if (!resources())
        resources_init(thing_resources);
    if (cursor_read(&arena, &things, bytes, &c))
        check_key(&c);
    round_trip(&arena, bytes);
    arena_reset(&arena);
    return 0;
}
