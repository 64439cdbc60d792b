#include "pgerror.h"

#include <stdio.h>
#include <string.h>

struct meaning {
    const char *state; /* SQLSTATE, or its first characters */
    enum err err;
    bool again, leave, down, silent;
};

/* The first row that fits counts. https://www.postgresql.org/docs/current/errcodes-appendix.html */
static const struct meaning meanings[] = {
    { "23505", ERR_EXISTS, .silent = true },
    { "23503", ERR_IN_USE, .silent = true },
    { "40001", ERR_UNAVAILABLE, .again = true },               /* serialization */
    { "40P01", ERR_UNAVAILABLE, .again = true },               /* deadlock */
    { "26000", ERR_UNAVAILABLE, .again = true, .leave = true }, /* a prepared statement is gone */
    { "25006", ERR_UNAVAILABLE, .leave = true, .down = true },  /* read only: no longer the primary */
    { "55P03", ERR_UNAVAILABLE },                              /* a lock did not come */
    { "57014", ERR_UNAVAILABLE, .down = true },                /* statement timeout */
    { "57P", ERR_UNAVAILABLE, .leave = true, .down = true },    /* shutting down, crashed, starting */
    { "53", ERR_UNAVAILABLE, .down = true },                   /* out of something */
    { "58", ERR_UNAVAILABLE, .down = true },                   /* its system fails */
    { "08", ERR_UNAVAILABLE, .leave = true, .down = true },     /* the connection */
    { "", ERR_UNAVAILABLE },
};

static const char *field(const PGresult *result, int code)
{
    const char *text = result ? PQresultErrorField(result, code) : NULL;
    return text ? text : "";
}

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* Messages of other classes may quote what a user sent. */
static bool message_is_safe(const char *state)
{
    return begins(state, "42") || begins(state, "57") || begins(state, "53") ||
           begins(state, "08") || begins(state, "0A") || begins(state, "25");
}

static void say(struct pgerror *out, const PGresult *result, const struct stmt *stmt,
                const char *state)
{
    const char *what = message_is_safe(state) ? field(result, PG_DIAG_MESSAGE_PRIMARY)
                                              : field(result, PG_DIAG_CONSTRAINT_NAME);
    if (!*what)
        what = field(result, PG_DIAG_TABLE_NAME);
    snprintf(out->says, sizeof(out->says), "%s: SQLSTATE %s%s%s", stmt->name, state,
             *what ? ": " : "", what);
}

void pgerror_read(struct pgerror *out, const PGresult *result, const struct stmt *stmt)
{
    const char *state = field(result, PG_DIAG_SQLSTATE);
    const char *severity = field(result, PG_DIAG_SEVERITY_NONLOCALIZED);
    *out = (struct pgerror){ .err = ERR_UNAVAILABLE };
    if (!*state) { /* libpq's own words: the server is gone */
        out->lost = out->down = true;
        return;
    }
    if (strcmp(state, "GH001") == 0 && stmt->rows >= 0) {
        out->err = stmt->otherwise;
        return;
    }
    const struct meaning *m = meanings;
    while (!begins(state, m->state))
        m++;
    bool stale = strcmp(state, "0A000") == 0 && /* cached plan must not change result type */
                 strcmp(field(result, PG_DIAG_SOURCE_FUNCTION), "RevalidateCachedQuery") == 0;
    out->err = m->err;
    out->again = m->again || stale;
    out->leave = m->leave || stale;
    out->down = m->down;
    out->lost = begins(severity, "FATAL") || begins(severity, "PANIC");
    if (!m->silent)
        say(out, result, stmt, state);
}

void pgerror_line(char *out, size_t n, const char *text)
{
    size_t at = 0;
    bool hint = false; /* lines that begin with a tab are guesses of libpq */
    for (char before = '\n'; *text && at + 1 < n; before = *text++) {
        bool blank = *text == '\n' || *text == ' ';
        if (before == '\n')
            hint = *text == '\t';
        if (hint)
            continue;
        if (!blank)
            out[at++] = *text;
        else if (at && out[at - 1] != ' ')
            out[at++] = ' ';
    }
    while (at && out[at - 1] == ' ')
        at--;
    out[at] = 0;
}
