#include "base/err.h"

#include "base/log.h"

#include <stdlib.h>

static const struct err_info infos[ERR_COUNT] = {
    [OK] = { 200, "ok", "Done.", LOG_INFO },
#define ERR(name, status, code, text, level) [ERR_##name] = { status, code, text, LOG_##level },
#include "base/err.tbl"
#undef ERR
};

const struct err_info *err_info(enum err err)
{
    return (unsigned)err < ERR_COUNT ? &infos[err] : &infos[ERR_INTERNAL];
}

_Noreturn void err_bug(const char *file, int line, const char *what)
{
    log_say(LOG_ERROR, "bug", "%s:%d: %s", file, line, what);
    abort();
}
