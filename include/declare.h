/* declare.h: everything that is declared, gathered once: the resources of every room, and the open dimensions of the
 * metrics. */
#ifndef DECLARE_H
#define DECLARE_H

#include "base/err.h"

#include <stdbool.h>

/* Gathers the resources and checks them. What is wrong is said in one line on standard error. */
bool declare_resources(void);
/* Names routes, stages, error codes, resources and cache types to the metrics; before metric_size. */
void declare_metrics(void);

#endif
