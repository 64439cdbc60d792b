#include "redis_greet.h"

#include <stdio.h>

enum step { AUTH, SELECT, INFO, ROLE, NAME, PING };

enum err greet_auth(struct link *l, const struct redis_url *url)
{
    /* Before Redis 6 there are no users, so the default one is not named. */
    struct str legacy[] = { STR("AUTH"), str_of(url->password) };
    struct str acl[] = { STR("AUTH"), str_of(url->user), str_of(url->password) };
    return url->user[0] ? redis_link_command(l, 3, acl) : redis_link_command(l, 2, legacy);
}

static enum err say(struct link *l, const struct redis_url *url, enum step step)
{
    char number[16];
    snprintf(number, sizeof(number), "%d", url->database);
    switch (step) {
    case AUTH:
        return greet_auth(l, url);
    case NAME:
        return redis_link_command(
            l, 3, (struct str[]){ STR("CLIENT"), STR("SETNAME"), STR("gatehouse") });
    case SELECT:
        return redis_link_command(l, 2, (struct str[]){ STR("SELECT"), str_of(number) });
    case INFO:
        return redis_link_command(l, 2, (struct str[]){ STR("INFO"), STR("server") });
    case ROLE:
        return redis_link_command(l, 1, (struct str[]){ STR("ROLE") });
    case PING:
        break;
    }
    return redis_link_command(l, 1, (struct str[]){ STR("PING") });
}

enum err greet_begin(struct greet *g, struct link *l, const struct redis_url *url, bool usable)
{
    *g = (struct greet){ 0 };
    if (url->password[0])
        g->steps[g->n++] = AUTH;
    if (usable && url->database > 0)
        g->steps[g->n++] = SELECT;
    if (usable) {
        g->steps[g->n++] = INFO;
        g->steps[g->n++] = ROLE;
        g->steps[g->n++] = PING;
    }
    g->steps[g->n++] = NAME;
    for (int i = 0; i < g->n; i++)
        TRY(say(l, url, (enum step)g->steps[i]));
    redis_link_flush(l);
    return OK;
}

static enum greeted failed(struct greet *g, const char *what, struct str words)
{
    snprintf(g->why, sizeof(g->why), "%s%.*s", what, STR_ARG(words));
    return GREET_FAILED;
}

/* One of the "name:value" lines of INFO. */
static void take_line(struct str info, struct str name, char *out, size_t size)
{
    struct str line;
    while (str_cut(&info, '\n', &line)) {
        if (!str_starts(line, name))
            continue;
        size_t n = line.n - name.n;
        if (n > 0 && line.p[line.n - 1] == '\r')
            n--;
        snprintf(out, size, "%.*s", (int)n, line.p + name.n);
        return;
    }
}

enum greeted greet_take(struct greet *g, const struct redis_block *b)
{
    /* What an ACL may forbid without harm is not here. */
    static const char *const needed[] = {
        [AUTH]   = "the login: ",
        [SELECT] = "the database: ",
        [PING]   = "",
    };
    enum step step = (enum step)g->steps[g->at++];
    struct str error;
    if (block_error(b, &error)) {
        if (needed[step])
            return failed(g, needed[step], error);
    } else if (step == INFO) {
        take_line(block_text(b, 0), STR("redis_version:"), g->version, sizeof(g->version));
        take_line(block_text(b, 0), STR("run_id:"), g->run_id, sizeof(g->run_id));
    } else if (step == ROLE && !str_eq(block_text(b, 0), STR("master"))) {
        return failed(g, "it is not a master but a ", block_text(b, 0));
    }
    return g->at == g->n ? GREET_DONE : GREET_ON;
}
