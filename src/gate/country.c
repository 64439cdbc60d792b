#include "gate/country.h"

#include "base/hash.h"

#include <stdio.h>
#include <string.h>

#ifdef HAVE_MAXMINDDB

#include <maxminddb.h>
#include <sys/mman.h>

#define PLACES 1024u

static struct {
    MMDB_s db;
    bool open;
} use;

/* What was looked up last for a slot. Strangers may push each other out: that costs a look-up. */
static struct {
    struct in6_addr address;
    bool taken;
    char country[2];
} lately[PLACES];

static void close_used(void)
{
    if (use.open)
        MMDB_close(&use.db);
    use.open = false;
    memset(lately, 0, sizeof(lately));
}

bool country_open(const char *path, char *why, size_t why_size)
{
    MMDB_s db;
    if (path[0] == '\0') {
        close_used();
        return true;
    }
    int status = MMDB_open(path, MMDB_MODE_MMAP, &db);
    if (status != MMDB_SUCCESS) {
        snprintf(why, why_size, "GEOIP_DB cannot be used: %s: %s", MMDB_strerror(status), path);
        return false;
    }
    close_used();
    use.db = db;
    use.open = true;
    /* Read ahead, so that look-ups need not wait for the disk. The mapping begins at a page. */
    madvise((void *)(uintptr_t)db.file_content, (size_t)db.file_size, MADV_WILLNEED);
    return true;
}

/* What is damaged or of another kind says nothing. */
static void look_up(const struct in6_addr *address, char out[2])
{
    struct sockaddr_in6 at6 = { .sin6_family = AF_INET6, .sin6_addr = *address };
    struct sockaddr_in at4 = { .sin_family = AF_INET };
    memcpy(&at4.sin_addr, address->s6_addr + 12, sizeof(at4.sin_addr));
    bool v4 = IN6_IS_ADDR_V4MAPPED(address);
    int status = MMDB_SUCCESS;
    MMDB_entry_data_s code = { 0 };
    const struct sockaddr *at = v4 ? (const void *)&at4 : (const void *)&at6;
    MMDB_lookup_result_s found = MMDB_lookup_sockaddr(&use.db, at, &status);
    if (status != MMDB_SUCCESS || !found.found_entry)
        return;
    status = MMDB_get_value(&found.entry, &code, "country", "iso_code", (const char *)NULL);
    if (status != MMDB_SUCCESS || code.type != MMDB_DATA_TYPE_UTF8_STRING || code.data_size != 2)
        return;
    const char *letters = code.utf8_string;
    if (letters[0] >= 'A' && letters[0] <= 'Z' && letters[1] >= 'A' && letters[1] <= 'Z') {
        out[0] = letters[0];
        out[1] = letters[1];
    }
}

void country_of(const struct in6_addr *address, char out[2])
{
    out[0] = out[1] = 0;
    if (!use.open)
        return;
    unsigned slot = (unsigned)hash_bytes(address, sizeof(*address)) % PLACES;
    if (!lately[slot].taken || memcmp(&lately[slot].address, address, sizeof(*address)) != 0) {
        memset(lately[slot].country, 0, sizeof(lately[slot].country));
        look_up(address, lately[slot].country);
        lately[slot].address = *address;
        lately[slot].taken = true;
    }
    memcpy(out, lately[slot].country, sizeof(lately[slot].country));
}

#else

bool country_open(const char *path, char *why, size_t why_size)
{
    if (path[0] == '\0')
        return true;
    snprintf(why, why_size, "GEOIP_DB is set, but this program was built without libmaxminddb");
    return false;
}

void country_of(const struct in6_addr *address, char out[2])
{
    (void)address;
    out[0] = out[1] = 0;
}

#endif
