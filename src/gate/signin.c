/* gate/signin.c: which windows a sign-in that fails counts in. They bind under every RATE_LIMIT_PROFILE.
 * Guessing at one account from one place, at many from one place, and at one from everywhere each have their own. The
 * last spares addresses from which the account has signed in before, so that a stranger cannot lock its owner out.
 */
#include "gate/facts.h"

#include "limits.h"

/* An account as seen from an address. */
static uint64_t pair(struct str account, const struct in6_addr *address)
{
    uint64_t who = hash_bytes(account.p, account.n);
    uint64_t both[] = { who, limits_address(LIMIT_SIGNIN_PAIR, address) };
    return hash_kind(LIMIT_SIGNIN_PAIR, both, sizeof(both));
}

void signin_windows(struct signin *s, struct str account, const struct in6_addr *address,
                    bool known)
{
    uint64_t everywhere = hash_kind(LIMIT_SIGNIN_ACCOUNT, account.p, account.n);
    uint64_t here = limits_address(LIMIT_SIGNIN_ADDRESS, address);
    s->windows[0] = (struct window){ pair(account, address), MINUTE, 5, true };
    s->windows[1] = (struct window){ here, MINUTE, 20, true };
    s->windows[2] = (struct window){ everywhere, HOUR, 50, true };
    s->n = known ? 2 : 3;
}
