#include "attempt.h"

#include "base/clock.h"

enum verdict attempt_spend(struct req *r, struct attempt *a, struct str account, bool known)
{
    signin_windows(&a->signin, account, &r->address, known);
    int more = a->signin.n - a->paid;
    if (more <= 0)
        return NEXT;
    if (!window_spend(r->windows, a->signin.windows + a->paid, more, clock_mono(), &a->spent,
                      &r->wait))
        return WAIT;
    return attempt_spent(r, a);
}

enum verdict attempt_spent(struct req *r, struct attempt *a)
{
    if (a->spent.err != OK)
        return req_deny_for(r, a->spent.err, "no window of failed sign-ins can answer");
    if (!a->spent.admitted) {
        r->spent = a->spent; /* for Retry-After */
        return req_deny_for(r, ERR_TOO_MANY_LOGINS, "window of failed sign-ins");
    }
    a->paid = a->signin.n;
    return NEXT;
}

void attempt_forgive(struct req *r, struct attempt *a)
{
    if (a->paid > 0)
        window_return(r->windows, a->signin.windows, a->paid, clock_mono());
    a->paid = 0;
}
