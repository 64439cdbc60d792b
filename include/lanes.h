/* lanes.h: the connections that a worker may open, from the settings of the whole node. */
#ifndef LANES_H
#define LANES_H

#include "store/store.h"

/* LANE_ settings, else DATABASE_POOL_SIZE and DATABASE_MAX_OVERFLOW, shared out over the workers; a worker may open
 * one at least. False: one of them is not least/most; it is said on standard error. */
bool lanes_read(int workers, struct lane_size out[LANE_COUNT]);

#endif
