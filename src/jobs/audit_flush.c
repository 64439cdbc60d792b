/* jobs/audit_flush.c: what the audit queue holds becomes rows, some at a time, each batch one transaction. A batch that
 * fails is tried again as it was, with the same ids: if it had been committed after all, the second one is refused.
 */
#include "each.h"

#include "base/clock.h"
#include "base/config.h"
#include "base/json.h"
#include "base/log.h"
#include "gate/audit_queue.h"
#include "net/loop.h"

#define TURN_MS 200
#define NOTES 6                       /* of a batch: each takes two statements at most */
#define ROWS (NOTES + AUDIT_RINGS)    /* and two rows about the audit itself */
_Static_assert(2 * ROWS <= CHANGE_MAX, "a batch fits into a change");

static struct {
    const struct jobs_setup *use;
    struct ticker *ticker;
    bool failed; /* as it was last said */

    struct arena arena;
    struct change change;
    struct rows rows;
    struct wait wait;
    struct audited written[ROWS];
    int nwritten;
    struct audit_run runs[AUDIT_RUNS]; /* what this batch says of numbers, and of what was dropped */
    int nruns;
    int64_t dropped[AUDIT_RINGS];
} job;

static void say(enum err err)
{
    if ((err != OK) == job.failed)
        return;
    job.failed = !job.failed;
    if (job.failed)
        log_say(LOG_WARN, "audit", "denials cannot be written: %s", err_info(err)->code);
    else
        log_say(LOG_INFO, "audit", "denials are written again");
}

static enum err add(const struct audit_row *row)
{
    if (!row->payload.p)
        return ERR_NO_MEMORY;
    return audit_add(&job.change, &job.arena, keyring_chain(job.use->keyring), row,
                     &job.written[job.nwritten++]);
}

/* ---- notes ---- */

static void put(struct text *t, const char *name, struct str value)
{
    json_key(t, name);
    json_put_text(t, value);
}

static struct str payload_of(const struct audit_note *n)
{
    char address[INET6_ADDRSTRLEN];
    struct text t = text_new(&job.arena, 512);
    network_format(&n->address, address);
    text_char(&t, '{');
    put(&t, "address", n->local ? STR("local") : str_of(address));
    if (n->agent_n)
        put(&t, "user_agent", (struct str){ n->agent, n->agent_n });
    if (n->trace_n)
        put(&t, "trace_id", (struct str){ n->trace, n->trace_n });
    if (n->email_n)
        put(&t, "email", (struct str){ n->email, n->email_n });
    text_lit(&t, ",\"detail\":{");
    put(&t, "gate", str_of(n->gate));
    put(&t, "code", str_of(err_info(n->err)->code));
    if (n->reason)
        put(&t, "reason", str_of(n->reason));
    json_key(&t, "times");
    text_int(&t, n->times);
    text_lit(&t, "}}");
    return t.failed ? STR_NONE : text_str(&t);
}

static enum err add_note(const struct audit_note *n)
{
    const struct audit_row row = {
        .id = n->id,
        .at = n->at,
        .kind = n->kind,
        .principal_id = n->principal_id,
        .session_id = n->session_id,
        .target = n->target,
        .decision = n->decision,
        .person = n->person,
        .action = { n->action, n->action_n },
        .correlation = { n->correlation, n->correlation_n },
        .outcome = n->outcome,
        .risk = n->risk,
        .payload = payload_of(n),
    };
    return add(&row);
}

/* ---- what the audit says of itself ---- */

static enum err add_own(const char *action, const char *outcome, struct str payload)
{
    int64_t now = clock_wall();
    const struct audit_row row = {
        .id = uuid_new(now),
        .at = now,
        .kind = PRINCIPAL_SYSTEM,
        .target = *audit_writer(),
        .decision = uuid_new(now),
        .action = str_of(action),
        .correlation = STR("-"),
        .outcome = outcome,
        .risk = "unrated",
        .payload = payload,
    };
    return add(&row);
}

static enum err add_unsure(void)
{
    struct text t = text_new(&job.arena, 256);
    if (job.nruns == 0)
        return OK;
    text_lit(&t, "{\"detail\":{\"sequences\":[");
    for (int i = 0; i < job.nruns; i++)
        text_printf(&t, "%s[%lld,%lld]", i ? "," : "", (long long)job.runs[i].first,
                    (long long)job.runs[i].last);
    text_lit(&t, "]}}");
    return add_own("audit.unsure", "unknown", t.failed ? STR_NONE : text_str(&t));
}

static enum err add_dropped(void)
{
    struct text t = text_new(&job.arena, 96);
    if (job.dropped[AUDIT_DENIALS] == 0 && job.dropped[AUDIT_SIGN_INS] == 0)
        return OK;
    text_printf(&t, "{\"detail\":{\"denials\":%lld,\"sign_ins\":%lld}}",
                (long long)job.dropped[AUDIT_DENIALS], (long long)job.dropped[AUDIT_SIGN_INS]);
    return add_own("audit.dropped", "dropped", t.failed ? STR_NONE : text_str(&t));
}

/* ---- batches ---- */

static void ended(enum err err)
{
    for (int i = 0; i < job.nwritten; i++)
        audit_settle(&job.written[i], err);
    if (err != OK) {
        audit_unsure_again(job.runs, job.nruns);
        audit_queue_dropped_again(job.dropped);
    }
}

static void flush(void);

static void flushed(struct wait *w)
{
    (void)w;
    enum err err = job.rows.err;
    rows_fini(&job.rows);
    ended(err);
    if (err == ERR_EXISTS) /* it had been committed before, when that could not be told */
        err = OK;
    if (err == OK)
        audit_queue_done();
    say(err);
    if (err == OK)
        flush();
}

static enum err compose(const struct audit_note *const *notes, int n)
{
    for (int i = 0; i < n; i++)
        TRY(add_note(notes[i]));
    TRY(add_unsure());
    return add_dropped();
}

static void flush(void)
{
    const struct audit_note *notes[NOTES];
    arena_reset(&job.arena);
    change_init(&job.change, &job.arena);
    job.nwritten = 0;
    int n = audit_queue_hold(notes, NOTES);
    job.nruns = audit_unsure(job.runs);
    audit_queue_dropped(job.dropped);
    enum err err = compose(notes, n);
    if (err != OK) {
        ended(err);
        say(err);
        return;
    }
    if (job.change.n == 0)
        return;
    wait_init(&job.wait, flushed);
    store_commit(job.use->store, &job.change, &job.rows, &job.wait);
}

static void turn(void *owner)
{
    (void)owner;
    if (!job.wait.open)
        flush();
}

void audit_flush_start(const struct jobs_setup *use)
{
    job.use = use;
    job.ticker = ticker_new(TURN_MS, turn, NULL);
}

bool audit_flush_busy(void)
{
    return job.wait.open || (job.ticker && audit_queue_waiting() > 0);
}

void audit_flush_fini(void)
{
    ticker_free(job.ticker);
    job.ticker = NULL;
    rows_fini(&job.rows);
    arena_reset(&job.arena);
}
