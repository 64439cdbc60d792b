/* gate/emergency.h: gate 9 without its stage: what the mode forbids, and the row that holds the mode. */
#ifndef GATE_EMERGENCY_H
#define GATE_EMERGENCY_H

#include "base/mode.h"
#include "http/req.h"

/* Why a request is refused in that mode, NULL when it is not. A pure function; r->who, r->action, r->local and r->now
 * are looked at. */
const char *mode_refuses(enum mode mode, const struct req *r);

/* Learns the mode from what mode_get found. ERR_INVALID: the row is none that this program knows; what was known
 * stays. */
enum err mode_take(struct rows *rows) CHECKED;

#endif
