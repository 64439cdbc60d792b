/* cursor.h: where a list goes on: the place of the last row shown, as text that is opaque to clients.
 * It holds no secret, and what the viewer may see is decided again when it comes back; the check in it only
 * tells other lists and typing errors.
 */
#ifndef ROUTE_CURSOR_H
#define ROUTE_CURSOR_H

#include "route/resource.h"

struct cursor {
    int sort; /* index into the resource's sorts */
    bool down;
    struct value key;
    struct uuid id;
};

/* The type of a sort column's values. */
enum value_type cursor_type(const struct resource *res, int sort);
void cursor_write(struct text *out, const struct resource *res, const struct cursor *c);
/* False when the text is not a cursor of this resource's list. The key's text is of the arena. */
bool cursor_read(struct arena *a, const struct resource *res, struct str text, struct cursor *out);

#endif
