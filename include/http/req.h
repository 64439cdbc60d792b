/* http/req.h: one request, from its first byte to the last byte of its reply.
 * A request belongs to its connection and owns its arena; everything that it points to is borrowed from the arena,
 * the connection or the worker. It walks the table of pipeline.c; the words for that walk (stage, verdict) are here.
 */
#ifndef HTTP_REQ_H
#define HTTP_REQ_H

#include "base/arena.h"
#include "base/epoch.h"
#include "base/err.h"
#include "base/str.h"
#include "base/uuid.h"
#include "cache/cache.h"
#include "cache/window.h"
#include "net/wait.h"
#include "store/store.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

/* ANY_METHOD: of an action that answers every method; never a request's. */
enum method { METHOD_NONE, GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, ANY_METHOD };
struct str method_name(enum method m);

/* What a stage says. Zero denies: so does a forgotten return, and resuming what has no resume. There is no ALLOW. */
enum verdict {
    DENY = 0, /* the request ends with r->err */
    WAIT,     /* an ask is under way on r->wait; the stage's resume is called when it is answered */
    NEXT,     /* on to the next row */
    DONE, /* a reply is composed already; straight on to sending it (a remembered reply, a 304) */
    AGAIN, /* of a handler's own table: the gates look again, then the handler begins anew (r->work is kept) */
};

struct req;
typedef enum verdict stage_fn(struct req *r);

/* A row of a stage table. A table ends with a zeroed row; running off a handler's own table is NEXT for its outer
 * one. */
struct stage {
    const char *name;
    stage_fn *enter;
    stage_fn *resume; /* NULL when the stage never waits */
};

struct header {
    struct str name; /* as sent; compare with str_ieq */
    struct str value;
};

#define HEADERS_MAX 100

/* One thing wrong with the input: a member of errors[] of the reply. */
struct fault {
    const char *field; /* dotted path; "" for the whole body */
    const char *code;  /* "required", "type", "range"...: stable, for programs */
    const char *message;
};
#define FAULTS_MAX 16

#define TARGET_IDS 2

struct reply {
    int status;
    const char *type; /* media type of the body; NULL: no body */
    struct str body;
    struct text headers; /* further header lines, each with its CRLF */
    int64_t version;     /* of the row shown: becomes ETag "v<version>"; 0: none */
    bool gzip;           /* the body is compressed already */
    bool close;          /* the connection ends after this reply */
    bool streamed;       /* the body is not held here (http/stream.h) */
    int64_t length;      /* of that body; -1: until it ends */
    bool events;         /* it is a stream of events (http/events.h) */
};

/* The audit row of a change (gate/audit.h). */
struct audited {
    int64_t sequence;    /* of its writer; 0: none */
    struct uuid subject; /* the key that it is sealed under, and whose that is (nil: the writer's) */
    struct uuid person;
};

struct req {
    /* the walk */
    const struct stage *at;    /* the row of pipeline.c it stands on */
    const struct stage *inner; /* the row of the handler's own table, or NULL */
    enum err err;              /* why it was denied */
    const char *reason;        /* finer than err, for the log and the operator; never sent */
    struct wait wait;
    bool timed;      /* one request in 64: its stages are timed */
    int64_t started; /* monotonic microseconds */
    int64_t now;     /* wall microseconds: the time of everything this request writes */
    bool fresh;      /* the facts have been read since its body came */

    /* where it works */
    struct arena arena;
    struct arena kept; /* of who says AGAIN without end: what came before; then the arena is emptied each time */
    struct flow *flow; /* its connection's HTTP side */
    struct store *store;
    struct cache *cache;
    struct windows *windows;
    struct offload *pool, *passwords, *files;
    struct keyring *keyring;

    /* what was asked */
    enum method method;
    bool head;     /* HEAD, answered as GET without the body */
    bool local;    /* came over the control socket: the operator of this machine */
    uint8_t minor; /* HTTP/1.x */
    struct str target, path, query;
    int nheaders;
    /* the headers that everybody asks for; p NULL when absent */
    struct str authorization, api_key, host, content_type, if_match, if_none_match, idempotency_key;
    struct str origin, user_agent, accept_encoding, expect, transfer_encoding, request_id;
    struct str body;
    struct in6_addr peer;    /* who is connected */
    struct in6_addr address; /* the client's, behind trusted proxies */
    struct str id;           /* correlation id: X-Request-ID if sane, else made here */
    struct uuid decision;    /* the request as a decision: in the reply, the log and the audit */

