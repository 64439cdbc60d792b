/* base/err.h: every way a call can fail, declared once in err.tbl.
 * A fallible function returns enum err and its result must be looked at. A bug is must().
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

enum err {
    OK = 0,
#define ERR(name, status, code, text, level) ERR_##name,
#include "base/err.tbl"
#undef ERR
    ERR_COUNT
};

/* Marks a function whose result must not be dropped. */
#define CHECKED __attribute__((warn_unused_result))

/* Leaves the calling function with the error, if there is one. The only macro that does control flow. */
#define TRY(call)                                                                                  \
    do {                                                                                           \
        enum err try_err_ = (call);                                                                \
        if (try_err_ != OK)                                                                        \
            return try_err_;                                                                       \
    } while (0)

/* A row of err.tbl. Static, never freed. OK has status 200 and code "ok". */
struct err_info {
    int status;
    const char *code;
    const char *text;
    enum log_level level;
};

const struct err_info *err_info(enum err err);

/* Ends the process with the place and the text when the condition is false. Always compiled in;
 * nothing that a peer sends can reach one. */
#define must(condition) ((condition) ? (void)0 : err_bug(__FILE__, __LINE__, #condition))
_Noreturn void err_bug(const char *file, int line, const char *what);

#endif
