/* What a proxy says was asked for: "host\nmethod\nuri". What is read is plain, and is read the same again. */
#include "gate/upstream.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_plain(struct str path)
{
    must(path.n > 0 && path.p[0] == '/' && str_utf8(path));
    for (size_t i = 0; i < path.n; i++)
        must((unsigned char)path.p[i] >= 0x20 && path.p[i] != '\\' && path.p[i] != '%');
    must(!memmem(path.p, path.n, "//", 2) && !memmem(path.p, path.n, "/../", 4) &&
         !memmem(path.p, path.n, "/./", 3));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = { 0 };
    struct str rest = { (const char *)data, size }, host, method;
    struct target t, again;

    if (str_cut(&rest, '\n', &host) && str_cut(&rest, '\n', &method) && rest.p &&
        target_read(&arena, host, method, rest, &t)) {
        check_plain(t.path);
        must(rule_host(t.host) && rule_method(t.method));
        must(target_read(&arena, t.host, t.method, STR("/"), &again));
        must(str_eq(again.host, t.host) && str_eq(again.method, t.method));
        must(rule_fits(STR("/"), t.path) > 0 && rule_fits(t.path, t.path) > 0);
    }
    arena_reset(&arena);
    return 0;
}
