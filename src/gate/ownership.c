/* gate/ownership.c: gate 3: a grant path from the principal to the row must reach the access that the action needs.
 * Without any the row does not exist for the caller: 404, the same as for a row that is not there.
 */
#include "gate/facts.h"

/* One path, when it leads further than what was found; true when it reaches what is needed. */
static bool offer(struct reach *best, enum access need, enum access access, const char *path)
{
    if (access > best->access)
        *best = (struct reach){ access, path };
    return access >= need && access != ACCESS_NONE;
}

static enum access by_team(const struct principal *who, const struct resource *res,
                           const struct facts *facts)
{
    enum access most = res->team ? principal_team_access(who, &facts->id) : ACCESS_NONE;
    if (!facts->shared || facts->visibility < VISIBLE_TEAMS)
        return most;
    for (int i = 0; i < facts->ngrants; i++) {
        const struct grant *g = &facts->grants[i];
        enum access access =
            g->reach == ACCESS_NONE ? principal_team_access(who, &g->to) : ACCESS_NONE;
        if (access > most)
            most = access;
    }
    if (facts->visibility < VISIBLE_OWNERS_TEAMS)
        return most;
    enum access access = principal_team_access(who, &facts->project_owner);
    return access > most ? access : most;
}

static enum access by_collaboration(const struct principal *who, const struct facts *facts)
{
    for (int i = 0; facts->shared && i < facts->ngrants; i++) {
        const struct grant *g = &facts->grants[i];
        if (g->reach != ACCESS_NONE && uuid_eq(&g->to, &who->user_id))
            return g->reach;
    }
    return ACCESS_NONE;
}

/* Who owns an ancestor in the same project reads what was derived from it. */
static enum access by_inheritance(const struct principal *who, const struct facts *facts)
{
    for (int i = 0; i < facts->nancestors; i++)
        if (facts->ancestors[i].same_project && uuid_eq(&facts->ancestors[i].owner, &who->user_id))
            return ACCESS_READ;
    return ACCESS_NONE;
}

static enum access by_publicity(const struct resource *res, const struct facts *facts, bool known)
{
    if (res->common && known)
        return ACCESS_READ;
    enum visibility least = known ? VISIBLE_SIGNED_IN : VISIBLE_ANYONE;
    return facts->shared && facts->visibility >= least ? ACCESS_READ : ACCESS_NONE;
}

struct reach facts_reach(const struct principal *who, const struct resource *res,
                         const struct facts *facts, enum access need, int64_t now)
{
    struct reach best = { ACCESS_NONE, NULL };
    bool known = !uuid_nil(&who->user_id);
    if (!res->owned) {
        offer(&best, need, ACCESS_ADMIN, "permission");
        return best;
    }
    if (known && uuid_eq(&who->user_id, &facts->owner) &&
        offer(&best, need, ACCESS_ADMIN, "direct_ownership"))
        return best;
    if (known && facts->shared && uuid_eq(&who->user_id, &facts->project_owner) &&
        offer(&best, need, ACCESS_ADMIN, "project_ownership"))
        return best;
    if (known && (offer(&best, need, by_team(who, res, facts), "team_membership") ||
                  offer(&best, need, by_collaboration(who, facts), "project_collaboration") ||
                  offer(&best, need, by_inheritance(who, facts), "generation_inheritance")))
        return best;
    if (!offer(&best, need, by_publicity(res, facts, known), "public_access") &&
        principal_broke_glass(who, now))
        offer(&best, need, ACCESS_WRITE, "emergency_access");
    return best;
}

enum err judge_ownership(const struct principal *who, const struct resource *res,
                         const struct facts *facts, enum access need, int64_t now,
                         struct reach *out, const char **reason)
{
    *out = facts_reach(who, res, facts, need, now);
    if (need != ACCESS_NONE && out->access >= need)
        return OK;
    if (need != ACCESS_NONE && out->access >= ACCESS_READ) {
        *reason = "the grant path does not lead that far";
        return ERR_FORBIDDEN;
    }
    *reason = need == ACCESS_NONE ? "no access is asked for" : "no grant path";
    return who->kind == PRINCIPAL_ANONYMOUS ? ERR_NO_TOKEN : ERR_NOT_FOUND;
}

static const struct resource *judged(const struct resource *res)
{
    return res->under ? res->under : res;
}

enum err judge_refusal(const struct principal *who, const struct resource *res,
                       const struct facts *facts, int64_t now)
{
    struct reach reach;
    const char *reason;
    TRY(judge_ownership(who, judged(res), facts, ACCESS_READ, now, &reach, &reason));
    TRY(judge_inheritance(who, facts, ACCESS_READ, now, &reason));
    TRY(judge_media(who, res, facts, now, &reason));
    return ERR_FORBIDDEN;
}

enum verdict gate_ownership(struct req *r)
{
    struct reach reach;
    if (!r->facts)
        return NEXT; /* the path names no row */
    const struct resource *res = judged(r->resource);
    enum err err =
        judge_ownership(r->who, res, r->facts, r->action->access, r->now, &reach, &r->reason);
    if (err == ERR_FORBIDDEN)
        err = judge_refusal(r->who, r->resource, r->facts, r->now);
    if (err != OK)
        return req_deny(r, err);
    r->grant.access = reach.access;
    r->grant.path = reach.path;
    return NEXT;
}
