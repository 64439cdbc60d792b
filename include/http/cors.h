/* http/cors.h: who may call from a browser (the Fetch standard's CORS protocol), by the allow-list of CORS_ORIGINS
 * only. */
#ifndef HTTP_CORS_H
#define HTTP_CORS_H

#include "http/req.h"

/* Adds the headers to the reply when the request's Origin is allowed; nothing otherwise. */
void cors_reply(struct req *r);

#endif
