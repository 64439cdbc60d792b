/* behaviour.h: what is kept of each principal, as words of the segment. What follows an anomaly is only noted. */
#ifndef GATE_BEHAVIOUR_H
#define GATE_BEHAVIOUR_H

#include "base/clock.h"
#include "gate/anomaly.h"
#include "gate/facts.h"
#include "gate/respond.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* As gate/anomaly.c has them. */
struct record {
    uint64_t minutes[6];
    int64_t since;
    uint64_t last, mean, total, agents[2], countries;
    uint32_t rate_raised, errors_raised;
    uint64_t probes;
};
struct set {
    uint64_t key[4];
    struct record at[4];
};
#define REQUESTS 0xfffff
#define FULL (REQUESTS - 4096)

static struct set *table;
static int64_t now;
static _Atomic int raised;
static _Atomic enum anomaly last_raised;
static _Atomic enum restraint_kind last_kind;
static void (*meanwhile)(void); /* what another worker does while this one answers */

void respond(struct req *r, enum restraint_kind kind, enum anomaly anomaly)
{
    (void)r;
    raised++;
    last_raised = anomaly;
    last_kind = kind;
    if (meanwhile)
        meanwhile();
}

/* ---- requests ---- */

static const struct action plain = { .rate = RATE_DEFAULT };
static struct principal who;
static struct req r;

static inline struct uuid user(uint8_t number)
{
    return (struct uuid){ { number, [8] = 7, [14] = number, [15] = 2 } };
}

static inline void asks(int n, int status)
{
    r.now = now;
    r.reply.status = status;
    for (int i = 0; i < n; i++)
        anomaly_observe(&r);
}

static inline void probe(int n)
{
    r.probe = true;
    asks(n, 400);
    r.probe = false;
}

static inline void expect_at(int line, int n, enum anomaly anomaly)
{
    if (raised != n || (n > 0 && last_raised != anomaly))
        fail_msg("line %d: %d, the last one for %s", line, raised, anomaly_name(last_raised));
}
#define expect(n, anomaly) expect_at(__LINE__, (n), (anomaly))

/* A thousand requests an hour ago, in one minute. */
static inline void old_hand(void)
{
    asks(1000, 200);
    now += HOUR;
}

static inline uint64_t minute_now(void)
{
    return (uint64_t)(now / MINUTE) & 0xffffff;
}

/* That has its record. */
static inline struct set *set_of(uint64_t key)
{
    for (size_t i = 0; i < anomaly_size() / sizeof(*table); i++)
        for (int way = 0; way < 4; way++)
            if (table[i].key[way] == key)
                return &table[i];
    return NULL;
}

static inline struct record *record_of(uint64_t key)
{
    struct set *s = set_of(key);
    for (int way = 0; s && way < 4; way++)
        if (s->key[way] == key)
            return &s->at[way];
    return NULL;
}

static inline struct record *mine(void)
{
    return record_of(restraint_user(&who.user_id));
}

static inline struct set *my_set(void)
{
    struct set *s = set_of(restraint_user(&who.user_id));
    assert_non_null(s);
    return s;
}

static inline int set_up(void **state)
{
    (void)state;
    table = calloc(1, anomaly_size());
    if (!table || anomaly_size() % sizeof(*table))
        return -1;
    anomaly_init(table);
    now = 1764000000 * SECOND;
    now -= now % MINUTE;
    raised = 0;
    last_raised = ANOMALY_NONE;
    meanwhile = NULL;
    who = (struct principal){
        .kind = PRINCIPAL_USER, .user_id = user(1), .live = true, .expires = INT64_MAX
    };
    r = (struct req){ .action = &plain,
                      .who = &who,
                      .path = STR("/"),
                      .user_agent = STR("Lynx/2.9"),
                      .country = { 'D', 'E' } };
    r.address.s6_addr[10] = r.address.s6_addr[11] = 0xff;
    r.address.s6_addr[15] = 3;
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    anomaly_init(NULL);
    free(table);
    return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

#endif
