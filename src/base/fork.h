/* src/base/fork.h: tells a process from its parent, so that neither uses what was drawn or buffered before the fork.
 * */
#ifndef BASE_FORK_H
#define BASE_FORK_H

/* How many forks lie between this process and the one that was started; any thread. */
unsigned fork_count(void);

#endif
