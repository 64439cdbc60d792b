/* watch/handlers.h: what the table in system.c names. */
#ifndef WATCH_HANDLERS_H
#define WATCH_HANDLERS_H

#include "watch/watch.h"

void health_init(const struct watch_setup *with);
stage_fn health, health_known;
stage_fn health_live;
stage_fn health_ready, health_ready_known;

#endif
