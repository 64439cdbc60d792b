/* api/all.h: the resources of this folder by name. */
#ifndef API_ALL_H
#define API_ALL_H

#include "route/resource.h"

extern const struct resource auth, users, roles, sessions, api_keys, signing_keys;
extern const struct resource startups, agents, tasks;
extern const struct resource teams, team_members, invitations, accepting;
extern const struct resource projects, project_teams, collaborators;
extern const struct resource generations, media, models, templates;
extern const struct resource mode, break_glass, restraints, access_decisions, audit, erasures;
extern const struct resource upstreams, forwarding;

#endif
