/* gate/idempotency.c: a request with an Idempotency-Key is done once. The key, the request's hash and the reply are
 * a row of the change's own transaction, so the row is there exactly when the change is. A repetition within 24 h
 * gets the reply again.
 */
#include "gate/facts.h"

#include "base/clock.h"
#include "crypto/hash.h"
#include "gen/stmt.h"
#include "http/reply.h"

#define KEEP (24 * HOUR)
#define KEY_MAX 255

static bool key_sane(struct str key)
{
    for (size_t i = 0; i < key.n; i++)
        if (key.p[i] < 0x21 || key.p[i] > 0x7e)
            return false;
    return key.n > 0 && key.n <= KEY_MAX;
}

/* Method, path, precondition and body make the request; parts are set off by their lengths. */
static struct str hash_of(struct req *r)
{
    struct str parts[] = { method_name(r->method), r->path, r->query, r->if_match, r->body };
    struct text all = text_new(&r->arena, 64 + r->path.n + r->body.n);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        text_int(&all, (int64_t)parts[i].n);
        text_char(&all, ':');
        text_add(&all, parts[i]);
    }
    uint8_t *hash = arena_alloc(&r->arena, SHA256_SIZE);
    if (all.failed || !hash)
        return STR_NONE;
    sha256(text_str(&all), hash);
    return (struct str){ (const char *)hash, SHA256_SIZE };
}

enum verdict gate_idempotency(struct req *r)
{
    if (!r->idempotency_key.p || !r->action->audit || r->action->plain ||
        r->who->kind == PRINCIPAL_ANONYMOUS)
        return NEXT;
    if (!key_sane(r->idempotency_key)) {
        req_fault(r, "Idempotency-Key", "format", "1 to 255 visible ASCII characters");
        return req_deny(r, ERR_BAD_HEADER);
    }
    r->request_hash = hash_of(r);
    if (!r->request_hash.p)
        return req_deny(r, ERR_NO_MEMORY);
    ask_idempotency_find(r->store, &r->arena, &r->who->user_id, r->idempotency_key, r->now - KEEP,
                         &r->found, &r->wait);
    return WAIT;
}

enum verdict gate_idempotency_known(struct req *r)
{
    struct rows *found = &r->found;
    if (found->err != OK)
        return req_deny(r, found->err);
    if (!rows_next(found))
        return NEXT;

    if (!str_eq(rows_text(found, COL_IDEMPOTENCY_FIND_REQUEST_HASH), r->request_hash))
        return req_deny(r, ERR_KEY_REUSED);
    int status = (int)rows_int(found, COL_IDEMPOTENCY_FIND_STATUS);
    if (status == 0)
        return req_deny(r, ERR_NOT_KEPT);
    if (rows_null(found, COL_IDEMPOTENCY_FIND_BODY))
        reply_empty(r, status);
    else
        reply_json(r, status, rows_text(found, COL_IDEMPOTENCY_FIND_BODY));
    if (!rows_null(found, COL_IDEMPOTENCY_FIND_LOCATION))
        reply_header(r, "Location", rows_text(found, COL_IDEMPOTENCY_FIND_LOCATION));
    reply_header(r, "Idempotency-Replayed", STR("true"));
    r->reply.version = rows_int(found, COL_IDEMPOTENCY_FIND_ROW_VERSION);
    return DONE;
}

/* The Location that a creation replied with: the path of the row it made. */
static struct str location_of(const struct req *r)
{
    struct str headers = text_str(&r->reply.headers), line;
    struct str name = STR("Location: ");
    while (str_cut(&headers, '\n', &line))
        if (str_starts(line, name))
            return (struct str){ line.p + name.n, line.n - name.n - 1 };
    return STR_NONE;
}

void idempotency_keep(struct req *r)
{
    if (!r->request_hash.p || r->reply.status >= 400)
        return;
    bool kept = !r->action->secret; /* nor is a reply kept that is composed after the commit */
    add_idempotency_add(&r->change, &r->who->user_id, r->idempotency_key, r->request_hash,
                        kept ? r->reply.status : 0,
                        kept && r->reply.type ? r->reply.body : STR_NONE, location_of(r),
                        r->reply.version, r->now - KEEP, r->now);
}
