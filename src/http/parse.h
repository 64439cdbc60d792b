/* http/parse.h: one request's bytes through llhttp, without any of its lenient flags. The head is copied once, into
 * the request's arena, so that what the request points to stays where it is; the body is gathered only when asked
 * for.
 */
#ifndef HTTP_PARSE_H
#define HTTP_PARSE_H

#include "http/req.h"

#include <llhttp.h>

enum parse_got { PARSE_MORE, PARSE_HEAD, PARSE_END, PARSE_BAD };

struct parse {
    llhttp_t llhttp;
    struct req *r;
    struct str in; /* the bytes being looked at */
    char *head;    /* where the head is gathered */
    size_t head_n, head_cap;
    bool head_done;
    size_t lines;    /* bytes of header lines so far */
    enum err err;    /* why PARSE_BAD */
    bool value_open; /* the last header has its value begun */
    bool chunked, keep, expects;
    uint64_t length; /* Content-Length */
    bool done;       /* the body has been read to its end */
    bool drop;       /* it is read and dropped */
    bool streamed;  /* it is read piece by piece */
    size_t body_max, body_seen;
    struct {
        char *p;
        size_t n, room;
    } piece;
    char *body;
    size_t body_cap;
};

/* Begins a request. */
void parse_begin(struct parse *p, struct req *r);
/* Takes bytes of the head off *in. PARSE_HEAD: it is whole, r's "what was asked" is filled and p->keep, chunked,
 * length are known. */
enum parse_got parse_head(struct parse *p, struct str *in);
/* Takes bytes of the body off *in. PARSE_END: the request is whole, r->body is set. body_max and drop are set before
 * the first call. */
enum parse_got parse_body(struct parse *p, struct str *in);
/* The same for a body that is streamed: its bytes go to p->piece, and no more are taken off *in than fit there. */
enum parse_got parse_piece(struct parse *p, struct str *in);
/* Whether a body follows the head. */
bool parse_has_body(const struct parse *p);

/* http/head.c: what the headers mean, once they are all here. */
enum err head_read(struct parse *p) CHECKED;
/* http/address.c: the client's address, behind proxies that are trusted. */
void address_init(void);
struct in6_addr address_client(const struct req *r, const struct in6_addr *peer);

#endif
