#include "gate/respond.h"

#include "base/config.h"
#include "base/json.h"
#include "base/log.h"
#include "base/metric.h"
#include "gate/audit.h"
#include "gate/facts.h"
#include "gate/keyring.h"
#include "gen/stmt.h"

#include <string.h>

#define QUEUE 64
#define PATIENCE MINUTE /* for the store */
#define CORRELATION 128

/* One response to be written. */
struct note {
    struct uuid id;
    struct uuid person; /* whose data the audit row holds; nil: nobody known */
    uint64_t key; /* of the subject in the table of restraints */
    enum restraint_kind kind;
    enum restraint_level level;
    enum anomaly anomaly;
    int64_t at, until;
    struct str subject, address, correlation; /* in the rooms below */
    char subject_room[RESTRAINT_SUBJECT]; /* an id is shorter */
    char address_room[INET6_ADDRSTRLEN];
    char correlation_room[CORRELATION];
};

static struct {
    struct note notes[QUEUE];
    unsigned first, n; /* a ring */

    /* the write under way, of the first note */
    struct store *store;
    const struct keyring *keyring;
    struct arena arena;
    struct change change;
    struct audited audited;
    struct rows rows;
    struct wait wait;
} queue;

enum restraint_level respond_level(enum restraint_level now, enum anomaly anomaly)
{
    if (anomaly == ANOMALY_PROBES || now >= RESTRAINT_TENTH)
        return RESTRAINT_BLOCK;
    return now == RESTRAINT_HALF ? RESTRAINT_TENTH : RESTRAINT_HALF;
}

/* ---- writing ---- */

static void write_first(void);

static struct str detail_of(const struct note *note)
{
    struct text t = text_new(&queue.arena, 256);
    text_char(&t, '{');
    json_key(&t, "kind");
    json_put_text(&t, str_of(restraint_kind_name(note->kind)));
    json_key(&t, "subject");
    json_put_text(&t, note->subject);
    json_key(&t, "level");
    json_put_text(&t, str_of(restraint_level_name(note->level)));
    json_key(&t, "reason");
    json_put_text(&t, str_of(anomaly_name(note->anomaly)));
    json_key(&t, "until");
    json_put_time(&t, note->until);
    text_char(&t, '}');
    return text_str(&t);
}

/* What is personal in the audit's row. */
static struct str payload_of(const struct note *note, struct str detail)
{
    struct text t = text_new(&queue.arena, 128 + detail.n);
    text_char(&t, '{');
    json_key(&t, "address");
    json_put_text(&t, note->address);
    json_key(&t, "detail");
    text_add(&t, detail);
    text_char(&t, '}');
    return text_str(&t);
}

static enum err add_audit(const struct note *note, struct str noun, struct str detail)
{
    const struct audit_row row = {
        .id = uuid_new(note->at),
        .at = note->at,
        .kind = PRINCIPAL_SYSTEM,
        .target = note->id,
        .decision = uuid_new(note->at),
        .person = note->person,
        .action = noun,
        .correlation = note->correlation,
        .outcome = "made",
        .risk = "unrated",
        .payload = payload_of(note, detail),
    };
    return audit_add(&queue.change, &queue.arena, keyring_chain(queue.keyring), &row,
                     &queue.audited);
}

static void pop(void)
{
    queue.first = (queue.first + 1) % QUEUE;
    queue.n--;
}

/* What can be tried again is: the store is away. Else the note is done, also when an answer was lost and its row turns
 * out to be there. */
static bool may_come_later(enum err err)
{
    return err == ERR_UNAVAILABLE || err == ERR_OVERLOADED || err == ERR_NO_MEMORY ||
           err == ERR_COMMIT_UNKNOWN;
}

static void written(struct wait *w)
{
    (void)w;
    const struct note *note = &queue.notes[queue.first];
    enum err err = queue.rows.err;
    audit_settle(&queue.audited, err);
    bool later = may_come_later(err) && clock_wall() - note->at < PATIENCE;
    rows_fini(&queue.rows);
    arena_reset(&queue.arena);
    if (later)
        return;
    if (err != OK && err != ERR_EXISTS) {
        log_say(LOG_WARN, "anomaly", "a response could not be written: %s", err_info(err)->code);
        metric_add(METRIC_LIMIT_RESTRAINTS_LOST, 0, 1);
        restraint_drop(note->key, note->level);
    }
    pop();
    if (queue.n > 0)
        write_first();
}

