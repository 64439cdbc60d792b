/* gate/upstream.h: requests to other services, which a proxy asks about before it passes them on: what was asked for,
 * and the rule that says what it needs. Rules are facts, all active ones cached as one record under an epoch of their
 * own. What no rule names is denied.
 */
#ifndef GATE_UPSTREAM_H
#define GATE_UPSTREAM_H

#include "http/req.h"
#include "route/resource.h"

/* Most rules in force: every worker holds them all, and looks through them for each request it is asked about. */
#define RULES_MAX 1000

/* What the proxy was asked for, in the one spelling that rules are written in; in the arena. */
struct target {
    struct str host;   /* lower case, without port and final dot */
    struct str path;   /* decoded, without the query */
    struct str method; /* a token; HEAD is GET */
};

/* False when it cannot be read, or could be read in two ways: no slash in front, a '.' or '..' segment, an empty
 * segment but at the end, a backslash, NUL or control character, a bad escape, an encoded slash or percent sign,
 * invalid UTF-8; a host that is none; a method that is no token. `uri` is origin-form: path and query, as the client
 * sent it. */
bool target_read(struct arena *a, struct str host, struct str method, struct str uri,
                 struct target *out);

struct rule {
    struct uuid id;
    enum permit permit; /* PERMIT_NONE: it names none, so nobody gets through */
    enum rate rate;
};

/* One look-up of the rule for a target: as struct look (gate/facts.h). */
struct rule_look {
    struct target target;
    enum err err;
    bool found;
    struct rule rule;
    struct epochs under;
    bool asked;
};
enum verdict rule_begin(struct req *r, struct rule_look *look, const struct target *target);
enum verdict rule_again(struct req *r, struct rule_look *look);

/* ---- what a rule may say ---- */

/* "*" or a host as struct target has it. */
bool rule_host(struct str host);
/* An exact path; one that ends in '/' is all below it, one that ends in '*' all that begins so. */
bool rule_path(struct str path);
/* A method as a request has it, upper case; not HEAD, which GET covers. */
bool rule_method(struct str method);
/* A permission, "signed-in" or "anyone"; PERMIT_NONE: none of them. */
enum permit rule_permit(struct str name);
/* RATE_COUNT: no class has that name. */
enum rate rule_rate(struct str name);

/* How well a rule's path fits: 0 not at all, else the more the longer. */
size_t rule_fits(struct str rule, struct str path);

#endif
