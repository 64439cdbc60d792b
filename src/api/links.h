/* links.h: what resources below another have in common: members of a team, teams and collaborators of a project. A row
 * is named by two ids, the first of which the gates have judged.
 */
#ifndef API_LINKS_H
#define API_LINKS_H

#include "http/req.h"

#define TEAMS_MOST 1000        /* that a user is in: all of them are in the principal's facts */
#define SHARED_TEAMS_MOST 100  /* of a project, and likewise in its facts */
#define COLLABORATORS_MOST 400

/* .run and .then of a GET. */
stage_fn link_get, link_got;
/* .made: the row that the change returned. */
stage_fn link_made;
/* The caller may do all on the row above, so that nobody else's rights are beyond him. */
bool link_all(const struct req *r);

#endif
