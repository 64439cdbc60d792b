#include "gate/permits.h"

#include "base/json.h"
#include "route/resource.h"

enum err permits_read(struct arena *a, struct str names, uint64_t *permits)
{
    const struct json *array;
    enum err err = json_read(a, names, &array);
    *permits = 0;
    if (err == ERR_NO_MEMORY)
        return err;
    if (err != OK || json_type(array) != JSON_ARRAY)
        return OK;

    struct json_walk walk = json_walk(array);
    while (json_next(&walk))
        if (json_type(walk.value) == JSON_TEXT)
            *permits |= PERMIT_BIT(permit_find(json_text(walk.value))) & PERMIT_ALL;
    return OK;
}

struct str permits_write(struct arena *a, uint64_t permits)
{
    struct text t = text_new(a, 256);
    bool first = true;
    text_char(&t, '[');
    for (int p = PERMIT_STARTUP_CREATE; p < PERMIT_COUNT; p++) {
        if (!(permits & PERMIT_BIT(p)))
            continue;
        if (!first)
            text_char(&t, ',');
        json_put_text(&t, str_of(permit_name((enum permit)p)));
        first = false;
    }
    text_char(&t, ']');
    return t.failed ? STR_NONE : text_str(&t);
}
