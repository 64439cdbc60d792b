#include "redis_own.h"

#include "base/config.h"
#include "base/log.h"
#include "base/metric.h"

#include <stdio.h>
#include <stdlib.h>

#define ASKS_MAX 4096
#define ASKS_KEPT 1024
#define TIMEOUT 250        /* milliseconds, where nothing is configured */
#define GIVEN_UP SECOND    /* an answer that is later than this: the connection is closed */
#define GRUMBLE_EVERY SECOND
#define DIGEST 40

/* Cells of METRIC_REDIS_ASKS. */
enum outcome { ANSWERED, FAILED };

enum kind { COMMAND, SCRIPT, LOAD };

struct ask {
    struct list node; /* next: of the unused ones */
    enum kind kind;
    bool expired; /* who asked has been told that there is no answer */
    int64_t began, deadline;
    struct redis_reply *out;
    struct wait *wait;
    struct redis_script *script; /* of SCRIPT and LOAD */
    int parts;                   /* of SCRIPT: of the command */
    struct redis_block *tail;    /* of SCRIPT: what stands behind the digest, as Redis reads it */
};

static struct {
    struct list *first;
    int n;
} unused;

static struct outlet *closed_outlets;

static struct ask *ask_take(void)
{
    struct list *node = unused.first;
    if (!node)
        return malloc(sizeof(struct ask));
    unused.first = node->next;
    unused.n--;
    return LIST_OF(node, struct ask, node);
}

static void ask_give(struct ask *a)
{
    if (unused.n == ASKS_KEPT) {
        free(a);
        return;
    }
    a->node.next = unused.first;
    unused.first = &a->node;
    unused.n++;
}

/* ---- answers ---- */

static void tell(struct redis_reply *out, struct wait *w, enum err err, struct redis_block *b)
{
    if (!out) {
        block_give(b);
        return;
    }
    *out = (struct redis_reply){ .err = err, .held = b };
    if (b) {
        out->at = b->values;
        out->n = b->n;
    }
    wait_done(w);
}

/* Tells who asked; the ask stays until its answer comes or the connection goes. */
static void ask_tell(struct ask *a, enum err err, struct redis_block *b)
{
    metric_add(METRIC_REDIS_ASKS, err == OK ? ANSWERED : FAILED, 1);
    metric_observe(METRIC_REDIS_DURATION, 0, clock_mono() - a->began);
    tell(a->out, a->wait, err, b);
}

static void ask_end(struct redis *r, struct ask *a)
{
    r->nasks--;
    list_remove(&a->node);
    block_give(a->tail);
    ask_give(a);
}

/* What Redis says first in an error, or what a script passes on of it. */
static bool says(struct str error, const char *word)
{
    size_t n = strlen(word);
    if (str_starts(error, (struct str){ word, n }))
        return true;
    const char *at = memmem(error.p, error.n, word, n);
    return at && at > error.p && at[-1] == '-';
}

/* It answers, but cannot do what it is for. */
static bool is_unfit(struct str error)
{
    return says(error, "READONLY ") || says(error, "LOADING ") || says(error, "MASTERDOWN ") ||
           says(error, "MISCONF ") || says(error, "BUSY ") || says(error, "NOAUTH ") ||
           says(error, "NOREPLICAS ") || says(error, "CLUSTERDOWN ");
}

static void grumble(struct redis *r, struct str error)
{
    if (clock_mono() - r->grumbled < GRUMBLE_EVERY)
        return;
    r->grumbled = clock_mono();
    log_begin(LOG_WARN, "redis_refused");
    log_text("error", error);
    log_end();
}

static void learn_digest(struct ask *a, const struct redis_block *b)
{
    struct str sha1 = b ? block_text(b, 0) : STR_NONE;
    if (sha1.n == DIGEST)
        memcpy(a->script->sha1, sha1.p, DIGEST);
    else if (!b)
        a->script->sha1[0] = '\0'; /* the next one asks again */
}

static bool run_as_text(struct redis *r, struct ask *a);

static void ask_failed(struct redis *r, struct ask *a, struct redis_block *b, struct str error)
{
    bool renew = says(error, "READONLY ");
    bool full = says(error, "OOM ");
    bool unfit = is_unfit(error);
    life_note(r, !unfit);
    grumble(r, error);
    if (unfit || full) {
        block_give(b);
        b = NULL;
    }
    ask_tell(a, unfit || full ? ERR_UNAVAILABLE : ERR_INVALID, b);
    ask_end(r, a);
    if (renew)
        life_renew(r, "it takes no changes: it is a replica");
}

