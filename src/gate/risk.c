#include "gate/risk.h"

#include "base/config.h"
#include "gate/anomaly.h"
#include "gate/country.h"

#include <stdio.h>
#include <string.h>

#define USER_AGENT_MAX 256

const char *risk_name(enum risk risk)
{
    static const char *const names[] = { "green", "yellow", "orange", "red" };
    return names[risk];
}

/* ---- judging ---- */

static bool known(const char *country)
{
    return *country != '\0';
}

enum risk risk_judge(const struct risk_facts *facts, const struct risk_seen *seen,
                     unsigned *reasons)
{
    const struct risk_place *was = &facts->place, *is = &seen->place;
    unsigned by = 0;
    if (!facts->key && was->network && is->network && was->network != is->network)
        by |= RISK_BY_NETWORK;
    if (!facts->key && was->agent && is->agent && was->agent != is->agent)
        by |= RISK_BY_AGENT;
    if (known(was->country) && known(is->country) &&
        memcmp(was->country, is->country, sizeof(was->country)) != 0)
        by |= RISK_BY_COUNTRY;

    enum risk risk = RISK_GREEN;
    if (by == (RISK_BY_NETWORK | RISK_BY_AGENT | RISK_BY_COUNTRY))
        risk = RISK_RED;
    else if ((by & RISK_BY_COUNTRY) || by == (RISK_BY_NETWORK | RISK_BY_AGENT))
        risk = RISK_ORANGE;
    else if (by)
        risk = RISK_YELLOW;
    if (seen->held >= RESTRAINT_TENTH) {
        by |= RISK_BY_BEHAVIOUR;
        risk = risk < RISK_RED ? risk + 1 : RISK_RED;
    }
    *reasons = by;
    return risk;
}

/* ---- networks and devices ---- */

static unsigned network_bytes(const struct in6_addr *address)
{
    return IN6_IS_ADDR_V4MAPPED(address) ? 15 : 6;
}

uint64_t risk_network(const struct in6_addr *address)
{
    unsigned from = IN6_IS_ADDR_V4MAPPED(address) ? 12 : 0, end = network_bytes(address);
    uint64_t network = 0;
    for (unsigned i = from; i < end; i++)
        network = network << 8 | address->s6_addr[i];
    return network; /* no IPv6 network in use begins with 24 zero bits, as an IPv4 one does here */
}

void risk_network_text(const struct in6_addr *address, char out[RISK_NETWORK_TEXT])
{
    unsigned n = network_bytes(address);
    struct in6_addr network = *address;
    memset(network.s6_addr + n, 0, sizeof(network.s6_addr) - n);
    network_format(&network, out);
    size_t end = strlen(out);
    snprintf(out + end, RISK_NETWORK_TEXT - end, "/%d", n == 15 ? 24 : 48);
}

int64_t risk_device(const struct risk_place *place)
{
    return (int64_t)(place->network << 16 | place->agent);
}

/* ---- user agents ---- */

struct str risk_agent_kept(struct str agent)
{
    if (!agent.p || !str_utf8(agent))
        return STR("");
    if (agent.n > USER_AGENT_MAX) {
        agent.n = USER_AGENT_MAX;
        while (((unsigned char)agent.p[agent.n] & 0xc0) == 0x80)
            agent.n--; /* between two characters */
    }
    return agent;
}

/* In this order, as each of them names those behind it too. */
const char *risk_agent_name(struct str agent)
{
    static const struct {
        const char *mark, *name;
    } browsers[] = {
        { "Edg", "Edge" },       { "OPR/", "Opera" },    { "Firefox/", "Firefox" },
        { "FxiOS/", "Firefox" }, { "CriOS/", "Chrome" }, { "Chrome/", "Chrome" },
        { "Safari/", "Safari" },
    };
    for (size_t i = 0; i < sizeof(browsers) / sizeof(browsers[0]); i++)
        if (agent.p && memmem(agent.p, agent.n, browsers[i].mark, strlen(browsers[i].mark)))
            return browsers[i].name;
    return anomaly_agent(agent) == anomaly_agent(STR("")) ? "API client" : "other";
}

/* ---- places ---- */

struct risk_place risk_place_kept(struct str address, struct str user_agent)
{
    struct risk_place place = { .agent = anomaly_agent(user_agent) };
    struct in6_addr at;
    if (network_address(address, &at)) {
        place.network = risk_network(&at);
        country_of(&at, place.country);
    }
    return place;
}

struct risk_place risk_place_of(const struct req *r)
{
    return (struct risk_place){
        .network = risk_network(&r->address),
        .agent = anomaly_agent(r->user_agent),
        .country = { r->country[0], r->country[1] },
    };
}

enum risk risk_of(struct req *r, const struct risk_facts *facts, const struct uuid *user)
{
    const struct risk_seen seen = {
        .place = risk_place_of(r),
        .held = restraint_look(restraint_user(user), r->now).level,
    };
    enum risk risk = risk_judge(facts, &seen, &r->risk_reasons);
    r->risk = risk;
    r->rated = true;
    return risk;
}
