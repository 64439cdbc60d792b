/* base/config.h: what the operator set. Read once at start (and at SIGHUP into a new copy), then constant.
 * Settings come from the environment, or from a file of NAME=value lines; the environment wins. They are the rows of
 * config.tbl.
 */
#ifndef BASE_CONFIG_H
#define BASE_CONFIG_H

#include "base/str.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

enum registration { REGISTRATION_OPEN, REGISTRATION_INVITE, REGISTRATION_CLOSED };
enum cache_mode { CACHE_MODE_ON, CACHE_MODE_OFF };
enum database_pooler { POOLER_NONE, POOLER_TRANSACTION };
enum database_fallback { FALLBACK_NONE, FALLBACK_SQLITE };
enum limit_profile { PROFILE_STANDARD, PROFILE_STRICT, PROFILE_OFF };

enum setting_kind { SETTING_TEXT, SETTING_SECRET, SETTING_INT, SETTING_CHOICE };

/* TEXT and SECRET members are C strings owned by the config; INT and CHOICE (index of the word) are int64. */
struct config {
#define SETTING_MEMBER_TEXT(m) char *m;
#define SETTING_MEMBER_SECRET(m) char *m;
#define SETTING_MEMBER_INT(m) int64_t m;
#define SETTING_MEMBER_CHOICE(m) int64_t m;
#define SETTING(NAME, member, kind, standard, min, max, says) SETTING_MEMBER_##kind(member)
#include "base/config.tbl"
#undef SETTING
};

/* The configuration in force. */
extern struct config config;

/* Fills `out` from defaults, then the file (path NULL: none), then the environment. On a bad value, an unknown name
 * in the file, or an unknown GATEHOUSE_* name in the environment: ERR_INVALID, and one clear line in `why` (no
 * secret in it). */
enum err config_load(struct config *out, const char *path, char *why, size_t why_size) CHECKED;
void config_free(struct config *c);
/* One "NAME=value" line per setting, secrets masked as "(set)" or "(not set)". */
void config_print(const struct config *c, struct text *out);

/* A network: address and prefix length. IPv4 is kept as IPv4-mapped IPv6. */
struct network {
    struct in6_addr address;
    unsigned bits; /* 0 to 128 */
};
#define NETWORKS_MAX 32 /* of one list in the settings */
/* Parses "10.0.0.0/8,::1"; at most `most` entries; returns their number, or -1 for a bad list. */
int network_list(const char *text, struct network *out, int most);
bool network_has(const struct network *list, int n, const struct in6_addr *address);
/* Parses one IPv4 or IPv6 address (no port, no zone) to its mapped form. */
bool network_address(struct str text, struct in6_addr *out);
/* Writes the usual text of an address (IPv4 dotted), with a NUL. */
void network_format(const struct in6_addr *address, char out[INET6_ADDRSTRLEN]);

#endif
