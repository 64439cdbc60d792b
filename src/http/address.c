/* The client's address. X-Forwarded-For is believed only from trusted proxies, and only from the right: each entry
 * was written by the hop behind it, so the first one that is not a trusted proxy is the client; what stands left of
 * it is hearsay.
 */
#include "parse.h"

#include "base/config.h"

static struct network proxies[NETWORKS_MAX];
static int nproxies;

void address_init(void)
{
    nproxies = network_list(config.trusted_proxies, proxies, NETWORKS_MAX);
    if (nproxies < 0)
        nproxies = 0;
}

/* The last entry of a comma-separated list, cut off *list. */
static struct str last_entry(struct str *list)
{
    size_t at = list->n;
    while (at > 0 && list->p[at - 1] != ',')
        at--;
    struct str entry = str_trim((struct str){ list->p + at, list->n - at });
    list->n = at > 0 ? at - 1 : 0;
    return entry;
}

bool req_proxied(const struct req *r)
{
    const struct in6_addr *peer = &r->peer;
    bool loopback =
        IN6_IS_ADDR_LOOPBACK(peer) || (IN6_IS_ADDR_V4MAPPED(peer) && peer->s6_addr[12] == 127);
    return loopback || network_has(proxies, nproxies, peer);
}

struct in6_addr address_client(const struct req *r, const struct in6_addr *peer)
{
    struct in6_addr client = *peer;
    if (nproxies == 0)
        return client;

    /* Several header lines are one list in their order (RFC 9110 section 5.3): so from the last line on. */
    for (int i = r->nheaders - 1; i >= 0; i--) {
        if (!str_ieq(r->headers[i].name, STR("x-forwarded-for")))
            continue;
        struct str list = r->headers[i].value;
        while (list.n > 0) {
            struct in6_addr hop;
            if (!network_has(proxies, nproxies, &client) ||
                !network_address(last_entry(&list), &hop))
                return client;
            client = hop;
        }
    }
    return client;
}
