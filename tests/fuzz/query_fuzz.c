/* The query string of a list: what is accepted leads to a statement, within the limits. */
#include "../unit/route/things.h"
#include "route/page.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct req r;
    struct page page;

    if (!resources())
        resources_init(thing_resources);
    memset(&r, 0, sizeof(r));
    r.resource = &things;
    r.action = &thing_actions[THING_LISTED];
    r.query = (struct str){ (const char *)data, size };
    if (page_read(&r, &page) == OK) {
        const struct stmt *stmt = page_stmt(&things, &page);
        must(stmt >= thing_list && stmt < thing_list + COUNT(thing_list));
        must(page.limit >= 1 && page.limit <= PAGE_MAX && page.skip >= 0 &&
             page.skip <= PAGE_SKIP_MAX);
        must(!page.after || page.after_key.type == stmt->params[6].type);
        for (int i = 0; i < things.nfields; i++)
            must(page.filters[i].null || things.fields[i].filter);
    }
    arena_reset(&r.arena);
    return 0;
}
