/* reload.h: SIGHUP: the settings that can change in a running process are read again; the others wait for the next
 * start. */
#ifndef RELOAD_H
#define RELOAD_H

#include <stdbool.h>

/* Opens the log as the settings say. */
void reload_log(void);
/* Reads file and environment and adopts what may change. False: something is wrong there (logged), and all stays as
 * it was. The master also says what has to wait. */
bool reload(const char *path, bool master);

#endif
