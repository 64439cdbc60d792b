/* Request bytes: whole or in pieces, the parser must come to the same result, and what it hands on must be inside
 * the request. */
#include "../../src/http/parse.h"

#include "base/clock.h"
#include "http/flow.h"

#include <stdlib.h>

struct outcome {
    enum parse_got got;
    enum err err;
    struct str path, body;
    int nheaders;
};

static struct req req;

static struct outcome run(const uint8_t *data, size_t size, size_t chunk)
{
    struct parse parse;
    struct outcome o = { .got = PARSE_MORE };
    struct str in = STR_NONE;
    size_t at = 0;
    bool head = true;

    arena_reset(&req.arena);
    memset(&req, 0, sizeof(req));
    parse_begin(&parse, &req);
    parse.body_max = 4096;
    while (o.got == PARSE_MORE && (at < size || in.n)) {
        if (in.n == 0) {
            size_t take = size - at < chunk ? size - at : chunk;
            in = (struct str){ (const char *)data + at, take };
            at += take;
        }
        o.got = head ? parse_head(&parse, &in) : parse_body(&parse, &in);
        if (o.got == PARSE_HEAD) {
            head = false;
            o.got = parse_has_body(&parse) ? PARSE_MORE : PARSE_END;
        }
    }
    o.err = parse.err;
    o.path = req.path;
    o.body = req.body;
    o.nheaders = req.nheaders;
    return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    clock_tick();
    struct outcome whole = run(data, size, size ? size : 1);
    struct str path = { whole.path.n ? malloc(whole.path.n) : NULL, whole.path.n };
    if (path.p)
        memcpy((char *)(uintptr_t)path.p, whole.path.p, path.n);
    struct outcome pieces = run(data, size, size % 13 + 1);

    if (whole.got != pieces.got || (whole.got == PARSE_END && (!str_eq(path, pieces.path) ||
                                                               whole.nheaders != pieces.nheaders)))
        abort();
    free((char *)(uintptr_t)path.p);
    arena_reset(&req.arena);
    return 0;
}
