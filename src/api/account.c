#include "account.h"

#include "base/config.h"
#include "route/input.h"

/* ---- addresses ---- */

struct str email_fold(struct arena *a, struct str email)
{
    char *p = arena_copy(a, email.p, email.n);
    for (size_t i = 0; p && i < email.n; i++)
        if (p[i] >= 'A' && p[i] <= 'Z')
            p[i] = (char)(p[i] - 'A' + 'a');
    return (struct str){ p, email.n };
}

static bool letter_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool made_of(struct str s, const char *also)
{
    for (size_t i = 0; i < s.n; i++)
        if (!letter_or_digit(s.p[i]) && (!s.p[i] || !strchr(also, s.p[i])))
            return false;
    return s.n > 0;
}

static bool atom(struct str s)
{
    return made_of(s, "!#$%&'*+-/=?^_`{|}~");
}

static bool label(struct str s)
{
    return made_of(s, "-") && s.n <= 63 && s.p[0] != '-' && s.p[s.n - 1] != '-';
}

/* How many parts between dots there are, all of which fit; 0 when one does not. */
static int parts(struct str s, bool (*fits)(struct str part))
{
    struct str part;
    int n = 0;
    while (str_cut(&s, '.', &part)) {
        if (!fits(part))
            return 0;
        n++;
    }
    return n;
}

bool email_valid(struct str email)
{
    struct str host = email, local;
    if (email.n > EMAIL_MAX || !str_cut(&host, '@', &local) || !host.p)
        return false;
    return local.n <= 64 && parts(local, atom) >= 1 && parts(host, label) >= 2;
}

enum err email_read(struct req *r, struct str *out)
{
    *out = email_fold(&r->arena, input_text(r, "email"));
    if (!out->p)
        return ERR_NO_MEMORY;
    if (email_valid(*out))
        return OK;
    req_fault(r, "email", "format", "Must be an e-mail address.");
    return ERR_INVALID;
}

/* ---- password work ---- */

/* On a thread of the pool. */
static void hashing_run(struct job *job)
{
    struct hashing *h = LIST_OF(job, struct hashing, job);
    h->matches =
        !h->check || password_matches((struct str){ h->current, h->current_n }, str_of(h->against));
    if (h->matches && h->next_n > 0)
        h->err = password_hash((struct str){ h->next, h->next_n }, h->cost, h->hash);
    explicit_bzero(h->current, sizeof(h->current));
    explicit_bzero(h->next, sizeof(h->next));
}

static size_t copy_in(char to[PASSWORD_MAX], struct str password)
{
    must(password.n <= PASSWORD_MAX); /* the fields say so */
    if (password.n)
        memcpy(to, password.p, password.n);
    return password.n;
}

static enum verdict hand_over(struct req *r, struct hashing *h, struct str next)
{
    h->job.run = hashing_run;
    h->cost = (int)config.bcrypt_cost;
    h->next_n = copy_in(h->next, next);
    enum err err = offload_run(r->passwords, &h->job, &r->wait);
    if (err == OK)
        return WAIT;
    explicit_bzero(h, sizeof(*h));
    return req_deny(r, err);
}

enum verdict hashing_make(struct req *r, struct hashing *h, struct str next)
{
    *h = (struct hashing){ 0 };
    return hand_over(r, h, next);
}

/* What is no hash matches nothing, but is checked: it must not cost less. */
enum verdict hashing_check(struct req *r, struct hashing *h, struct str current, struct str against,
                           struct str next)
{
    *h = (struct hashing){ .check = true };
    h->current_n = copy_in(h->current, current);
    if (against.n == PASSWORD_HASH)
        memcpy(h->against, against.p, against.n);
    return hand_over(r, h, next);
}
