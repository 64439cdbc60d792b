/* The mode of the node, entered and left by hand: what gate emergency obeys. The change of mode follows its audit
 * row's commit. */
#include "api/all.h"

#include "base/json.h"
#include "base/mode.h"
#include "http/reply.h"
#include "route/input.h"

static enum verdict show(struct req *r)
{
    struct text t = text_new(&r->arena, 32);
    text_lit(&t, "{\"mode\":");
    json_put_text(&t, str_of(mode_name(mode_now())));
    text_char(&t, '}');
    reply_json(r, 200, text_str(&t));
    return NEXT;
}

static enum verdict change(struct req *r)
{
    r->audit_noun = r->action->audit; /* no row changes, but it is written down */
    return NEXT;
}

static enum verdict changed(struct req *r)
{
    struct str wanted = input_text(r, "mode");
    for (int m = MODE_NORMAL; m <= MODE_LOCKDOWN; m++)
        if (str_eq(wanted, str_of(mode_name((enum mode)m))))
            mode_set((enum mode)m);
    return show(r);
}

static const struct field fields[] = {
    { "mode", ONEOF, .oneof = "normal|read_only|lockdown", .required = true,
      .says = "What is still allowed." },
};

static const struct action actions[] = {
    { GET, "/api/v1/mode", .permit = PERMIT_SYSTEM_CONFIG, .rate = RATE_DEFAULT, .any_mode = true,
      .run = show, .says = "The mode of this node." },
    { PUT, "/api/v1/mode", .permit = PERMIT_SYSTEM_CONFIG, .rate = RATE_ADMIN, .any_mode = true,
      .run = change, .made = changed, .audit = "mode.set",
      .says = "Enters or leaves a restricted mode; every worker of this node obeys at once." },
};

const struct resource mode = { "mode", "mode", RESOURCE_FIELDS(fields), RESOURCE_ACTIONS(actions),
                               .no_metadata = true };
