/* http/trace.h: the caller's trace (W3C Trace Context, `traceparent`), so that log and audit can be found from it. It
 * is taken or left, never made, and decides nothing: whoever sends it says what he likes.
 */
#ifndef HTTP_TRACE_H
#define HTTP_TRACE_H

#include "http/req.h"

#define TRACE_ID 32 /* characters */
#define TRACE_SPAN 16

/* Both are borrowed from the header's value. */
struct trace {
    struct str id;
    struct str parent; /* the caller's span */
};

/* A `traceparent` of version 00 (section 3.2 of the recommendation): 00-<32>-<16>-<2> lower-case hexadecimal digits and
 * nothing else, neither id all zeros. */
bool trace_read(struct str value, struct trace *out);
/* That of the request: false when it has none, more than one, or a bad one. */
bool trace_of(const struct req *r, struct trace *out);

#endif
