#include "pgurl.h"

#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEYWORDS_MAX 80 /* of libpq, and ours */

/* What is added to a URL that does not say it. */
static const struct {
    const char *keyword, *value;
} defaults[] = {
    { "fallback_application_name", "gatehouse" },
    { "gssencmode", "disable" }, /* it looks for tickets in files and in the net */
    { "keepalives_idle", "10" },
    { "keepalives_interval", "3" },
    { "keepalives_count", "3" },
    { "tcp_user_timeout", "5000" },
};
#define DEFAULTS ((int)(sizeof(defaults) / sizeof(defaults[0])))

static const char *given(const struct pgurl *u, const char *keyword)
{
    for (const PQconninfoOption *o = u->given; o && o->keyword; o++)
        if (strcmp(o->keyword, keyword) == 0)
            return o->val && *o->val ? o->val : NULL;
    return NULL;
}

/* A socket in the file system needs no address; neither does a URL that gives the addresses itself. */
static bool has_name(const struct pghost *host)
{
    return host->name[0] && host->name[0] != '/' && host->name[0] != '@';
}

/* ---- reading ---- */

static void looked_up(struct wait *w);

static bool host_read(struct pgurl *u, struct str name, struct str port)
{
    struct pghost *host = &u->hosts[u->nhosts++];
    if (name.n >= sizeof(host->name) || port.n >= sizeof(host->port))
        return false;
    memcpy(host->name, name.p, name.n);
    if (port.n)
        memcpy(host->port, port.p, port.n);
    host->url = u;
    wait_init(&host->wait, looked_up);
    return true;
}

/* One port serves all hosts, or each has its own. */
static bool hosts_read(struct pgurl *u)
{
    struct str names = str_of(given(u, "host")), ports = str_of(given(u, "port")), name, port;
    bool shared = ports.n && !memchr(ports.p, ',', ports.n);
    if (!names.n || given(u, "hostaddr"))
        return true;
    while (str_cut(&names, ',', &name)) {
        port = ports;
        if (!shared && !str_cut(&ports, ',', &port))
            port = STR_NONE;
        if (u->nhosts == PGURL_HOSTS || !host_read(u, name, port))
            return false;
    }
    return true;
}

enum err pgurl_init(struct pgurl *u, const char *text)
{
    *u = (struct pgurl){ 0 };
    list_init(&u->waiting);
    u->given = PQconninfoParse(text, NULL); /* its reason would repeat the password */
    return u->given && hosts_read(u) ? OK : ERR_INVALID;
}

void pgurl_fini(struct pgurl *u)
{
    PQconninfoFree(u->given);
    u->given = NULL;
}

void pgurl_says(const struct pgurl *u, char *out, size_t n)
{
    const char *database = given(u, "dbname"), *host = given(u, "hostaddr");
    size_t at = 0;
    if (!u->nhosts)
        at = (size_t)snprintf(out, n, "%s", host ? host : "the local socket");
    for (int i = 0; i < u->nhosts && at < n; i++) {
        const char *port = u->hosts[i].port[0] ? u->hosts[i].port : "5432";
        at += (size_t)snprintf(out + at, n - at, "%s%s:%s", i ? "," : "", u->hosts[i].name, port);
    }
    if (!database)
        database = given(u, "user");
    if (at < n)
        snprintf(out + at, n - at, "/%s", database ? database : "");
}

/* ---- looking up ---- */

static void wake_all(struct pgurl *u)
{
    struct list *node;
    while ((node = list_take(&u->waiting)))
        wait_done(LIST_OF(node, struct wait, node));
}

static void looked_up(struct wait *w)
{
    struct pghost *host = LIST_OF(w, struct pghost, wait);
    struct pgurl *u = host->url;
    if (host->asked.n || !host->found.n) /* an old address is better than none */
        host->found = host->asked;
    if (--u->open == 0)
        wake_all(u);
}

