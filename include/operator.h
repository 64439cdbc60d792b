/* operator.h: the commands that ask the server for something. Each prints what came of it and returns the exit
 * status. */
#ifndef OPERATOR_H
#define OPERATOR_H

/* The password comes from standard input. */
int operator_user_add(const char *email, const char *role);
/* Likewise; every session of the user ends. */
int operator_user_reset(const char *email);
int operator_user_list(void);
int operator_keys_list(void);
int operator_keys_rotate(void);
/* Shows the mode of this node; name not NULL: sets it, for all nodes. reason may be NULL. */
int operator_mode(const char *name, const char *reason);

#endif
