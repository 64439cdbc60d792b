/* gate/risk.h: how unlike itself a session is used, and how far that goes: green, yellow, orange, red.
 * A session has a place: network, agent and country of its sign-in or, later, of its last refresh. Each request is
 * compared with it; nothing is kept here. Networks are IPv4 by /24 and IPv6 by /48; agents are what anomaly_agent()
 * tells apart, so a new version is none and curl and every SDK are one.
 *   yellow   another network, or another agent
 *   orange   another network and another agent, or another country
 *   red      another country and network and agent
 * Who is held to a tenth or to nothing (gate/restraint.h) is one step further; that alone is yellow. API keys are made
 * on one machine and used on others: of them network and agent say nothing. What is not known is as it was. So no
 * single thing is ever red: neither a new address of a mobile network, nor a change between IPv4 and IPv6, nor another
 * client. Only red denies, and the session lives on: its owner asks from where he was, or signs in where he is.
 */
#ifndef GATE_RISK_H
#define GATE_RISK_H

#include "base/uuid.h"
#include "gate/restraint.h"
#include "http/req.h"

enum risk { RISK_GREEN, RISK_YELLOW, RISK_ORANGE, RISK_RED };
/* "green", "yellow", "orange", "red". */
const char *risk_name(enum risk risk);

/* Where something came from. Plain bytes that are the same on every node; zero: not known. */
struct risk_place {
    uint64_t network; /* of risk_network */
    uint16_t agent;   /* of anomaly_agent */
    char country[2];  /* ISO 3166-1 */
};

/* What is known of the session or key. */
struct risk_facts {
    bool key;
    struct risk_place place;
};
/* What is seen now. */
struct risk_seen {
    struct risk_place place;
    enum restraint_level held; /* of the principal */
};
/* What spoke against it. */
enum {
    RISK_BY_NETWORK = 1,
    RISK_BY_AGENT = 2,
    RISK_BY_COUNTRY = 4,
    RISK_BY_BEHAVIOUR = 8,
};
/* Pure. reasons: bits of the above. */
enum risk risk_judge(const struct risk_facts *facts, const struct risk_seen *seen,
                     unsigned *reasons);

/* The first 24 bits of IPv4 or 48 of IPv6, as a number below 2^48; 0: none. */
uint64_t risk_network(const struct in6_addr *address);
/* Its text: "192.0.2.0/24", "2001:db8:1::/48". */
#define RISK_NETWORK_TEXT (INET6_ADDRSTRLEN + 4)
void risk_network_text(const struct in6_addr *address, char out[RISK_NETWORK_TEXT]);
/* Network and agent as one number: what sign-ins are remembered by. */
int64_t risk_device(const struct risk_place *place);

/* The user agent as a session keeps it: valid text of bounded length, "" when it is none. */
struct str risk_agent_kept(struct str user_agent);
/* What people call it: "Firefox", "Chrome", "Edge", "Opera", "Safari", "API client", "other". */
const char *risk_agent_name(struct str user_agent);

/* The place of a session by the address and user agent that its row has; the country is looked up now. */
struct risk_place risk_place_kept(struct str address, struct str user_agent);
/* The place of a request; the country is r->country. */
struct risk_place risk_place_of(const struct req *r);

/* Judges a request against what is known, and leaves what was found in r->risk and r->risk_reasons. */
enum risk risk_of(struct req *r, const struct risk_facts *facts, const struct uuid *user);

#endif
