/* The body of a change: what is accepted has the types of its fields, and nothing of it is bad JSON or bad UTF-8. */
#include "../unit/route/things.h"
#include "base/json.h"
#include "route/input.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_value(struct req *r, const struct field *f, const struct value *v, bool given)
{
    const struct json *again;
    struct value same;
    if (v->null) {
        must(!given || f->null);
        return;
    }
    if (v->type == VALUE_TEXT)
        must(str_utf8(v->text));
    if (v->type == VALUE_JSON) {
        must(json_read(&r->arena, v->text, &again) == OK);
        must(field_read_json(r, f, again, &same) && str_eq(same.text, v->text));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int actions[] = { THING_MADE, THING_PATCHED, THING_CLAIMED, THING_CANCELLED };
    static struct req r;
    if (size == 0)
        return 0;

    if (!resources())
        resources_init(thing_resources);
    memset(&r, 0, sizeof(r));
    r.resource = &things;
    r.action = &thing_actions[actions[data[0] % COUNT(actions)]];
    r.method = r.action->method;
    r.content_type = STR("application/json");
    r.body = (struct str){ (const char *)data + 1, size - 1 };
    if (input_read(&r) == NEXT && r.input)
        for (int i = 0; i < r.input->n; i++)
            check_value(&r, &r.input->fields[i], &r.input->at[i], r.input->given[i]);
    arena_reset(&r.arena);
    return 0;
}