void asks_answer(struct redis *r, struct redis_block *b)
{
    struct str error;
    if (list_empty(&r->asks)) {
        bool words = block_error(b, &error);
        char why[160];
        snprintf(why, sizeof(why), "%.*s", words ? (int)error.n : 22,
                 words ? error.p : "it answers out of turn");
        block_give(b);
        life_renew(r, why);
        return;
    }

    struct ask *a = LIST_OF(r->asks.next, struct ask, node);
    bool failed = block_error(b, &error);
    if (a->kind == LOAD)
        learn_digest(a, b);
    if (a->expired || a->kind == LOAD) {
        block_give(b);
        ask_end(r, a);
    } else if (failed && a->kind == SCRIPT && says(error, "NOSCRIPT ") && run_as_text(r, a)) {
        block_give(b);
    } else if (failed) {
        ask_failed(r, a, b, error);
    } else {
        life_note(r, true);
        ask_tell(a, OK, b);
        ask_end(r, a);
    }
}

void asks_fail(struct redis *r)
{
    while (!list_empty(&r->asks)) {
        struct ask *a = LIST_OF(r->asks.next, struct ask, node);
        if (a->kind == LOAD)
            learn_digest(a, NULL);
        else if (!a->expired)
            ask_tell(a, ERR_UNAVAILABLE, NULL);
        ask_end(r, a);
    }
}

/* ---- deadlines ---- */

static void expire(struct redis *r, struct ask *a)
{
    a->expired = true;
    if (a->kind == LOAD)
        return;
    ask_tell(a, ERR_UNAVAILABLE, NULL);
    life_note(r, false);
}

static void look_at_deadlines(struct deadline *d)
{
    struct redis *r = LIST_OF(d, struct redis, overdue);
    int64_t now = clock_mono(), next = INT64_MAX;
    r->watched = false;
    redis_link_read(&r->link); /* if it was this process that slept, the answers are here */

    for (struct list *node = r->asks.next; node != &r->asks; node = node->next) {
        struct ask *a = LIST_OF(node, struct ask, node);
        if (!a->expired && a->deadline <= now)
            expire(r, a);
        int64_t at = a->expired ? a->deadline + GIVEN_UP : a->deadline;
        next = at < next ? at : next;
    }
    if (next <= now)
        life_renew(r, "Redis does not answer");
    if (!list_empty(&r->asks)) {
        deadline_set(&r->overdue, next);
        r->watched = true;
    }
}

/* ---- asks ---- */

static void do_nothing(struct wait *w)
{
    (void)w;
}

static void write_turn(struct turn_hook *hook)
{
    struct outlet *o = LIST_OF(hook, struct outlet, hook);
    if (o->link && o->link->out_n > 0)
        redis_link_flush(o->link);
}

/* Whatever was added goes out at the end of this turn, or of one that follows at once. */
static void write_soon(struct redis *r)
{
    struct wait *kick = &r->outlet->kick;
    if (kick->open)
        return;
    wait_open(kick);
    wait_done(kick);
}

static bool may_ask(const struct redis *r)
{
    return r->ready && r->nasks < ASKS_MAX;
}

static void push(struct redis *r, struct ask *a)
{
    a->began = clock_mono();
    int64_t timeout = config.redis_timeout_ms ? config.redis_timeout_ms : TIMEOUT;
    a->deadline = a->began + timeout * (SECOND / 1000);
    list_push(&r->asks, &a->node);
    r->nasks++;
    if (!r->watched) {
        r->watched = true;
        deadline_set(&r->overdue, a->deadline);
    }
    write_soon(r);
}

/* False: nothing was sent. */
static bool send_command(struct redis *r, int argc, const struct str *argv, enum kind kind,
                         struct redis_script *script, struct redis_reply *out, struct wait *w)
{
    struct ask *a = may_ask(r) ? ask_take() : NULL;
    if (!a)
        return false;
    if (redis_link_command(&r->link, argc, argv) != OK) {
        ask_give(a);
        return false;
    }
    *a = (struct ask){ .kind = kind, .script = script, .out = out, .wait = w };
    push(r, a);
    return true;
}

void redis_ask(struct redis *r, int argc, const struct str *argv, struct redis_reply *out,
               struct wait *w)
{
    must(argc > 0 && argc <= REDIS_ARGS_MAX && !out == !w);
    if (w)
        wait_open(w);
    if (r->breaker.open || !send_command(r, argc, argv, COMMAND, NULL, out, w))
        tell(out, w, ERR_UNAVAILABLE, NULL);
}

static const struct str ping = { "PING", 4 };

