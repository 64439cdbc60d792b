#include "gate/anomaly.h"

#include "base/clock.h"
#include "base/hash.h"
#include "gate/facts.h"
#include "gate/respond.h"
#include "gate/risk.h"

#include <stdatomic.h>
#include <string.h>

#define HISTORY_REQUESTS 1000
#define RECENT 5 /* minutes that are judged, the running one included */
#define RATE_TIMES 5
#define RATE_LEAST 100 /* a minute: fewer are never too many */
#define ERRORS_LEAST 20
#define PROBES_MOST 10
#define MEAN_MINUTES 4096 /* with requests: so far back the mean reaches */

#define USUAL 1 /* the family of all usual clients, and of who sends no agent */

#define WAYS 4
#define SETS 4096u
#define RING (RECENT + 1)

/* A minute: its number (24 bits), errors (20), requests (20). */
#define COUNT_BITS 20
#define COUNT_MASK ((UINT64_C(1) << COUNT_BITS) - 1)
#define COUNT_FULL (COUNT_MASK - 4096) /* counted no further: workers that add at once stay below the mask */
#define ONE_REQUEST UINT64_C(1)
#define ONE_ERROR (UINT64_C(1) << COUNT_BITS)
#define MINUTE_SHIFT (2 * COUNT_BITS)
#define MINUTE_MASK UINT64_C(0xffffff)

/* Probes: the minute (24 bits), then five counts of 8 bits, that of the minute lowest. */
#define PROBES_SHIFT 40
#define PROBES_MASK ((UINT64_C(1) << PROBES_SHIFT) - 1)

/* Small sets packed into words: 16 bits each, 0 is free. */
#define AGENT_WORDS 2
#define WORD_ITEMS 4

/* One principal; 120 bytes. Whatever is packed into one word is changed by one exchange. */
struct record {
    _Atomic uint64_t minutes[RING];
    _Atomic int64_t since;
    _Atomic uint64_t last;  /* the minute that was counted last */
    _Atomic uint64_t mean;  /* the fourth power of the mean as a float, then of how many minutes */
    _Atomic uint64_t total; /* requests of the minutes before the running one */
    _Atomic uint64_t agents[AGENT_WORDS], countries;
    _Atomic uint32_t rate_raised, errors_raised; /* the minute in which it was last; 0: never */
    _Atomic uint64_t probes;
};

/* The key of a record is even; while one worker takes it over it is odd: the time of that, so that a worker's death
 * does not hold it for ever. */
struct set {
    _Atomic uint64_t key[WAYS];
    struct record at[WAYS];
};

static struct set *table; /* NULL: a process without a segment */

size_t anomaly_size(void)
{
    return SETS * sizeof(struct set);
}

void anomaly_init(void *part)
{
    _Static_assert(sizeof(struct record) <= 128, "a principal's record stays small");
    table = part;
}

const char *anomaly_name(enum anomaly anomaly)
{
    static const char *const names[] = { "none", "rate", "errors", "agent", "country", "probes" };
    return names[anomaly];
}

/* ---- judging ---- */

enum anomaly anomaly_judge(const struct behaviour *b, int64_t now)
{
    if (b->probes >= PROBES_MOST)
        return ANOMALY_PROBES;
    if (now - b->since < HOUR || b->requests < HISTORY_REQUESTS)
        return ANOMALY_NONE;
    if (b->new_country)
        return ANOMALY_COUNTRY;
    if (b->new_agent)
        return ANOMALY_AGENT;
    if (!b->errors_raised && b->recent >= ERRORS_LEAST && b->errors * 2 > b->recent)
        return ANOMALY_ERRORS;

    double mean = (double)b->recent / (RECENT * RATE_TIMES); /* that would just do */
    if (!b->rate_raised && b->recent > RECENT * RATE_LEAST &&
        mean * mean * mean * mean > b->mean_fourth)
        return ANOMALY_RATE;
    return ANOMALY_NONE;
}

/* ---- texts ---- */

static bool holds(struct str text, const char *const *marks, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (memmem(text.p, text.n, marks[i], strlen(marks[i])))
            return true;
    return false;
}

bool anomaly_in_id(struct str id)
{
    static const char *const marks[] = { "'", "\"", "--", ";", "..", "/", "\\",
                                         "<", ">",  "$",  "{", "%",  "|", "`" };
    return holds(id, marks, COUNT(marks));
}

