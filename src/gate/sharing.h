/* sharing.h: what the gates look at besides the row, from the columns behind it in a statement (.facts of a resource):
 *   project_owner uuid, project_visibility text, grants text, ancestry text, restraints text
 * as sql/queries/project.sql and generation.sql write them; and the bytes that it is cached as.
 */
#ifndef GATE_SHARING_H
#define GATE_SHARING_H

#include "gate/facts.h"

/* Fills f from the current row of `found`. ERR_INTERNAL: a text is none of ours, so nothing can be judged by it. */
enum err sharing_read(struct arena *a, const struct rows *found, struct facts *f) CHECKED;
size_t sharing_size(const struct facts *f);
/* Writes sharing_size() bytes; takes them off again: false when they are none of ours. The bytes stay where they are
 * and are aligned to 8. */
void sharing_write(const struct facts *f, char *out);
bool sharing_take(struct str *bytes, struct facts *f);

#endif