    /* what it means */
    const struct action *action;
    const struct resource *resource;
    struct {
        struct str text[TARGET_IDS]; /* what stood for {id} in the path, first and second */
        struct uuid id;              /* the first, once gate uuid has passed it */
        struct uuid second;
        int n;
    } target_ids;
    struct input *input; /* the body's fields (route/input.h) */
    struct page *page;   /* a list's parameters (route/page.h) */
    int nfaults;

    /* what is known */
    struct signature *signature; /* of the URL (gate/signature.h), NULL when it has none */
    struct principal *who;    /* gate/facts.h; never NULL behind identity */
    struct facts *facts;      /* of the row that the path names; NULL without one */
    struct look *look;        /* a look-up under way (gate/facts.h) */
    int looked;               /* fields of the body whose reference has been looked up */
    struct facts **referred;  /* of each field of the body, NULL where it names no row; or NULL */
    struct {
        int access;       /* enum access: how far the caller reaches on the row in the path */
        const char *path; /* by which grant path */
    } grant;
    int64_t until; /* wall: when the credentials end; 0: never */
    struct str request_hash;  /* of an idempotent request; p NULL when it is none */
    struct epochs carried[2]; /* what principal and facts were read under */
    struct {
        enum cache_type type;
        struct str key; /* p NULL: nothing */
    } filling; /* what others wait for this request to load; to be dropped when it ends without */
    struct spent spent; /* the windows' answer, for the rate headers */
    bool counted;       /* its windows have been spent */
    bool probe;         /* an injection pattern stood where an id belongs */
    char country[2]; /* of the address, ISO 3166-1; zero: not known */
    int risk;              /* enum risk (gate/risk.h): how unlike itself the session is used */
    unsigned risk_reasons; /* what spoke against it */
    bool rated;            /* that has been judged */

    /* what it does */
    struct rows rows;         /* the handler's */
    struct rows found;        /* the stages' */
    struct rows ahead;        /* the row in the path, asked for together with the principal (gate/facts.h) */
    struct change change;     /* composed by handle and audit, made by commit */
    struct value *row;        /* the row a change makes or leaves, by the resource's columns */
    struct uuid audit_target; /* what the audit row names; nil: the path's id */
    const char *audit_noun;   /* what was done; NULL: the action's own noun, if a row changes */
    struct str audit_detail; /* what the audit row says of it, as JSON; p NULL: the names of the fields */
    bool only_used; /* its change is nothing but the word of a read under break-glass */
    struct uuid audit_subject; /* who signs in; nil: the row is about the principal */
    struct audited audited[2]; /* the rows composed, until it is known what became of them */
    void *work; /* the state of a handler's own table */
    void (*let_go)(struct req *r); /* at the end, whatever became of it: gives back what `work` holds */
    struct reply reply;
    struct squeeze *squeeze; /* its body being compressed (http/compress.h) */

    /* counted by nheaders and nfaults: not cleared between requests */
    struct header headers[HEADERS_MAX];
    struct fault faults[FAULTS_MAX];
};

/* Ends the request with this error. */
static inline enum verdict req_deny(struct req *r, enum err err)
{
    r->err = err;
    return DENY;
}

/* The same with a reason for the operator (static text). */
static inline enum verdict req_deny_for(struct req *r, enum err err, const char *reason)
{
    r->reason = reason;
    return req_deny(r, err);
}

/* Records what is wrong with a field; beyond FAULTS_MAX it is dropped. The texts are static or of the arena. */
void req_fault(struct req *r, const char *field, const char *code, const char *message);
/* The value of a header, p NULL when absent. */
struct str req_header(const struct req *r, const char *name);
/* Whether who is connected may speak for others: a proxy of TRUSTED_PROXIES, or somebody on this machine. */
bool req_proxied(const struct req *r);

#endif
