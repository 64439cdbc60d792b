/* net/uvloop.h: what the files of net/ know of the loop and of its queue of waits. */
#ifndef NET_UVLOOP_H
#define NET_UVLOOP_H

#include <stdbool.h>
#include <uv.h>

/* loop.c */
uv_loop_t *loop_uv(void);
/* Called first in everything that libuv calls: the clock is read once a turn, and the turn's work begins to be
 * timed. */
void loop_woke(void);
/* From any thread: ends the poll, so that what was posted is seen. */
void loop_nudge(void);

/* wait.c */
/* Takes over what other threads have posted. */
void waits_collect(void);
/* Whether a wait stands in the queue; how many are asked and not yet woken. */
bool waits_pending(void);
unsigned waits_open(void);
/* Wakes until none stands in the queue, or `most` were woken. */
void waits_wake(unsigned most);
/* Forgets all (the end of a loop). */
void waits_forget(void);

#endif
