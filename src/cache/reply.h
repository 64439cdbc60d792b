/* cache/reply.h: what Redis says, read by hiredis' protocol reader into pooled blocks. Loop thread only. */
#ifndef CACHE_REPLY_H
#define CACHE_REPLY_H

#include "cache/redis.h"

/* One whole answer. */
struct redis_block {
    struct redis_block *next; /* of the unused ones */
    struct redis_value *values;
    char *bytes; /* of the texts, a NUL behind each */
    int n, cap;
    size_t bytes_n, bytes_cap;
};

/* Empty; NULL when memory is out. */
struct redis_block *block_take(void);
/* Takes NULL. */
void block_give(struct redis_block *b);
/* Room for n more bytes behind those there are, not counted yet; NULL when memory is out or the block too large. */
char *block_room(struct redis_block *b, size_t n);
/* Frees the unused ones. */
void blocks_trim(void);

/* Whether the block is one error; then its text. */
bool block_error(const struct redis_block *b, struct str *text);
/* The text of value i; none when there is no such value or it is no text. */
struct str block_text(const struct redis_block *b, int i);

struct reader;
struct reader *reader_new(void); /* NULL: no memory */
void reader_free(struct reader *rd);
/* ERR_INVALID: that was not the protocol, or an answer larger than we take; nothing can be read any more. */
enum err reader_feed(struct reader *rd, const char *p, size_t n) CHECKED;
/* The next whole answer, the caller's to give back; NULL: there is none yet. */
enum err reader_take(struct reader *rd, struct redis_block **out) CHECKED;

#endif
