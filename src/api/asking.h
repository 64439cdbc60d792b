/* asking.h: what a request for decisions is doing: the items that it asks about, read and in hand one after the other
 * (gate/decide.h), and what is said of them. Of the evaluations in access.c and the searches in search.c.
 */
#ifndef API_ASKING_H
#define API_ASKING_H

#include "gate/decide.h"
#include "net/offload.h"
#include "route/page.h"

#define EVALUATIONS_MAX 1000

/* One thing asked; unknown: no such subject, action or resource can be, so the answer is no. */
struct item {
    struct question question;
    const char *unknown;
    struct str name; /* in the results of a search */
};

enum semantic { EXECUTE_ALL, DENY_ON_FIRST_DENY, PERMIT_ON_FIRST_PERMIT };

/* The state of one request, in its arena. */
struct asking {
    struct item *items;
    int n, at;
    int judged; /* since the loop had its turn */
    bool resting;
    bool search; /* only what is allowed is shown, as names */
    bool whole;  /* one evaluation, not a list */
    enum semantic semantic;
    const char *type; /* of the results of a search */
    struct decision decision;
    struct job rest;
    int shown;
    struct text out;

    /* of a search over rows */
    const struct resource *over;
    bool of_subjects; /* the rows are who is asked about, not what */
    bool looking;     /* at what the subjects are asked about */
    struct look look;
    bool found;       /* the rows are here */
    struct page page;
    struct str next;
};

/* The state of r, in its arena and r->work; NULL when memory is out. */
struct asking *asking_new(struct req *r);
/* Goes over the items, unless reading them has failed. */
enum verdict asking_begin(struct req *r, enum err err, struct asking *a);
/* Goes on: with a decision that was waited for, or (resumed false) with the next one. */
enum verdict asking_go_on(struct req *r, struct asking *a, bool resumed);
enum verdict asking_reply(struct req *r, struct asking *a);

/* A member of the request's body, NULL when it was not given. */
const struct json *asked_member(const struct req *r, const char *name);
bool asked_text(const struct json *object, const char *name, struct str *out);
/* ERR_BAD_REQUEST with a fault. */
enum err asked_badly(struct req *r, const char *field, const char *message);
bool may_evaluate(const struct req *r);
/* Each reads one member into the item; ERR_BAD_REQUEST with a fault, ERR_FORBIDDEN: access:evaluate is missing. The
 * action is read behind the resource, whose table says what it needs. */
enum err read_subject(struct req *r, const struct json *v, struct item *item,
                      bool id_needed) CHECKED;
enum err read_resource(struct req *r, const struct json *v, struct item *item,
                       bool id_needed) CHECKED;
enum err read_action(struct req *r, const struct json *v, struct item *item) CHECKED;
/* One evaluation; own: one of several, which says what differs from the request's members; NULL: the request itself. */
enum err read_item(struct req *r, const struct json *own, struct item *item) CHECKED;

/* search.c: .run of the searches, and what they go on with when their rows are here. */
stage_fn search_subject, search_resource, search_action;
enum verdict search_looked(struct req *r, struct asking *a);
enum verdict search_found(struct req *r, struct asking *a);

#endif
