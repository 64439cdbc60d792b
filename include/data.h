/* data.h: the folder DATA_DIR: what lies in it, and that only one server uses it. Not for workers.
 * What is wrong is said here, in one line on standard error; the caller only ends.
 */
#ifndef DATA_H
#define DATA_H

#include "base/err.h"
#include "base/str.h"

#include <limits.h>
#include <stdbool.h>
#include <sys/un.h>

/* Makes the folder, with mode 0700, if it is not there. */
bool data_folder(void);
/* Takes the lock, for this process and those that it forks. ERR_IN_USE, unsaid, while another server or command has
 * it. */
enum err data_lock(void) CHECKED;
/* Process id of who has the lock, 0 if unknown. */
long data_holder(void);

/* JWT_SECRET, or the secret of the folder, made at first use; under the lock. Nodes share it, so with a store that
 * they share it must be given. Static; p is NULL when there is none to be had. */
struct str data_secret(void);

/* Where the store is: DATABASE_URL, or the path of the embedded one. */
bool data_store(char out[PATH_MAX]);
/* Path of the embedded store in the folder, whatever DATABASE_URL says. */
bool data_embedded(char out[PATH_MAX]);
/* Opens the database of countries, GEOIP_DB, for this process and those that it forks. */
bool data_country(void);
/* Makes the folder of media. */
bool data_media(void);
/* Address of the control socket. False when it is too long for one. */
bool data_control(struct sockaddr_un *out);

#endif
