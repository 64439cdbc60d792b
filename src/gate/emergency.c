/* gate/emergency.c: gate 9: what the mode of the system forbids. In read_only all that changes rows is refused but
 * signing in and out; in lockdown all but what answers in any mode, which then looks for itself at who asks. The
 * operator of the machine always gets through, and who has broken the glass.
 */
#include "gate/emergency.h"

#include "base/log.h"
#include "gate/facts.h"
#include "gen/stmt.h"

bool principal_broke_glass(const struct principal *who, int64_t now)
{
    return who->kind == PRINCIPAL_USER && who->live && who->expires > now &&
           who->break_glass_until > now && (who->permits & PERMIT_BIT(PERMIT_SYSTEM_CONFIG));
}

bool break_glass_open(const struct req *r)
{
    return r->who && principal_broke_glass(r->who, r->now);
}

bool break_glass_used(const struct req *r)
{
    return break_glass_open(r) && !(r->action->any_mode && r->action->permit == PERMIT_ANYONE);
}

const char *mode_refuses(enum mode mode, const struct req *r)
{
    const struct action *a = r->action;
    if (mode == MODE_NORMAL || mode == MODE_DEGRADED)
        return NULL;
    if (r->local || a->any_mode || break_glass_open(r))
        return NULL;
    if (mode == MODE_READ_ONLY)
        return a->audit && !a->in_read_only ? "read only" : NULL;
    return "lockdown";
}

enum verdict gate_emergency(struct req *r)
{
    const char *reason = mode_refuses(mode_now(), r);
    return reason ? req_deny_for(r, ERR_EMERGENCY, reason) : NEXT;
}

enum err mode_take(struct rows *rows)
{
    enum mode mode;
    if (rows->err != OK)
        return rows->err;
    if (rows_next(rows) && rows_int(rows, COL_MODE_GET_VERSION) > 0 &&
        mode_find(rows_text(rows, COL_MODE_GET_MODE), &mode)) {
        mode_learn(mode, rows_int(rows, COL_MODE_GET_VERSION));
        return OK;
    }
    log_say(LOG_ERROR, "mode", "the mode in the store is none that this program knows");
    return ERR_INVALID;
}
