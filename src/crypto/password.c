#include "crypto/password.h"

#include "base/random.h"

#include <crypt.h>
#include <stdlib.h>

#define COST_MIN 10
#define COST_MAX 14
#define COST_STANDARD 12
#define SALT 16 /* random bytes */

/* Of random passwords that nobody kept. */
static const char *const dummies[] = {
    "$2b$10$GKOWarZK/Sc/9hK03nzCLuKSAPpKmO4ze7MG.H6oNW5UNTC6D1Mq.",
    "$2b$11$eG7U8Lgqp2OFI/k2G7j3xe7JU1VA8l7GWb6PZt.5zX5f254R1jqyK",
    "$2b$12$Qr6GdNstTOXUWU4RDHLVYO.iQAx7GGS5cuKJRwAf4SVlovAdKfBIS",
    "$2b$13$8NBxBcg0dH2ph0/Xptss9.WexYJxibNn6l/hdaSJPmFvDo2RNUoLq",
    "$2b$14$e5Gucff4t1N/cOCBpNWIbefR9kwyxgVjXiV.inx196PVFwJGde.JS",
};

const char *password_dummy(int cost)
{
    int within = cost < COST_MIN ? COST_MIN : cost > COST_MAX ? COST_MAX : cost;
    return dummies[within - COST_MIN];
}

/* libcrypt ends a password at a NUL and bcrypt at PASSWORD_MAX bytes: neither may make two passwords one. */
static bool fits(struct str password)
{
    return password.n <= PASSWORD_MAX && (password.n == 0 || !memchr(password.p, '\0', password.n));
}

bool password_allowed(struct str password)
{
    return password.n >= PASSWORD_MIN && fits(password) && str_utf8(password);
}

/* The hash under that setting (or hash), with a NUL; false when libcrypt refuses or memory is out. */
static bool run_bcrypt(struct str password, const char *setting, char out[PASSWORD_HASH + 1])
{
    struct crypt_data *work = calloc(1, sizeof(*work)); /* 32 KiB: too much for a thread's stack */
    if (!work)
        return false;

    char phrase[PASSWORD_MAX + 1] = { 0 };
    if (password.n)
        memcpy(phrase, password.p, password.n < PASSWORD_MAX ? password.n : PASSWORD_MAX);
    const char *hash = crypt_r(phrase, setting, work);
    bool good = hash && strlen(hash) == PASSWORD_HASH && str_starts(str_of(hash), STR("$2b$"));
    if (good)
        memcpy(out, hash, PASSWORD_HASH + 1);

    explicit_bzero(phrase, sizeof(phrase));
    explicit_bzero(work, sizeof(*work));
    free(work);
    return good;
}

enum err password_hash(struct str password, int cost, char out[PASSWORD_HASH + 1])
{
    char random[SALT], setting[CRYPT_GENSALT_OUTPUT_SIZE];
    must(cost >= COST_MIN && cost <= COST_MAX);
    if (!password_allowed(password))
        return ERR_INVALID;

    random_bytes(random, sizeof(random));
    if (!crypt_gensalt_rn("$2b$", (unsigned long)cost, random, sizeof(random), setting,
                          sizeof(setting)))
        return ERR_INTERNAL;
    return run_bcrypt(password, setting, out) ? OK : ERR_INTERNAL;
}

/* Costs outside the range are none of ours; the highest that bcrypt knows takes days. */
static bool well_formed(struct str hash)
{
    int64_t cost;
    return hash.n == PASSWORD_HASH && str_starts(hash, STR("$2b$")) && hash.p[6] == '$' &&
           str_int((struct str){ hash.p + 4, 2 }, COST_MIN, COST_MAX, &cost) &&
           !memchr(hash.p, '\0', hash.n);
}

bool password_matches(struct str password, struct str hash)
{
    char setting[PASSWORD_HASH + 1], found[PASSWORD_HASH + 1];
    bool possible = well_formed(hash) && fits(password);

    memcpy(setting, possible ? hash.p : password_dummy(COST_STANDARD), PASSWORD_HASH);
    setting[PASSWORD_HASH] = '\0';
    bool same = run_bcrypt(password, setting, found) &&
                str_same_secret((struct str){ found, PASSWORD_HASH },
                                (struct str){ setting, PASSWORD_HASH });
    explicit_bzero(found, sizeof(found));
    return possible && same;
}
