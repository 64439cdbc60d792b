/* gate/references.c: every row that a field of the body names must be there for the caller: the gates run on it as
 * they would if the path named it, and hidden looks like absent here too.
 */
#include "gate/facts.h"

#include "route/input.h"

const struct facts *referred(const struct req *r, const char *field)
{
    for (int i = 0; r->referred && i < r->input->n; i++)
        if (strcmp(r->input->fields[i].name, field) == 0)
            return r->referred[i];
    return NULL;
}

static enum verdict judge(struct req *r)
{
    const struct look *look = r->look;
    const struct field *f = &r->input->fields[r->looked];
    enum access need = f->needs ? f->needs : ACCESS_READ;
    struct reach reach;
    if (look->err != OK)
        return req_deny_for(r, look->err, "the facts of a reference cannot be had");

    enum err err = ERR_NOT_FOUND;
    r->reason = "reference to what is not there";
    if (look->facts)
        err = judge_ownership(r->who, look->res, look->facts, need, r->now, &reach, &r->reason);
    if (err == OK)
        err = judge_inheritance(r->who, look->facts, need, r->now, &r->reason);
    if (err == ERR_FORBIDDEN)
        err = judge_refusal(r->who, look->res, look->facts, r->now);
    if (err == ERR_FORBIDDEN)
        return req_deny(r, err);
    if (err != OK) {
        req_fault(r, f->name, "reference", "There is no such thing here.");
        return req_deny(r, ERR_INVALID);
    }
    r->referred[r->looked++] = look->facts;
    return NEXT;
}

static bool names_a_row(const struct input *in, int field)
{
    return in->fields[field].refers && in->given[field] && !in->at[field].null;
}

/* Looks up one reference after the other, from r->looked on. */
enum verdict gate_references(struct req *r)
{
    for (; r->input && r->looked < r->input->n;) {
        if (!names_a_row(r->input, r->looked)) {
            r->looked++;
            continue;
        }
        if (!r->referred)
            r->referred = ARENA_ARRAY(&r->arena, struct facts *, (size_t)r->input->n);
        if (!r->look)
            r->look = ARENA_NEW(&r->arena, struct look);
        if (!r->look || !r->referred)
            return req_deny(r, ERR_NO_MEMORY);
        const struct resource *res = resource_find(r->input->fields[r->looked].refers);
        if (look_begin(r, r->look, res, &r->input->at[r->looked].uuid) == WAIT)
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
