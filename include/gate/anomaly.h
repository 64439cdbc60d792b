/* gate/anomaly.h: how each principal behaves, and what of that is out of its ordinary.
 * A table in the shared segment: 16,384 principals of at most 128 bytes, seen by all workers of the node. It lives as
 * long as the node and never grows: who has been silent longest makes room. Lock-free; one atomic addition for an
 * ordinary request, no allocation. Without the segment nothing is observed.
 *
 * Out of the ordinary is, with an hour and 1,000 requests of history:
 *   rate     over five minutes more than 5 times the own mean (and more than 100 a minute). It is the power mean of
 *            exponent 4 over the minutes in which anything was asked: for a steady client the ordinary one, but the
 *            regular burst or nightly job of others is part of it, and hours of silence are not.
 *   errors   more than half of the requests of five minutes (of 20 at least) failed.
 *   agent    a user agent never seen, whatever its version. The usual clients of APIs (curl, SDKs) count as one.
 *   country  a country never seen.
 * and, with no history:
 *   probes   10 injection patterns within five minutes where an id belongs or in a path that leads nowhere; of the
 *            address if nobody is signed in. What a body or a query says is not looked at.
 * What was answered 401 (not known who asked), 429 and 503 (refused by us) is no behaviour. Rate and errors are raised
 * at most once in five minutes. gate/respond.h says what follows.
 */
#ifndef GATE_ANOMALY_H
#define GATE_ANOMALY_H

#include "http/req.h"

enum anomaly {
    ANOMALY_NONE,
    ANOMALY_RATE,
    ANOMALY_ERRORS,
    ANOMALY_AGENT,
    ANOMALY_COUNTRY,
    ANOMALY_PROBES,
};
/* "rate", "errors", "agent", "country", "probes". */
const char *anomaly_name(enum anomaly anomaly);

/* What is known of one principal at the end of a request. */
struct behaviour {
    int64_t since;         /* first seen, wall microseconds */
    int64_t requests;      /* in all */
    int64_t recent;        /* of the last five minutes, the running one included */
    int64_t errors;        /* of these */
    double mean_fourth;    /* fourth power of the mean a minute, of minutes with any before the running one */
    int probes;            /* of the last five minutes */
    bool new_agent, new_country;
    bool rate_raised, errors_raised; /* within the last five minutes */
};
/* The worst that is out of the ordinary. Pure. */
enum anomaly anomaly_judge(const struct behaviour *b, int64_t now);

/* Whether it holds what nobody mistypes an id into: quotes, comment marks, markup, climbs. */
bool anomaly_in_id(struct str id);
/* The same of a path that leads nowhere, percent-encoded or not. */
bool anomaly_in_path(struct str path);
/* What a user agent is told apart by: its text without its version, one value for all usual clients of APIs. */
uint16_t anomaly_agent(struct str user_agent);

/* Once at the end of a request, when its status is known. */
void anomaly_observe(struct req *r);

/* Bytes to carve from the shared segment, then where they are. */
size_t anomaly_size(void);
void anomaly_init(void *part);

#endif
