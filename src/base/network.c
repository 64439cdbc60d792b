#include "base/config.h"

#include <arpa/inet.h>

#define MAPPED_BITS 96 /* in front of an IPv4 address */

static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

bool network_address(struct str text, struct in6_addr *out)
{
    char word[INET6_ADDRSTRLEN];
    if (text.n == 0 || text.n >= sizeof(word) || memchr(text.p, '\0', text.n))
        return false;
    memcpy(word, text.p, text.n);
    word[text.n] = '\0';

    struct in6_addr address = { 0 };
    memcpy(address.s6_addr, mapped, sizeof(mapped));
    if (inet_pton(AF_INET, word, address.s6_addr + sizeof(mapped)) != 1 &&
        inet_pton(AF_INET6, word, &address) != 1)
        return false;
    *out = address;
    return true;
}

static bool is_mapped(const struct in6_addr *address)
{
    return memcmp(address->s6_addr, mapped, sizeof(mapped)) == 0;
}

/* Bits behind the prefix are cleared: 10.1.2.3/8 means 10.0.0.0/8. */
static struct network cut_to_prefix(struct network n)
{
    for (unsigned bit = n.bits; bit < 128; bit++)
        n.address.s6_addr[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
    return n;
}

static bool parse_network(struct str text, struct network *out)
{
    struct str rest = text, address;
    str_cut(&rest, '/', &address);

    struct network n = { .bits = 128 };
    if (!network_address(address, &n.address))
        return false;
    if (rest.p) {
        bool dotted = !memchr(address.p, ':', address.n);
        int64_t bits;
        if (!str_int(rest, 0, dotted ? 32 : 128, &bits))
            return false;
        n.bits = (unsigned)bits + (dotted ? MAPPED_BITS : 0);
    }
    *out = cut_to_prefix(n);
    return true;
}

int network_list(const char *text, struct network *out, int most)
{
    struct str rest = str_of(text), one;
    int n = 0;
    if (str_trim(rest).n == 0)
        return 0;
    while (str_cut(&rest, ',', &one)) {
        if (n == most || !parse_network(str_trim(one), &out[n]))
            return -1;
        n++;
    }
    return n;
}

static bool covers(const struct network *n, const struct in6_addr *address)
{
    unsigned whole = n->bits / 8, rest = n->bits % 8;
    if (memcmp(n->address.s6_addr, address->s6_addr, whole) != 0)
        return false;
    uint8_t mask = (uint8_t)(0xff00 >> rest);
    return rest == 0 || n->address.s6_addr[whole] == (address->s6_addr[whole] & mask);
}

bool network_has(const struct network *list, int n, const struct in6_addr *address)
{
    for (int i = 0; i < n; i++)
        if (covers(&list[i], address))
            return true;
    return false;
}

void network_format(const struct in6_addr *address, char out[INET6_ADDRSTRLEN])
{
    if (is_mapped(address))
        inet_ntop(AF_INET, address->s6_addr + sizeof(mapped), out, INET6_ADDRSTRLEN);
    else
        inet_ntop(AF_INET6, address, out, INET6_ADDRSTRLEN);
}
