/* gate/uuid.c: gate 1: the ids in the path. What is not an acceptable UUID never reaches a cache, a store or a log
 * as an id. RFC 9562 would read capital letters too; here they are no canonical form, so that a row has one path and
 * no rule in front of this server (a proxy's, a cache's) can be passed by another spelling. */
#include "gate/facts.h"

#include "base/metric.h"
#include "gate/anomaly.h"

/* Of 8 characters that are digits, hyphens or letters: only of a capital are the two bits above the lowest five 10. */
static uint64_t capitals(const char *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof(word));
    return word & ~(word << 1) & UINT64_C(0x4040404040404040);
}

/* Of what has been read as an id. */
static bool has_capital(struct str id)
{
    const char *p = id.p;
    return (capitals(p) | capitals(p + 8) | capitals(p + 16) | capitals(p + 24) |
            capitals(p + UUID_TEXT - 8)) != 0;
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
