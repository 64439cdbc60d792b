/* route/match.h: from method and path to an action. The router is built once from the resource tables. */
#ifndef ROUTE_MATCH_H
#define ROUTE_MATCH_H

#include "route/resource.h"

/* After resources_check. */
void route_init(void);
void route_fini(void);

/* Stage `route`: sets action, resource and the texts of the ids. Unknown path: ERR_NOT_FOUND. Known path with
 * another method: ERR_METHOD with an Allow header. OPTIONS on a known path is answered here (DONE, 204, Allow). HEAD
 * is GET. An action for ANY_METHOD takes the methods that have none of their own there, OPTIONS too; a path that ends
 * in a segment '*' is all below it, whatever stands there. Else a path is matched literally after percent-decoding of
 * unreserved characters is refused: any '%', '//', '.' or '..' segment or byte outside of RFC 3986 pchar is
 * ERR_NOT_FOUND or ERR_BAD_REQUEST, never a second spelling of a route. */
enum verdict route_match(struct req *r);

/* The walk itself, for tests and fuzzing: the action, or NULL with *allow filled with the methods that the path has
 * ("" none). */
const struct action *route_find(enum method method, struct str path, struct str ids[TARGET_IDS],
                                int *nids, struct text *allow);

#endif
