/* gate/audit_writer.c: this process as a writer of the audit: its numbers, its keys, and a row made of both. */
#include "gate/audit.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/random.h"
#include "gen/stmt.h"

#define SETS 512u
#define WAYS 4
#define FREE_MAX 256
#define SUBJECT_SEALED 60 /* bytes of a sealed key */

/* A person's key of this writer. */
struct subject {
    struct uuid person, id;
    uint8_t key[CHAIN_KEY];
    char sealed[SUBJECT_SEALED];
    struct epochs under; /* erasing the person moves them: the key is not used any more */
    bool stored;         /* a row that brought it is committed */
    int64_t used;        /* 0: free */
};

static struct {
    struct uuid id;
    int64_t last; /* number given */
    int64_t spare[FREE_MAX]; /* numbers of changes that were not made */
    int nspare;
    struct audit_run unsure[AUDIT_RUNS];
    int nunsure;
    struct subject own; /* for rows about nobody known */
    struct subject subjects[SETS][WAYS];
} writer;

const struct uuid *audit_writer(void)
{
    if (uuid_nil(&writer.id))
        writer.id = uuid_new(clock_wall());
    return &writer.id;
}

/* ---- numbers ---- */

static int64_t number_take(void)
{
    return writer.nspare > 0 ? writer.spare[--writer.nspare] : ++writer.last;
}

/* When there are too many runs the last one grows over what lies between: too much is excused, never too little. */
static void unsure_add(struct audit_run run)
{
    for (int i = 0; i < writer.nunsure; i++) {
        struct audit_run *at = &writer.unsure[i];
        bool touches = run.first <= at->last + 1 && run.last >= at->first - 1;
        if (!touches && (i < AUDIT_RUNS - 1 || writer.nunsure < AUDIT_RUNS))
            continue;
        at->first = run.first < at->first ? run.first : at->first;
        at->last = run.last > at->last ? run.last : at->last;
        return;
    }
    writer.unsure[writer.nunsure++] = run;
}

static void number_give(int64_t number)
{
    if (writer.nspare < FREE_MAX)
        writer.spare[writer.nspare++] = number;
    else
        unsure_add((struct audit_run){ number, number });
}

int audit_unsure(struct audit_run out[AUDIT_RUNS])
{
    int n = writer.nunsure;
    memcpy(out, writer.unsure, sizeof(*out) * (size_t)n);
    writer.nunsure = 0;
    return n;
}

void audit_unsure_again(const struct audit_run *runs, int n)
{
    for (int i = 0; i < n; i++)
        unsure_add(runs[i]);
}

/* ---- keys ---- */

static enum err subject_make(struct subject *s, struct arena *a, const struct chain_keys *keys,
                             const struct uuid *person, int64_t now)
{
    struct str sealed;
    *s = (struct subject){ .person = *person, .id = uuid_new(now) };
    if (!uuid_nil(person))
        epochs_add(&s->under, EPOCH_USER, person->b, sizeof(person->b));
    random_bytes(s->key, sizeof(s->key));
    TRY(chain_subject_seal(a, keys, &s->id, s->key, &sealed));
    must(sealed.n == SUBJECT_SEALED);
    memcpy(s->sealed, sealed.p, sealed.n);
    s->used = now;
    return OK;
}

/* The person's place in its set, or the one that was used longest ago. */
static struct subject *place_of(const struct uuid *person)
{
    if (uuid_nil(person))
        return &writer.own;
    struct subject *set = writer.subjects[hash_bytes(person->b, sizeof(person->b)) % SETS];
    struct subject *oldest = set;
    for (int way = 0; way < WAYS; way++) {
        if (uuid_eq(&set[way].person, person))
            return &set[way];
        if (set[way].used < oldest->used)
            oldest = &set[way];
    }
    return oldest;
}

/* Whether an earlier row of the same change brings the key. */
static bool brought(const struct change *c, const struct uuid *id)
{
    for (int i = 0; i < c->n; i++)
        if (c->at[i].stmt == &stmt_audit_subject_add && uuid_eq(&c->at[i].params[0].uuid, id))
            return true;
    return false;
}

/* The person's key. What is not known to be stored is brought by each change until one is committed. */
static enum err subject_for(struct change *c, struct arena *a, const struct chain_keys *keys,
                            const struct audit_row *row, struct subject **out)
{
    struct subject *s = place_of(&row->person);
    bool usable = s->used && uuid_eq(&s->person, &row->person) && !epochs_moved(&s->under);
    if (!usable)
        TRY(subject_make(s, a, keys, &row->person, row->at));
    s->used = row->at;
    if (!s->stored && !brought(c, &s->id)) {
        struct str sealed = str_copy(a, (struct str){ s->sealed, SUBJECT_SEALED });
        if (!sealed.p)
            return ERR_NO_MEMORY;
        add_audit_subject_add(c, &s->id, uuid_nil(&s->person) ? NULL : &s->person, sealed, row->at);
    }
    *out = s;
    return OK;
}

static void subject_stored(const struct audited *written)
{
    struct subject *s = place_of(&written->person);
    if (uuid_eq(&s->id, &written->subject))
        s->stored = true;
}

/* ---- a row ---- */

static const char *kind_name(enum principal_kind kind)
{
    static const char *const names[] = { "anonymous", "user", "api_key", "operator", "system" };
    return names[kind];
}

static const struct uuid *or_null(const struct uuid *id)
{
    return uuid_nil(id) ? NULL : id;
}

enum err audit_add(struct change *c, struct arena *a, const struct chain_keys *keys,
                   const struct audit_row *row, struct audited *written)
{
    struct subject *subject;
    struct chain_row sealed = {
        .id = row->id,
        .writer = *audit_writer(),
        .at = row->at,
        .principal_kind = str_of(kind_name(row->kind)),
        .principal_id = row->principal_id,
        .session_id = row->session_id,
        .action = row->action,
        .target = row->target,
        .outcome = str_of(row->outcome),
        .decision = row->decision,
        .risk = str_of(row->risk),
        .correlation = row->correlation,
    };
    uint8_t *mac = arena_alloc(a, SHA256_SIZE);
    if (!mac)
        return ERR_NO_MEMORY;
    TRY(subject_for(c, a, keys, row, &subject));
    sealed.subject = subject->id;
    TRY(chain_payload_seal(a, subject->key, &row->id, row->payload, &sealed.sealed));
    sealed.sequence = number_take();
    chain_mac(keys, &sealed, mac);
    *written = (struct audited){
        .sequence = sealed.sequence,
        .subject = subject->id,
        .person = row->person,
    };
    add_audit_add(c, &sealed.id, &sealed.writer, sealed.sequence, sealed.at, sealed.principal_kind,
                  or_null(&sealed.principal_id), or_null(&sealed.session_id), sealed.action,
                  or_null(&sealed.target), sealed.outcome, &sealed.decision, sealed.risk,
                  sealed.correlation, &sealed.subject, sealed.sealed,
                  (struct str){ (const char *)mac, SHA256_SIZE });
    return a->failed ? ERR_NO_MEMORY : OK;
}

void audit_settle(struct audited *written, enum err err)
{
    if (written->sequence == 0)
        return;
    if (err == OK)
        subject_stored(written);
    else if (err == ERR_COMMIT_UNKNOWN)
        unsure_add((struct audit_run){ written->sequence, written->sequence });
    else
        number_give(written->sequence);
    *written = (struct audited){ 0 };
}
