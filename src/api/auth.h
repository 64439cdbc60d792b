/* auth.h: the steps of signing in and out, each in the file of its name; auth.c is their table. */
#ifndef API_AUTH_H
#define API_AUTH_H

#include "http/req.h"

stage_fn refresh_rotated; /* behind the commit of a refresh */
extern const struct stage register_steps[], login_steps[], refresh_steps[], password_steps[];

#endif
