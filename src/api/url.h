/* url.h: addresses of other services that a row may hold. */
#ifndef API_URL_H
#define API_URL_H

#include "http/req.h"
#include "store/store.h"

/* NEXT when the field `endpoint` of a row is null or an absolute http or https URL with a host, and without a name or
 * password in front of it: those would be a secret in plain sight. Else DENY with a fault. */
enum verdict endpoint_check(struct req *r, const struct value *endpoint);

#endif
