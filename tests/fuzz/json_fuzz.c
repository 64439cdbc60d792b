/* Fuzzes json_read: what it accepts is written, read and written again without a change. */
#include "base/json.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a = { 0 };
    const struct json *read, *again;
    struct text once = text_new(&a, 0), twice = text_new(&a, 0), merged = text_new(&a, 0);

    if (json_read(&a, (struct str){ (const char *)data, size }, &read) == OK) {
        json_put(&once, read);
        if (!str_utf8(text_str(&once)) || json_read(&a, text_str(&once), &again) != OK)
            abort();
        json_put(&twice, again);
        if (!str_eq(text_str(&once), text_str(&twice)))
            abort();

        json_merge(&merged, read, again);
        if (json_read(&a, text_str(&merged), &again) != OK)
            abort();
    }
    arena_reset(&a);
    return 0;
}
