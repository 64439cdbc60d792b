/* cache/redis.h: a worker's connection to Redis: hiredis' protocol reader on a connection of our own, RESP2. Commands
 * of one loop turn leave in one write at its end. Connects in the background and again, with backoff of at most
 * 500 ms; behind Sentinel it asks who the master is first. Every ask completes by net/wait.h, at the latest 200 ms
 * after REDIS_TIMEOUT (net/wheel.h); too many failures open a breaker (base/breaker.h), and while there is no
 * connection, or the breaker is open, an ask fails at once. It never blocks and never ends the process.
 */
#ifndef CACHE_REDIS_H
#define CACHE_REDIS_H

#include "base/err.h"
#include "base/str.h"
#include "net/wait.h"

#include <stdbool.h>
#include <stdint.h>

struct redis;

/* url: redis://[[user]:password@]host[:port][/database], or
 * redis+sentinel://[[user]:password@]host[:port][,host[:port]]../master[/database]. prefix: what keys begin with.
 * ERR_INVALID: the URL cannot be understood; the log says why, without the password. */
enum err redis_open(struct redis **out, const char *url, const char *prefix) CHECKED;
/* Answers what is under way (as failed), then frees. Takes NULL. Not inside heard() or connected(). */
void redis_close(struct redis *r);

/* Whether an ask would be sent now. */
bool redis_up(const struct redis *r);
bool redis_broken(const struct redis *r); /* the breaker is open */
/* For people, without secrets: "Redis 7.0.15 at 127.0.0.1:6379/0". */
const char *redis_says(const struct redis *r);
struct str redis_prefix(const struct redis *r);
/* How often a connection was made, and which process of Redis it leads to (empty: it does not say). What Redis held
 * before may be gone after the one has moved, and may be as it was some time ago after the other has. */
int64_t redis_connects(const struct redis *r);
struct str redis_run_id(const struct redis *r);

/* ---- asks ---- */

enum redis_type { REDIS_NIL, REDIS_INT, REDIS_TEXT, REDIS_ERROR };
struct redis_value {
    enum redis_type type;
    int64_t i;
    struct str text;
};

/* What came: an array's members, or the one value; arrays in arrays are flattened in order. */
struct redis_reply {
    enum err err; /* OK; ERR_UNAVAILABLE: no answer; ERR_INVALID: Redis refused the command (its words are logged) */
    int n;
    const struct redis_value *at;
    struct redis_block *held;
};
/* Gives the memory back and zeroes it; harmless on a zeroed one. */
void redis_reply_fini(struct redis_reply *reply);

#define REDIS_ARGS_MAX 128

/* Sends one command; the arguments are copied. out and w may both be NULL: nobody waits, the answer is dropped. At most
 * 4096 are under way. */
void redis_ask(struct redis *r, int argc, const struct str *argv, struct redis_reply *out,
               struct wait *w);

/* A Lua script: constant; its digest is asked of Redis at first use. Sent by digest; where Redis does not know it,
 * again as text, behind what was asked meanwhile, unseen by the asker. */
struct redis_script {
    const char *text;
    char sha1[41];
};
void redis_run(struct redis *r, struct redis_script *script, int nkeys, int argc,
               const struct str *argv, struct redis_reply *out, struct wait *w);

void redis_ping(struct redis *r, struct redis_reply *out, struct wait *w);

/* ---- news ---- */

/* Subscribes to prefix + channel on a connection of its own, made anew whenever it is lost; an empty message tells each
 * time that it is there (again), and that messages may have been lost. One subscription. */
void redis_subscribe(struct redis *r, const char *channel, void (*heard)(struct str message));
/* The subscription has been silent for too long: its connection is made anew. */
void redis_resubscribe(struct redis *r);
/* Called on the loop each time the connection for commands is there (again). */
void redis_on_connect(struct redis *r, void (*connected)(void));

#endif