static void write_first(void)
{
    const struct note *note = &queue.notes[queue.first];
    struct str detail = detail_of(note), noun = STR("restraint.set");
    change_init(&queue.change, &queue.arena);
    add_restraint_add(&queue.change, &note->id, str_of(restraint_kind_name(note->kind)),
                      note->subject, str_of(restraint_level_name(note->level)),
                      str_of(anomaly_name(note->anomaly)), note->until, NULL, note->at);
    enum err err = add_audit(note, noun, detail);
    if (err != OK) { /* tried again, as after any failure */
        audit_settle(&queue.audited, err);
        arena_reset(&queue.arena);
        return;
    }
    if (config.redis_url[0] != '\0') {
        struct uuid event = uuid_new(note->at);
        add_outbox_add(&queue.change, &event, note->at, noun, &note->id, NULL, detail);
    }
    wait_init(&queue.wait, written);
    store_commit(queue.store, &queue.change, &queue.rows, &queue.wait);
}

void respond_retry(void)
{
    if (queue.n > 0 && !queue.wait.open)
        write_first();
}

bool respond_busy(void)
{
    return queue.wait.open;
}

void respond_fini(void)
{
    queue.first = queue.n = 0;
}

/* ---- deciding ---- */

static struct note *note_new(void)
{
    if (queue.n == QUEUE) {
        metric_add(METRIC_LIMIT_RESTRAINTS_LOST, 0, 1);
        return NULL;
    }
    return &queue.notes[(queue.first + queue.n++) % QUEUE];
}

/* Whose it is and where it came from, as text. */
static void describe(struct note *note, const struct req *r)
{
    size_t n = r->id.n < CORRELATION ? r->id.n : CORRELATION;
    if (n > 0)
        memcpy(note->correlation_room, r->id.p, n);
    note->correlation = (struct str){ note->correlation_room, n };
    network_format(&r->address, note->address_room);
    note->address = str_of(note->address_room);
    if (note->kind == RESTRAINT_PRINCIPAL) {
        uuid_format(&r->who->user_id, note->subject_room);
        note->subject = (struct str){ note->subject_room, UUID_TEXT };
    } else {
        restraint_address_text(&r->address, note->subject_room);
        note->subject = str_of(note->subject_room);
    }
}

static void say(const struct note *note)
{
    metric_add(METRIC_LIMIT_RESTRAINTS, note->level, 1);
    log_begin(LOG_WARN, "anomaly");
    log_text("reason", str_of(anomaly_name(note->anomaly)));
    log_text("kind", str_of(restraint_kind_name(note->kind)));
    log_text("subject", note->subject);
    log_text("level", str_of(restraint_level_name(note->level)));
    log_text("correlation_id", note->correlation);
    log_end();
}

void respond(struct req *r, enum restraint_kind kind, enum anomaly anomaly)
{
    uint64_t subject = kind == RESTRAINT_PRINCIPAL ? restraint_user(&r->who->user_id)
                                                   : restraint_address(&r->address);
    enum restraint_level level = restraint_look(subject, r->now).level;
    metric_add(METRIC_LIMIT_ANOMALIES, (unsigned)anomaly - 1, 1);
    struct note *note = level < RESTRAINT_BLOCK ? note_new() : NULL;
    if (!note)
        return;

    level = config.rate_limit_profile == PROFILE_OFF ? RESTRAINT_RECORDED
                                                     : respond_level(level, anomaly);
    note->id = uuid_new(r->now);
    note->key = subject;
    note->kind = kind;
    note->person = kind == RESTRAINT_PRINCIPAL ? r->who->user_id : (struct uuid){ { 0 } };
    note->level = level;
    note->anomaly = anomaly;
    note->at = r->now;
    note->until = r->now + restraint_length(level);
    describe(note, r);
    restraint_put(subject, level, note->until, r->now, r->now + PATIENCE);
    say(note);
    queue.store = r->store;
    queue.keyring = r->keyring;
    respond_retry();
}
