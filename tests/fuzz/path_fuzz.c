/* A path: what matches an action is that action's path with ids put in, byte for byte. */
#include "../unit/route/things.h"
#include "route/match.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_spelling(struct arena *a, const struct action *found, const struct str *ids,
                           int n, struct str path)
{
    struct text t = text_new(a, 256);
    int used = 0;
    for (const char *at = found->path; *at;) {
        if (strncmp(at, "{id}", 4) == 0) {
            must(used < n);
            text_add(&t, ids[used++]);
            at += 4;
        } else {
            text_char(&t, *at++);
        }
    }
    must(used == n && str_eq(text_str(&t), path));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = { 0 };
    struct str ids[TARGET_IDS], path = { (const char *)data, size };
    int n;

    if (!resources()) {
        resources_init(thing_resources);
        route_init();
    }
    for (int m = METHOD_NONE; m <= OPTIONS; m++) {
        struct text allow = text_new(&arena, 64);
        const struct action *found = route_find((enum method)m, path, ids, &n, &allow);
        if (!found)
            continue;
        must(found->method == (m == HEAD ? GET : (enum method)m) && allow.n == 0);
        check_spelling(&arena, found, ids, n, path);
    }
    arena_reset(&arena);
    return 0;
}
