/* control.h: how the command line reaches the server of DATA_DIR: HTTP/1.1 over its control socket, one request a
 * connection. When no server runs, a worker of our own does the work meanwhile: the same code, the same rows, the
 * same audit. What is wrong is said here, in one line on standard error.
 */
#ifndef CONTROL_H
#define CONTROL_H

#include "base/str.h"

#include <stdbool.h>

struct answer {
    int status;
    struct str body; /* in the arena of the ask */
};

/* Finds the server, or starts the worker. config_path: file of the settings, NULL: none. */
bool control_open(const char *config_path);
/* body: JSON, p NULL for none. False: no answer came. */
bool control_ask(struct arena *a, const char *method, struct str target, struct str body,
                 struct answer *out);
/* Ends the worker, if one was started. */
void control_close(void);

#endif
