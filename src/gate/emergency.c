/* gate/emergency.c: gate 9: what the mode of the system forbids. The operator of the machine always gets through. */
#include "gate/facts.h"

#include "base/mode.h"

enum verdict gate_emergency(struct req *r)
{
    enum mode mode = mode_now();
    if (mode == MODE_NORMAL || r->local || r->action->any_mode)
        return NEXT;
    if (mode == MODE_LOCKDOWN)
        return req_deny_for(r, ERR_EMERGENCY, "lockdown");
    if (r->action->audit)
        return req_deny_for(r, ERR_EMERGENCY, "read only");
    return NEXT;
}
