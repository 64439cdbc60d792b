/* media_content.h: the bytes of media, in and out, piece by piece. */
#ifndef API_MEDIA_CONTENT_H
#define API_MEDIA_CONTENT_H

#include "http/req.h"

/* PUT: the whole content anew. GET: all of it, or one range (RFC 9110 section 14). */
extern const struct stage media_receive[], media_send[];

struct range {
    int64_t first, length;
};
enum range_is { RANGE_NONE, RANGE_ONE, RANGE_BEYOND };
/* What a Range header asks of content of that size. What cannot be read and more ranges than one are none: answered
 * whole. */
enum range_is range_read(struct str header, int64_t size, struct range *out);

#endif
