#include "api/all.h"
#include "api/crud.h"

const struct resource *const api_resources[] = {
    &auth, &users, &roles, &sessions, &api_keys, &signing_keys,
    &startups, &agents, &tasks,
    &mode,
    NULL,
};
