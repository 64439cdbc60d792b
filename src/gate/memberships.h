/* memberships.h: the teams of a principal, from the text that statements give (user_teams in sql/queries/team.sql) to
 * what facts hold.
 */
#ifndef GATE_MEMBERSHIPS_H
#define GATE_MEMBERSHIPS_H

#include "gate/facts.h"

/* Sets who->memberships, in the arena. ERR_INTERNAL: the text is none of ours. */
enum err memberships_read(struct arena *a, struct str text, struct principal *who) CHECKED;
/* 32 hexadecimal digits, taken off the text. */
bool hex_uuid(struct str *text, struct uuid *out);

#endif