void redis_ping(struct redis *r, struct redis_reply *out, struct wait *w)
{
    wait_open(w);
    if (!send_command(r, 1, &ping, COMMAND, NULL, out, w))
        tell(out, w, ERR_UNAVAILABLE, NULL);
}

void asks_probe(struct redis *r)
{
    (void)send_command(r, 1, &ping, COMMAND, NULL, NULL, NULL);
}

/* ---- scripts ---- */

/* Sends what is in a->tail behind the digest, or behind the text. */
static bool send_script(struct redis *r, const struct ask *a, bool as_text)
{
    struct str digest[] = { STR("EVALSHA"), { a->script->sha1, DIGEST } };
    struct str text[] = { STR("EVAL"), str_of(a->script->text) };
    const struct str *head = as_text ? text : digest;
    char *p = redis_link_room(&r->link, command_size(2, head) + a->tail->bytes_n);
    if (!p)
        return false;
    p = command_write(p, a->parts, 2, head);
    memcpy(p, a->tail->bytes, a->tail->bytes_n);
    redis_link_wrote(&r->link, p + a->tail->bytes_n);
    return true;
}

/* Redis does not know the digest (any more). Its place is behind all others now; its deadline stays. */
static bool run_as_text(struct redis *r, struct ask *a)
{
    if (!send_script(r, a, true))
        return false;
    a->kind = COMMAND;
    list_remove(&a->node);
    list_push(&r->asks, &a->node);
    write_soon(r);
    return true;
}

/* nkeys and the arguments, in a block; NULL: no memory. */
static struct redis_block *write_tail(int nkeys, int argc, const struct str *argv)
{
    char number[16];
    struct str n = { number, (size_t)snprintf(number, sizeof(number), "%d", nkeys) };
    struct redis_block *b = block_take();
    char *p = b ? block_room(b, command_size(1, &n) + command_size(argc, argv)) : NULL;
    if (!p) {
        block_give(b);
        return NULL;
    }
    p = command_write(p, 0, 1, &n);
    p = command_write(p, 0, argc, argv);
    b->bytes_n = (size_t)(p - b->bytes);
    return b;
}

static void ask_digest(struct redis *r, struct redis_script *script)
{
    struct str load[] = { STR("SCRIPT"), STR("LOAD"), str_of(script->text) };
    if (send_command(r, 3, load, LOAD, script, NULL, NULL))
        script->sha1[0] = '?';
}

static bool run(struct redis *r, struct redis_script *script, int nkeys, int argc,
                const struct str *argv, struct redis_reply *out, struct wait *w)
{
    if (script->sha1[0] == '\0')
        ask_digest(r, script);
    bool as_text = script->sha1[1] == '\0';
    struct redis_block *tail = may_ask(r) ? write_tail(nkeys, argc, argv) : NULL;
    struct ask *a = tail ? ask_take() : NULL;
    if (!a) {
        block_give(tail);
        return false;
    }
    *a = (struct ask){
        .kind = as_text ? COMMAND : SCRIPT,
        .script = script,
        .parts = argc + 3,
        .tail = tail,
        .out = out,
        .wait = w,
    };
    if (!send_script(r, a, as_text)) {
        block_give(tail);
        ask_give(a);
        return false;
    }
    push(r, a);
    return true;
}

void redis_run(struct redis *r, struct redis_script *script, int nkeys, int argc,
               const struct str *argv, struct redis_reply *out, struct wait *w)
{
    must(argc <= REDIS_ARGS_MAX && nkeys <= argc && !out == !w);
    if (w)
        wait_open(w);
    if (r->breaker.open || !run(r, script, nkeys, argc, argv, out, w))
        tell(out, w, ERR_UNAVAILABLE, NULL);
}

bool redis_up(const struct redis *r)
{
    return may_ask(r) && !r->breaker.open;
}

/* ---- life ---- */

void asks_init(struct redis *r)
{
    list_init(&r->asks);
    deadline_init(&r->overdue, look_at_deadlines);
    r->outlet->hook.run = write_turn;
    r->outlet->link = &r->link;
    wait_init(&r->outlet->kick, do_nothing);
    loop_each_turn(&r->outlet->hook);
}

/* Gives back what is kept for later. */
static void trim(void)
{
    struct list *node;
    while ((node = unused.first)) {
        unused.first = node->next;
        free(LIST_OF(node, struct ask, node));
    }
    unused.n = 0;
    blocks_trim();
}

void asks_fini(struct redis *r)
{
    asks_fail(r);
    deadline_clear(&r->overdue);
    r->outlet->link = NULL;
    r->outlet->next = closed_outlets;
    closed_outlets = r->outlet;
    trim();
}
