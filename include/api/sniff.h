/* api/sniff.h: what bytes are, told by the bytes alone: never by a name or by what a client says of them. */
#ifndef API_SNIFF_H
#define API_SNIFF_H

#include "base/str.h"

#define SNIFF_BYTES 512 /* of the beginning, as many as there are */

/* The media type (static text); whole: nothing follows these bytes. What is none of those known and no UTF-8 text is
 * application/octet-stream. */
const char *sniff(struct str begin, bool whole);
/* Whether a browser may show it in place: images, sound and pictures that move. Nothing that could hold a script. */
bool sniff_inline(struct str type);

#endif