bool anomaly_in_path(struct str path)
{
    static const char *const marks[] = { "'",   "\"",  "<",   "../", "`",      "${",    "%27",
                                         "%22", "%3C", "%3c", "%00", "%2e%2e", "%2E%2E" };
    return holds(path, marks, COUNT(marks));
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

/* Whether the agent's product (RFC 9110 section 10.1.5) is one of the usual clients of APIs. */
static bool usual(struct str agent)
{
    static const char *const clients[] = {
        "aiohttp",      "anthropic", "apache-httpclient", "aws-sdk", "axios",
        "boto3",        "curl",      "dart",              "deno",    "faraday",
        "go-http-client", "go-resty", "got",              "grpc",    "guzzlehttp",
        "httpie",       "httpx",     "insomnia",          "java",    "jakarta",
        "k6",           "ktor",      "libcurl",           "libwww-perl", "node",
        "okhttp",       "openai",    "php",               "postmanruntime", "powershell",
        "python",       "reqwest",   "rest-client",       "restsharp", "retrofit",
        "ruby",         "rust",      "undici",            "urllib",  "wget",
    };
    for (size_t i = 0; i < COUNT(clients); i++) {
        size_t n = strlen(clients[i]), at = 0;
        while (at < agent.n && lower(agent.p[at]) == clients[i][at])
            at++; /* the name's end at the latest: what is kept of an agent has no NUL */
        /* "node-fetch" and "python-requests" are relatives */
        if (at == n && (agent.n == n || !((agent.p[n] >= 'a' && agent.p[n] <= 'z') ||
                                          (agent.p[n] >= 'A' && agent.p[n] <= 'Z'))))
            return true;
    }
    return false;
}

/* By FNV-1a, which is the same on every node and after every start: devices are remembered by it. */
static uint16_t family_of(struct str agent)
{
    uint32_t hash = 2166136261u;
    agent = risk_agent_kept(agent); /* what is kept of a session's is compared with what comes */
    if (agent.n == 0 || usual(agent))
        return USUAL;
    for (size_t i = 0; i < agent.n; i++) {
        char c = agent.p[i];
        if ((c >= '0' && c <= '9') || c == '.' || c == '_')
            continue;
        hash = (hash ^ (unsigned char)lower(c)) * 16777619u;
    }
    uint16_t family = (uint16_t)(hash >> 16 ^ hash);
    return family > USUAL ? family : USUAL + 1;
}

/* Remembers what it said lately, so that most requests only compare. */
uint16_t anomaly_agent(struct str agent)
{
    static struct {
        uint16_t family;
        uint8_t n; /* 0: free */
        char text[200];
    } known[64];
    if (agent.n == 0)
        return USUAL;
    if (agent.n > sizeof(known[0].text))
        return family_of(agent);
    size_t at = hash_bytes(agent.p, agent.n) % COUNT(known);
    if (!str_eq(agent, (struct str){ known[at].text, known[at].n })) {
        known[at].family = family_of(agent);
        known[at].n = (uint8_t)agent.n;
        memcpy(known[at].text, agent.p, agent.n);
    }
    return known[at].family;
}

/* ---- records ---- */

static uint64_t minute_of(uint64_t word)
{
    return word >> MINUTE_SHIFT;
}

/* How many minutes the word is behind, as a number that is large for what lies ahead. */
static uint64_t behind(uint64_t minute, uint64_t then)
{
    return (minute - then) & MINUTE_MASK;
}

static void clear_record(struct record *rec, uint64_t minute, int64_t now)
{
    for (int i = 0; i < RING; i++)
        atomic_store(&rec->minutes[i], 0);
    atomic_store(&rec->mean, 0);
    atomic_store(&rec->total, 0);
    for (int i = 0; i < AGENT_WORDS; i++)
        atomic_store(&rec->agents[i], 0);
    atomic_store(&rec->countries, 0);
    atomic_store(&rec->rate_raised, 0);
    atomic_store(&rec->errors_raised, 0);
    atomic_store(&rec->probes, 0);
    atomic_store(&rec->last, minute);
    atomic_store(&rec->since, now);
}

/* Of the set's records the one that was silent longest: where its key is, and what; one that is being taken over only
 * when that must have failed. NULL: none. */
static _Atomic uint64_t *silent(struct set *s, uint64_t minute, uint64_t busy, uint64_t *its_key)
{
    _Atomic uint64_t *found = NULL;
    uint64_t longest = 0;
    for (int way = 0; way < WAYS; way++) {
        uint64_t key = atomic_load(&s->key[way]);
        uint64_t age = behind(minute, atomic_load(&s->at[way].last));
        if ((key & 1) && busy - key < 4 * SECOND)
            continue;
        if (age > MINUTE_MASK / 2)
            age = 0; /* of a clock that is ahead */
        if (key == 0)
            age = MINUTE_MASK; /* nobody's */
        if (age >= longest) {
            found = &s->key[way];
            longest = age;
            *its_key = key;
        }
    }
    return found;
}

/* NULL: none can be had at the moment. */
static struct record *record_of(uint64_t key, uint64_t minute, int64_t now)
{
    struct set *s = &table[key * UINT64_C(0x9e3779b97f4a7c15) >> 52];
    for (int way = 0; way < WAYS; way++)
        if (atomic_load_explicit(&s->key[way], memory_order_acquire) == key)
            return &s->at[way];

    uint64_t busy = (uint64_t)clock_mono() << 1 | 1, old;
    _Atomic uint64_t *place = silent(s, minute, busy, &old);
    if (!place || !atomic_compare_exchange_strong(place, &old, busy))
        return NULL;
    struct record *rec = &s->at[place - s->key];
    clear_record(rec, minute, now);
    atomic_store_explicit(place, key, memory_order_release);
    return rec;
}

/* ---- counting ---- */

static float mean_of(uint64_t word)
{
    uint32_t bits = (uint32_t)(word >> 32);
    float fourth;
    memcpy(&fourth, &bits, sizeof(bits));
    return fourth;
}

/* A minute is over: its requests become part of the mean. */
static void fold(struct record *rec, uint64_t word)
{
    uint64_t requests = word & COUNT_MASK, mean = atomic_load(&rec->mean);
    uint32_t minutes = (uint32_t)mean;
    float fourth = mean_of(mean), square = (float)requests * (float)requests;
    minutes += minutes < MEAN_MINUTES;
    fourth += (square * square - fourth) / (float)minutes;
    uint32_t bits;
    memcpy(&bits, &fourth, sizeof(bits));
    atomic_store(&rec->mean, (uint64_t)bits << 32 | minutes);
    atomic_fetch_add(&rec->total, requests);
}

/* The first request of a minute; whoever begins it folds the one before. */
static bool turn(struct record *rec, uint64_t minute, uint64_t word, uint64_t one)
{
    _Atomic uint64_t *slot = &rec->minutes[minute % RING];
    if (!atomic_compare_exchange_strong(slot, &word, minute << MINUTE_SHIFT | one))
        return false;
    uint64_t last = atomic_exchange(&rec->last, minute);
    uint64_t before = last % RING == minute % RING ? word : atomic_load(&rec->minutes[last % RING]);
    if (minute_of(before) == last)
        fold(rec, before);
    return true;
}

static void count(struct record *rec, uint64_t minute, bool error)
{
    _Atomic uint64_t *slot = &rec->minutes[minute % RING];
    uint64_t one = error ? ONE_REQUEST | ONE_ERROR : ONE_REQUEST;
    for (;;) {
        uint64_t word = atomic_load_explicit(slot, memory_order_relaxed);
        if (minute_of(word) == minute) {
            if ((word & COUNT_MASK) < COUNT_FULL)
                atomic_fetch_add_explicit(slot, one, memory_order_relaxed);
            return;
        }
        if (turn(rec, minute, word, one))
            return;
    }
}

/* Whether the item had to be added to the set; one that finds no room is taken for known. */
static bool added(_Atomic uint64_t *words, int n, uint16_t item)
{
    for (int i = 0; i < n; i++) {
        uint64_t word = atomic_load_explicit(&words[i], memory_order_relaxed);
        for (int k = 0; k < WORD_ITEMS;) {
            uint16_t there = (uint16_t)(word >> 16 * k);
            if (there == item)
                return false;
            if (there)
                k++;
            else if (atomic_compare_exchange_strong(&words[i], &word,
                                                    word | (uint64_t)item << 16 * k))
                return true;
        }
    }
    return false;
}

static bool lately(uint32_t raised, uint64_t minute)
{
    return raised != 0 && behind(minute, raised) < RECENT;
}

static void observe(struct record *rec, const struct req *r, uint64_t minute, struct behaviour *b)
{
    uint16_t country = (uint16_t)((uint8_t)r->country[0] << 8 | (uint8_t)r->country[1]);
    b->new_agent = added(rec->agents, AGENT_WORDS, anomaly_agent(r->user_agent));
    b->new_country = country != 0 && added(&rec->countries, 1, country);

    for (int i = 0; i < RING; i++) {
        uint64_t word = atomic_load_explicit(&rec->minutes[i], memory_order_relaxed);
        if (behind(minute, minute_of(word)) >= RECENT)
            continue;
        b->recent += (int64_t)(word & COUNT_MASK);
        b->errors += (int64_t)(word >> COUNT_BITS & COUNT_MASK);
        if (minute_of(word) == minute)
            b->requests += (int64_t)(word & COUNT_MASK);
    }
    b->mean_fourth = (double)mean_of(atomic_load_explicit(&rec->mean, memory_order_relaxed));
    b->requests += (int64_t)atomic_load_explicit(&rec->total, memory_order_relaxed);
    b->since = atomic_load_explicit(&rec->since, memory_order_relaxed);
    b->rate_raised = lately(atomic_load(&rec->rate_raised), minute);
    b->errors_raised = lately(atomic_load(&rec->errors_raised), minute);
}

/* ---- answering ---- */

/* False when another worker has raised it in this moment. */
static bool raise_once(_Atomic uint32_t *raised, uint64_t minute)
{
    return !lately(atomic_exchange(raised, (uint32_t)minute), minute);
}

static void answer(struct req *r, struct record *rec, struct behaviour *b, uint64_t minute)
{
    enum anomaly anomaly;
    while ((anomaly = anomaly_judge(b, r->now)) != ANOMALY_NONE) {
        bool first = true;
        if (anomaly == ANOMALY_COUNTRY) {
            b->new_country = false;
        } else if (anomaly == ANOMALY_AGENT) {
            b->new_agent = false;
        } else if (anomaly == ANOMALY_RATE) {
            b->rate_raised = true;
            first = raise_once(&rec->rate_raised, minute);
        } else {
            b->errors_raised = true;
            first = raise_once(&rec->errors_raised, minute);
        }
        if (first)
            respond(r, RESTRAINT_PRINCIPAL, anomaly);
    }
}

/* ---- probes ---- */

/* Counts one. Says how many there were within five minutes; at PROBES_MOST counting begins anew. */
static int count_probe(struct record *rec, uint64_t minute)
{
    uint64_t old = atomic_load(&rec->probes), next;
    int sum;
    do {
        uint64_t gone = behind(minute, old >> PROBES_SHIFT);
        uint64_t counts = gone < RECENT ? old << 8 * gone & PROBES_MASK : 0;
        counts++; /* at most to PROBES_MOST */
        sum = 0;
        for (int i = 0; i < RECENT; i++)
            sum += (int)(counts >> 8 * i & 0xff);
        next = minute << PROBES_SHIFT | (sum >= PROBES_MOST ? 0 : counts);
    } while (!atomic_compare_exchange_weak(&rec->probes, &old, next));
    return sum;
}

/* A page of another site can make its visitors ask for anything: that is not for their address to pay. */
static bool sent_by_a_page(const struct req *r)
{
    return str_ieq(req_header(r, "Sec-Fetch-Site"), STR("cross-site"));
}

static void probe(struct req *r, const struct principal *who, uint64_t minute)
{
    enum restraint_kind kind = who ? RESTRAINT_PRINCIPAL : RESTRAINT_ADDRESS;
    uint64_t key = who ? restraint_user(&who->user_id) : restraint_address(&r->address) << 1;
    if (!who && sent_by_a_page(r))
        return;
    struct record *rec = record_of(key, minute, r->now);
    if (!rec)
        return;
    if (!who)
        atomic_store(&rec->last, minute); /* nothing else is counted there */
    const struct behaviour b = { .probes = count_probe(rec, minute) };
    if (anomaly_judge(&b, r->now) == ANOMALY_PROBES)
        respond(r, kind, ANOMALY_PROBES);
}

/* ---- the end of a request ---- */

/* Who is signed in, as far as that held until gate context: a dead session or key says nothing of its user. */
static const struct principal *signed_in(const struct req *r)
{
    const struct principal *who = r->who;
    bool is = who && (who->kind == PRINCIPAL_USER || who->kind == PRINCIPAL_APIKEY) && who->live &&
              who->expires > r->now;
    return is && r->reply.status != 401 ? who : NULL;
}

void anomaly_observe(struct req *r)
{
    int status = r->reply.status;
    if (!table || r->local || (r->action && r->action->rate == RATE_NONE))
        return;
    const struct principal *who = signed_in(r);
    uint64_t minute = (uint64_t)(r->now / MINUTE) & MINUTE_MASK;
    if (r->probe || (!r->action && status == 404 && anomaly_in_path(r->path)))
        probe(r, who, minute);
    if (!who || status == 429 || status == 503)
        return;

    struct record *rec = record_of(restraint_user(&who->user_id), minute, r->now);
    if (!rec)
        return;
    struct behaviour b = { 0 };
    count(rec, minute, status >= 400);
    observe(rec, r, minute, &b);
    answer(r, rec, &b, minute);
}
