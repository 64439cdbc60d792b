/* gate/country.h: the country of an address, by a database in MaxMind's format (GEOIP_DB).
 * The database is mapped, once for each process: opened before the fork, again by each process when the settings are
 * read anew. What was looked up lately lies in a table of 1,024 addresses. Nothing here asks anybody or waits. A file
 * in use is replaced by renaming another over it, never written to: it is mapped.
 */
#ifndef GATE_COUNTRY_H
#define GATE_COUNTRY_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

/* Opens it in place of the one in use; "" is none. False, with one clear line in `why`, when it cannot be used or this
 * program was built without libmaxminddb: then the one in use stays. */
bool country_open(const char *path, char *why, size_t why_size);

/* Two capital letters, or zeroes when the country is not known. */
void country_of(const struct in6_addr *address, char out[2]);

#endif
