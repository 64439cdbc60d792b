/* gate/inheritance.c: gate 5: the ancestors of a generation. The tree is at most DEPTH_MAX deep and has no cycle; what
 * is stored otherwise is not judged but denied. A restriction on an ancestor binds all below it, for all but its owner.
 */
#include "gate/facts.h"

static bool repeats(const struct facts *f)
{
    for (int i = 0; i < f->nancestors; i++) {
        if (uuid_eq(&f->ancestors[i].id, &f->id))
            return true;
        for (int k = 0; k < i; k++)
            if (uuid_eq(&f->ancestors[i].id, &f->ancestors[k].id))
                return true;
    }
    return false;
}

static uint64_t bit(enum access access)
{
    return (uint64_t)1 << (access == ACCESS_CREATE ? ACCESS_WRITE : access);
}

/* A restriction binds what lies below it, not what it was put on. */
static bool binds(const struct restraint *x, const struct facts *f, const struct principal *who,
                  int64_t now)
{
    if (now >= x->until || uuid_eq(&x->owner, &who->user_id) || uuid_eq(&x->on, &f->id))
        return false;
    return uuid_nil(&x->user) || uuid_eq(&x->user, &who->user_id);
}

/* To nobody signed in, what is hidden looks like what is not open. */
static enum err hidden(const struct principal *who)
{
    return who->kind == PRINCIPAL_ANONYMOUS ? ERR_NO_TOKEN : ERR_NOT_FOUND;
}

enum err judge_inheritance(const struct principal *who, const struct facts *f, enum access need,
                           int64_t now, const char **reason)
{
    bool refused = false;
    *reason = "deeper than a tree may be";
    if (f->depth > DEPTH_MAX || f->nancestors > DEPTH_MAX + 1)
        return hidden(who);
    *reason = "ancestors are missing";
    if (f->nancestors < f->depth)
        return hidden(who);
    *reason = "the ancestors form a cycle";
    if (repeats(f))
        return hidden(who);

    *reason = "restricted by an ancestor";
    for (int i = 0; i < f->nrestraints; i++) {
        if (!binds(&f->restraints[i], f, who, now))
            continue;
        if (f->restraints[i].accesses & bit(ACCESS_READ))
            return hidden(who); /* what may not be read is hidden, whatever is asked */
        refused = refused || (f->restraints[i].accesses & bit(need));
    }
    if (refused)
        return ERR_FORBIDDEN;
    *reason = NULL;
    return OK;
}

enum verdict gate_inheritance(struct req *r)
{
    if (!r->facts)
        return NEXT;
    enum err err = judge_inheritance(r->who, r->facts, r->action->access, r->now, &r->reason);
    if (err == ERR_FORBIDDEN)
        err = judge_refusal(r->who, r->resource, r->facts, r->now);
    return err == OK ? NEXT : req_deny(r, err);
}
