/* route/openapi.h: the OpenAPI 3.1 document of everything declared, written once at start. */
#ifndef ROUTE_OPENAPI_H
#define ROUTE_OPENAPI_H

#include "base/str.h"

/* The whole document as JSON. */
void openapi_write(struct text *out);

#endif
