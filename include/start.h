/* start.h: what must be there before the first worker is forked, for a server and for a command that finds none:
 * folder, lock, secret, segment, schema, sockets. Done by a process that has no loop, no store and no thread. What is
 * wrong is said here, in one line on standard error; the caller only ends.
 */
#ifndef START_H
#define START_H

#include "worker.h"

#include <sys/types.h>

#define WORKERS_MAX 64

/* config: file of the settings, NULL: none. The lock is held already. */
bool start_prepare(struct worker_start *out, int workers, const char *config_path);
/* Binds one TCP socket per worker to HOST and PORT. */
bool start_listeners(int n);
/* Where they listen: "http://127.0.0.1:8000". Static. */
const char *start_address(void);
/* Closes this process' hold on the TCP sockets: each then ends when its worker lets go of it. */
void start_close_listeners(void);

/* Brings the schema of the store up to date, in a process of its own. */
bool start_migrate(const char *store);

/* Forks worker `number`. Returns its process id, -1 on failure; *ready is the pipe on which it says so. It ends with
 * this process. */
pid_t start_worker(const struct worker_start *start, int number, int *ready);

/* Removes the control socket. */
void start_end(void);

#endif
