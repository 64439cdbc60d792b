/* gate/references.c: every row that a field of the body names must be there for the caller: the gates run on it as
 * they would if the path named it, and hidden looks like absent here too.
 */
#include "gate/facts.h"

#include "route/input.h"

static enum verdict judge(struct req *r)
{
    const struct look *look = r->look;
    const struct field *f = &r->input->fields[r->looked];
    if (look->err != OK)
        return req_deny(r, look->err);
    if (!look->facts || !grant_path(r->who, look->res, &look->facts->owner, ACCESS_READ)) {
        req_fault(r, f->name, "reference", "There is no such thing here.");
        return req_deny_for(r, ERR_INVALID, "reference to what is not there for the caller");
    }
    r->looked++;
    return NEXT;
}

/* Looks up one reference after the other, from r->looked on. */
enum verdict gate_references(struct req *r)
{
    while (r->input && r->looked < r->input->n) {
        const struct field *f = &r->input->fields[r->looked];
        const struct value *v = &r->input->at[r->looked];
        if (!f->refers || !r->input->given[r->looked] || v->null) {
            r->looked++;
            continue;
        }
        if (!r->look && !(r->look = ARENA_NEW(&r->arena, struct look)))
            return req_deny(r, ERR_NO_MEMORY);
        if (look_begin(r, r->look, resource_find(f->refers), &v->uuid) == WAIT)
            return WAIT;
        if (judge(r) != NEXT)
            return DENY;
    }
    r->look = NULL;
    return NEXT;
}

enum verdict gate_references_known(struct req *r)
{
    if (look_again(r, r->look) == WAIT)
        return WAIT;
    return judge(r) == NEXT ? gate_references(r) : DENY;
}
