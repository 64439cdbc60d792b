/* http/reply.h: composing the answer. Exactly one reply is composed for a request; composing again replaces it.
 * The head (status, security headers, Date, rate headers, correlation id) is written by reply_write alone.
 */
#ifndef HTTP_REPLY_H
#define HTTP_REPLY_H

#include "http/req.h"
#include "net/conn.h"

/* A JSON body. It must live in the request's arena or longer. */
void reply_json(struct req *r, int status, struct str body);
/* Status alone, such as 204. */
void reply_empty(struct req *r, int status);
/* Another media type (static text). */
void reply_body(struct req *r, int status, const char *type, struct str body);
/* application/problem+json (RFC 9457) for err, with r->faults as errors[]. Retry-After with 429 and 503. */
void reply_problem(struct req *r, enum err err);
/* One more header; name and value must be free of CR and LF (must()). */
void reply_header(struct req *r, const char *name, struct str value);

/* Appends the whole reply, head and body, to what the connection sends. keep: whether the connection stays open.
 * False when memory is out. */
bool reply_write(const struct req *r, struct conn *c, bool keep);

#endif
