/* http/flow.h: the HTTP side of a connection: bytes become requests, one at a time and in order; replies go back.
 * A flow is taken when the first byte of a request comes and given back when the connection is idle again, so an idle
 * connection holds none. It owns the request; the pipeline walks it.
 */
#ifndef HTTP_FLOW_H
#define HTTP_FLOW_H

#include "http/req.h"

#define HEAD_MAX 8192      /* bytes of the header lines; more is 431 */
#define TARGET_MAX 8192    /* bytes of the request target; more is 414 */
#define BODY_MAX (1 << 20) /* bytes of a body where the route says nothing else */

/* What the worker lends to every request. */
struct flow_setup {
    struct store *store;
    struct cache *cache;
    struct windows *windows;
    struct offload *pool, *passwords, *files;
    struct keyring *keyring;
    void (*start)(struct req *r);            /* pipeline_start */
    void (*resume)(struct req *r);           /* pipeline_resume: its wait was woken */
    void (*left)(struct req *r);             /* pipeline_left: its client is gone, and it ends where it stands */
    size_t (*body_max)(const struct req *r); /* of the route that was matched; 0: not read */
};
void flow_init(const struct flow_setup *setup);
void flow_fini(void);
/* The settings have been read again. */
void flow_reload(void);
/* From now on every reply closes its connection. */
void flow_drain(void);
/* Requests that are being answered. */
unsigned flow_active(void);

/* Stage `body`: the rest of the request; WAITs until it is here. Nothing of a body is kept before this stage. */
enum verdict flow_body(struct req *r);
enum verdict flow_body_here(struct req *r);
/* The walk is over: writes r->reply, and the connection goes on to its next request. r is gone when it returns. */
void flow_end(struct req *r);

#endif
