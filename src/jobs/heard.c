#include "heard.h"

#include "base/hash.h"

#include <endian.h>
#include <string.h>

#define NUMBER_BYTES 8
#define BEAT UINT64_MAX

/* ---- messages ---- */

static uint64_t number_at(const char *p)
{
    uint64_t number;
    memcpy(&number, p, sizeof(number));
    return be64toh(number);
}

static void put_number(char *p, uint64_t number)
{
    number = htobe64(number);
    memcpy(p, &number, sizeof(number));
}

void beat_write(char out[BEAT_BYTES], const struct uuid *node, int64_t sent)
{
    put_number(out, BEAT);
    memcpy(out + NUMBER_BYTES, node->b, sizeof(node->b));
    put_number(out + NUMBER_BYTES + sizeof(node->b), (uint64_t)sent);
}

bool news_read(struct str message, struct news *out)
{
    *out = (struct news){ 0 };
    if (message.n <= NUMBER_BYTES)
        return false;
    uint64_t number = number_at(message.p);
    if (number == BEAT) {
        if (message.n != BEAT_BYTES)
            return false;
        out->beat = true;
        memcpy(out->node.b, message.p + NUMBER_BYTES, sizeof(out->node.b));
        out->sent = (int64_t)number_at(message.p + NUMBER_BYTES + sizeof(out->node.b));
        return out->sent >= 0;
    }
    out->number = (int64_t)number;
    out->what = (struct str){ message.p + NUMBER_BYTES, message.n - NUMBER_BYTES };
    return number <= INT64_MAX;
}

/* ---- bumps ---- */

bool heard_first(struct heard *h, int64_t number, struct str what)
{
    if (number <= 0)
        return true;
    uint64_t *at = &h->digests[(uint64_t)number % HEARD_BUMPS];
    uint64_t digest = hash_kind((uint32_t)number, what.p, what.n) ^ (uint64_t)number;
    if (*at == digest)
        return false;
    *at = digest;
    return true;
}

/* ---- nodes ---- */

void nodes_heard(struct nodes *ns, const struct uuid *id, int64_t now)
{
    int i = 0;
    while (i < ns->n && !uuid_eq(&ns->seen[i].id, id))
        i++;
    if (i == NODES_MAX)
        return;
    if (i == ns->n)
        ns->n++;
    ns->seen[i].id = *id;
    ns->seen[i].at = now;
}

int nodes_count(struct nodes *ns, bool steady, int64_t now)
{
    for (int i = ns->n - 1; steady && i >= 0; i--)
        if (now - ns->seen[i].at > NODE_KEPT)
            ns->seen[i] = ns->seen[--ns->n];
    return ns->n > 1 ? ns->n : 1;
}
