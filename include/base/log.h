/* base/log.h: one JSON object a line, to standard error.
 * Lines are gathered and written by log_flush (the loop calls it at least each 100 ms) or when the buffer is full;
 * WARN and ERROR are written at once. Loop thread only. Never give it a secret, a token or a body.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/err.h"
#include "base/str.h"
#include "base/uuid.h"

enum log_format { LOG_JSON, LOG_TEXT };

void log_open(int fd, enum log_level least, enum log_format format);
/* Names this process in each line, such as "master" or "worker-1". The text is borrowed for good. */
void log_who(const char *who);
bool log_wants(enum log_level level);

/* log_begin(LOG_INFO, "request"); log_int("status", 200); log_end(); Nothing happens below the least level.
 * One line at a time: begin and end pair within one function. */
void log_begin(enum log_level level, const char *event);
void log_text(const char *name, struct str value);
void log_int(const char *name, int64_t value);
void log_uuid(const char *name, const struct uuid *id);
void log_end(void);

/* A line with one formatted message, for the rare ones. */
void log_say(enum log_level level, const char *event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

void log_flush(void);

#endif
