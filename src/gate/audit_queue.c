#include "gate/audit_queue.h"

#include "base/hash.h"
#include "base/metric.h"

#define HINTS 512u

/* Places count up for good; a place's note is at its remainder. */
struct ring {
    struct audit_note *notes;
    uint64_t most, head, tail; /* head: the oldest */
    uint64_t held;             /* behind the last that is held; not before head */
    int64_t dropped;
    uint64_t hints[HINTS]; /* place + 1 of the last note of that hash */
};

static bool holding;
static struct audit_note denials[AUDIT_DENIALS_MAX], sign_ins[AUDIT_SIGN_INS_MAX];
static struct ring rings[AUDIT_RINGS] = {
    [AUDIT_DENIALS] = { .notes = denials, .most = AUDIT_DENIALS_MAX },
    [AUDIT_SIGN_INS] = { .notes = sign_ins, .most = AUDIT_SIGN_INS_MAX },
};

static struct audit_note *at(const struct ring *ring, uint64_t place)
{
    return &ring->notes[place % ring->most];
}

static bool alike(const struct audit_note *a, const struct audit_note *b)
{
    return a->err == b->err && a->kind == b->kind && uuid_eq(&a->principal_id, &b->principal_id) &&
           uuid_eq(&a->target, &b->target) && a->action_n == b->action_n &&
           memcmp(a->action, b->action, a->action_n) == 0 && a->email_n == b->email_n &&
           memcmp(a->email, b->email, a->email_n) == 0 &&
           memcmp(&a->address, &b->address, sizeof(a->address)) == 0;
}

static uint64_t *hint_of(struct ring *ring, const struct audit_note *note)
{
    enum { BY_PRINCIPAL, BY_TARGET, BY_ACTION, BY_EMAIL, BY_ADDRESS };
    uint64_t hash =
        hash_kind(BY_PRINCIPAL, note->principal_id.b, sizeof(note->principal_id.b)) ^
        hash_kind(BY_TARGET, note->target.b, sizeof(note->target.b)) ^
        hash_kind(BY_ACTION, note->action, note->action_n) ^
        hash_kind(BY_EMAIL, note->email, note->email_n) ^
        hash_kind(BY_ADDRESS + (uint32_t)note->err, &note->address, sizeof(note->address));
    return &ring->hints[hash % HINTS];
}

void audit_queue_put(enum audit_ring which, const struct audit_note *note)
{
    struct ring *ring = &rings[which];
    uint64_t *hint = hint_of(ring, note);
    uint64_t like = *hint - 1;
    if (*hint && like >= ring->held && alike(at(ring, like), note)) {
        at(ring, like)->times++;
        return;
    }
    if (ring->tail - ring->head == ring->most) {
        ring->dropped++;
        metric_add(METRIC_AUDIT_DROPPED, which, 1);
        return;
    }
    *at(ring, ring->tail) = *note;
    *hint = ++ring->tail;
    metric_set(METRIC_AUDIT_QUEUED, 0, audit_queue_waiting());
}

int audit_queue_waiting(void)
{
    int n = 0;
    for (int i = 0; i < AUDIT_RINGS; i++)
        n += (int)(rings[i].tail - rings[i].head);
    return n;
}

int audit_queue_hold(const struct audit_note **out, int most)
{
    int n = 0;
    for (int i = AUDIT_RINGS - 1; i >= 0; i--) {
        struct ring *ring = &rings[i];
        uint64_t room = (uint64_t)(most - n), waiting = ring->tail - ring->head;
        if (!holding)
            ring->held = ring->head + (waiting < room ? waiting : room);
        for (uint64_t place = ring->head; place < ring->held; place++)
            out[n++] = at(ring, place);
    }
    holding = n > 0;
    return n;
}

void audit_queue_done(void)
{
    holding = false;
    for (int i = 0; i < AUDIT_RINGS; i++)
        rings[i].head = rings[i].held;
    metric_set(METRIC_AUDIT_QUEUED, 0, audit_queue_waiting());
}

void audit_queue_dropped(int64_t out[AUDIT_RINGS])
{
    for (int i = 0; i < AUDIT_RINGS; i++) {
        out[i] = rings[i].dropped;
        rings[i].dropped = 0;
    }
}

void audit_queue_dropped_again(const int64_t counts[AUDIT_RINGS])
{
    for (int i = 0; i < AUDIT_RINGS; i++)
        rings[i].dropped += counts[i];
}
