/* http/compress.h: gzip (RFC 1952) of replies from 1 KiB up, for clients that accept it; small ones on the loop,
 * others on the pool. */
#ifndef HTTP_COMPRESS_H
#define HTTP_COMPRESS_H

#include "http/req.h"

#define COMPRESS_MIN 1024

/* Stage: compresses r->reply where it pays; never denies for it. */
enum verdict compress_reply(struct req *r);
enum verdict compress_done(struct req *r);
/* A request ends that may have been compressing, its client gone: gives back what that held. */
void compress_drop(struct req *r);
void compress_fini(void);

#endif
