#include "url.h"

#include <string.h>

/* Characters that a URL may hold (RFC 3986 section 2), '%' included. */
static bool url_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("-._~:/?#[]@!$&'()*+,;=%", c));
}

static bool url_acceptable(struct str url)
{
    struct str rest = url, host = url;
    for (size_t i = 0; i < url.n; i++)
        if (!url_character(url.p[i]))
            return false;
    if (str_starts(rest, STR("https://")))
        rest = (struct str){ rest.p + 8, rest.n - 8 };
    else if (str_starts(rest, STR("http://")))
        rest = (struct str){ rest.p + 7, rest.n - 7 };
    else
        return false;

    host = (struct str){ rest.p, 0 };
    while (host.n < rest.n && !strchr("/?#", rest.p[host.n]))
        host.n++;
    return host.n > 0 && host.p[0] != ':' && !memchr(host.p, '@', host.n);
}

enum verdict endpoint_check(struct req *r, const struct value *endpoint)
{
    if (endpoint->null || url_acceptable(endpoint->text))
        return NEXT;
    req_fault(r, "endpoint", "format", "must be an http or https URL without a user name");
    return req_deny(r, ERR_INVALID);
}