void pgurl_resolve(struct pgurl *u, struct wait *w)
{
    wait_open(w);
    list_push(&u->waiting, &w->node);
    if (u->open)
        return;
    for (int i = 0; i < u->nhosts; i++) {
        if (!has_name(&u->hosts[i]))
            continue;
        u->open++;
        resolve_ask(u->hosts[i].name, &u->hosts[i].asked, &u->hosts[i].wait);
    }
    if (!u->open)
        wake_all(u);
}

/* ---- connecting ---- */

struct keywords {
    const char *names[KEYWORDS_MAX], *values[KEYWORDS_MAX];
    int n;
};

static void put(struct keywords *k, const char *name, const char *value)
{
    if (k->n + 1 >= KEYWORDS_MAX)
        return;
    k->names[k->n] = name;
    k->values[k->n++] = value;
}

/* Lists of one entry for each address. */
struct places {
    char names[2600], addresses[PGURL_HOSTS * ADDRESSES_MAX * ADDRESS_TEXT], ports[300];
    size_t nnames, naddresses, nports;
    int n;
};

static void list_add(char *list, size_t cap, size_t *n, const char *text, bool first)
{
    int wrote = snprintf(list + *n, cap - *n, "%s%s", first ? "" : ",", text);
    if (wrote > 0 && (size_t)wrote < cap - *n)
        *n += (size_t)wrote;
}

static void place_add(struct places *p, const struct pghost *host, const char *address)
{
    bool first = p->n++ == 0;
    list_add(p->names, sizeof(p->names), &p->nnames, host->name, first);
    list_add(p->addresses, sizeof(p->addresses), &p->naddresses, address, first);
    list_add(p->ports, sizeof(p->ports), &p->nports, host->port, first);
}

/* Addresses of one name that are more than fit beside long names of others are left out. */
static bool place_fits(const struct places *p, const struct pghost *host)
{
    return p->nnames + strlen(host->name) + 2 < sizeof(p->names) &&
           p->nports + sizeof(host->port) < sizeof(p->ports);
}

static const char *places_find(const struct pgurl *u, struct places *p)
{
    const char *why = "no host";
    for (int i = 0; i < u->nhosts; i++) {
        const struct pghost *host = &u->hosts[(u->first + i) % u->nhosts];
        if (!has_name(host) && place_fits(p, host))
            place_add(p, host, "");
        else if (!host->found.n)
            why = host->found.says;
        for (int at = 0; at < host->found.n && place_fits(p, host); at++)
            place_add(p, host, host->found.address[at]);
    }
    return why;
}

PGconn *pgurl_connect(const struct pgurl *u, const char *options, const char **why)
{
    struct places places = { .n = 0 };
    struct keywords k = { .n = 0 };
    char all[2400]; /* a URL has 2000 at most */
    const char *theirs = given(u, "options");
    for (const PQconninfoOption *o = u->given; o->keyword; o++)
        if (o->val && *o->val)
            put(&k, o->keyword, o->val);
    for (int i = 0; i < DEFAULTS; i++)
        if (!given(u, defaults[i].keyword))
            put(&k, defaults[i].keyword, defaults[i].value);
    if (u->nhosts > 1 && !given(u, "target_session_attrs"))
        put(&k, "target_session_attrs", "read-write");
    put(&k, "client_encoding", "UTF8");
    if (options) { /* of what stands twice, the later counts */
        snprintf(all, sizeof(all), "%s %s", options, theirs ? theirs : "");
        put(&k, "options", all);
    }
    if (u->nhosts) {
        *why = places_find(u, &places);
        if (!places.n)
            return NULL;
        put(&k, "host", places.names);
        put(&k, "hostaddr", places.addresses);
        put(&k, "port", places.ports);
    }
    k.names[k.n] = k.values[k.n] = NULL;
    *why = "out of memory";
    return PQconnectStartParams(k.names, k.values, 0);
}

void pgurl_rotate(struct pgurl *u)
{
    if (u->nhosts)
        u->first = (u->first + 1) % u->nhosts;
}
