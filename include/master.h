/* master.h: the process that keeps a server: starts one worker per core, starts the dead again, forwards signals,
 * owns the segment and the listeners. One thread, no loop, no store, no random generator (one seeded before a fork
 * repeats tokens).
 *   SIGTERM  drain: readiness is 503, DRAIN_SECONDS of going on, then all that is under way is finished; exit 0
 *   SIGINT   the same without the pause
 *   SIGHUP   read the settings again, here and in every worker
 */
#ifndef MASTER_H
#define MASTER_H

/* Runs the server; returns the exit status. config_path: file of the settings, NULL: none. program: as it was
 * invoked. */
int master_run(const char *config_path, const char *program);

#endif
