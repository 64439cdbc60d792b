/* gate/uuid.c: gate 1: the ids in the path. What is not an acceptable UUID never reaches a cache, a store or a log
 * as an id. RFC 9562 would read capital letters too; here they are no canonical form, so that a row has one path and
 * no rule in front of this server (a proxy's, a cache's) can be passed by another spelling. */
#include "gate/facts.h"

#include "base/metric.h"
#include "gate/anomaly.h"

/* Of what has been read as an id: digits, hyphens and letters. */
static bool has_capital(struct str id)
{
    bool found = false;
    for (size_t i = 0; i < id.n; i++)
        found |= (id.p[i] & 0x60) == 0x40;
    return found;
}

static enum verdict read_id(struct req *r, struct str text, struct uuid *out)
{
    if (!uuid_parse(text, out) || has_capital(text)) {
        bool attack = anomaly_in_id(text);
        metric_add(METRIC_GATE_ATTACKS, 0, attack);
        r->probe = attack;
        return req_deny_for(r, ERR_BAD_ID, attack ? "injection pattern" : "not canonical");
    }
    if (!uuid_acceptable(out))
        return req_deny_for(r, ERR_BAD_ID, "not an id that could have been issued");
    return NEXT;
}

enum verdict gate_uuid(struct req *r)
{
    if (r->target_ids.n > 0 && read_id(r, r->target_ids.text[0], &r->target_ids.id) != NEXT)
        return DENY;
    if (r->target_ids.n > 1 && read_id(r, r->target_ids.text[1], &r->target_ids.second) != NEXT)
        return DENY;
    return NEXT;
}
