#include "api/all.h"
#include "api/crud.h"

const struct resource *const api_resources[] = {
    &auth, &users, &roles, &sessions, &api_keys, &signing_keys,
    &startups, &agents, &tasks,
    &teams, &team_members, &invitations, &accepting,
    &projects, &project_teams, &collaborators,
    &generations, &media, &models, &templates,
    &mode, &break_glass, &restraints, &access_decisions, &audit, &erasures,
    &upstreams, &forwarding,
    NULL,
};
