/* store/pgurl.h: where the database is, and how one begins to connect there. libpq reads the URL; the names in it are
 * looked up here, because libpq would block.
 */
#ifndef STORE_PGURL_H
#define STORE_PGURL_H

#include "net/resolve.h"
#include "store/store.h"

#include <libpq-fe.h>

#define PGURL_HOSTS 8

struct pgurl {
    PQconninfoOption *given;
    struct pghost {
        struct pgurl *url;
        char name[256];
        char port[8]; /* "": libpq's default */
        struct resolved found, asked; /* the last answer; the one that is being waited for */
        struct wait wait;
    } hosts[PGURL_HOSTS];
    int nhosts;
    int first;           /* the one to begin with */
    int open;            /* names that are being looked up */
    struct list waiting; /* who wants to know */
};

/* ERR_INVALID: libpq does not understand it, or it names too many hosts. To be ended in either case. */
enum err pgurl_init(struct pgurl *u, const char *text) CHECKED;
void pgurl_fini(struct pgurl *u);
/* "db.example:5432/gatehouse", no secrets. */
void pgurl_says(const struct pgurl *u, char *out, size_t n);

/* Looks up all names; who asks meanwhile shares the answer. w is woken when pgurl_connect may be called. */
void pgurl_resolve(struct pgurl *u, struct wait *w);
/* Begins to connect; options: of the session, NULL for none. NULL: out of memory, or no name has an address; *why
 * tells. */
PGconn *pgurl_connect(const struct pgurl *u, const char *options, const char **why);
/* The host tried first did not answer in time: the next one is first from now on. */
void pgurl_rotate(struct pgurl *u);

#endif
