/* component.h: the parts of the OpenAPI document that operations refer to. */
#ifndef ROUTE_COMPONENT_H
#define ROUTE_COMPONENT_H

#include "route/resource.h"

/* The member "components". */
void component_write(struct text *t);

/* How many ids the action's path has. */
int action_ids(const struct action *a);
/* Whether this action may be answered with an error of that status. */
bool action_may_answer(const struct action *a, const struct resource *res, int status);

#endif
