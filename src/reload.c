#include "reload.h"

#include "base/config.h"
#include "base/log.h"
#include "gate/country.h"

#include <string.h>
#include <unistd.h>

/* The members that are adopted; nobody keeps what they point to beyond a turn of the loop. */
#define RELOADED(ROW)                                                                              \
    ROW(public_url)                                                                                \
    ROW(registration)                                                                              \
    ROW(jwt_expire_minutes)                                                                        \
    ROW(bcrypt_cost)                                                                               \
    ROW(cors_origins)                                                                              \
    ROW(trusted_proxies)                                                                           \
    ROW(rate_limit_profile)                                                                        \
    ROW(rate_limit_requests)                                                                       \
    ROW(rate_limit_window)                                                                         \
    ROW(metrics_allow)                                                                             \
    ROW(drain_seconds)                                                                             \
    ROW(log_level)                                                                                 \
    ROW(log_format)

static bool same_text(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

static bool same_int(int64_t a, int64_t b)
{
    return a == b;
}

#define SAME_TEXT same_text
#define SAME_SECRET same_text
#define SAME_INT same_int
#define SAME_CHOICE same_int

/* After the exchange what still differs is what could not be adopted. */
static void say_what_waits(const struct config *fresh)
{
#define SETTING(NAME, member, kind, standard, min, max, says)                                      \
    if (!SAME_##kind(fresh->member, config.member))                                                \
        log_say(LOG_WARN, "reload", "%s takes effect at the next start", #NAME);
#include "base/config.tbl"
#undef SETTING
}

void reload_log(void)
{
    static const enum log_level levels[] = { LOG_INFO, LOG_DEBUG, LOG_WARN, LOG_ERROR }; /* as config.tbl has them */
    log_open(STDERR_FILENO, levels[config.log_level], (enum log_format)config.log_format);
}

bool reload(const char *path, bool master)
{
    char why[200];
    struct config fresh = { 0 };
    if (config_load(&fresh, path, why, sizeof(why)) != OK) {
        log_say(LOG_ERROR, "reload", "the settings stay as they were: %s", why);
        return false;
    }

    struct config before = config;
    if (country_open(fresh.geoip_db, why, sizeof(why))) {
        config.geoip_db = fresh.geoip_db;
        fresh.geoip_db = before.geoip_db;
    } else {
        log_say(LOG_ERROR, "reload", "the countries stay as they were: %s", why);
    }
#define ROW(member) config.member = fresh.member;
    RELOADED(ROW)
#undef ROW
    if (master)
        say_what_waits(&fresh);
#define ROW(member) fresh.member = before.member;
    RELOADED(ROW)
#undef ROW
    config_free(&fresh);
    reload_log();
    return true;
}
