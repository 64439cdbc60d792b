#include "http/req.h"

struct str method_name(enum method m)
{
    static const struct str names[] = { { "-", 1 },      { "GET", 3 },    { "HEAD", 4 },
                                        { "POST", 4 },   { "PUT", 3 },    { "PATCH", 5 },
                                        { "DELETE", 6 }, { "OPTIONS", 7 }, { "ANY", 3 } };
    return names[m];
}

void req_fault(struct req *r, const char *field, const char *code, const char *message)
{
    if (r->nfaults < FAULTS_MAX)
        r->faults[r->nfaults++] = (struct fault){ field, code, message };
}

struct str req_header(const struct req *r, const char *name)
{
    struct str wanted = str_of(name);
    for (int i = 0; i < r->nheaders; i++)
        if (str_ieq(r->headers[i].name, wanted))
            return str_trim(r->headers[i].value);
    return STR_NONE;
}
