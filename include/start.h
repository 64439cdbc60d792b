/* start.h: what must be there before the first worker is forked, for a server and for a command that finds none:
 * folder, lock, secret, segment, schema, sockets. Done by a process that has no loop, no store and no thread. What is
 * wrong is said here, in one line on standard error; the caller only ends.
 */
#ifndef START_H
#define START_H

#include "worker.h"

#include <sys/types.h>

#define WORKERS_MAX 64

/* config: file of the settings, NULL: none. The lock is held already. *waits: the store cannot be reached, so its
 * schema is still to be looked after. */
bool start_prepare(struct worker_start *out, int workers, const char *config_path, bool *waits);
/* Binds one TCP socket per worker to HOST and PORT. */
bool start_listeners(int n);
/* Where they listen: "http://127.0.0.1:8000". Static. */
const char *start_address(void);
/* Closes this process' hold on the TCP sockets: each then ends when its worker lets go of it. */
void start_close_listeners(void);

/* Begins to bring the schema of the store up to date, in a process of its own: its id, -1 on failure. */
pid_t start_migration(const char *store);
enum migrated {
    MIGRATED,
    MIGRATED_LATER, /* the store cannot be reached now */
    MIGRATED_NEVER, /* it has been said why */
};
/* What the status of that process means. */
enum migrated start_migrated(int status);
/* Both at once. */
enum migrated start_migrate(const char *store);

/* Forks worker `number`. Returns its process id, -1 on failure; *ready is the pipe on which it says so. It ends with
 * this process. */
pid_t start_worker(const struct worker_start *start, int number, int *ready);

/* Removes the control socket. */
void start_end(void);

#endif
