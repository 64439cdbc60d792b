/* Tasks: pulled in batches by whoever does the work. A claim gives a lease; only who holds it moves the task on, and
 * when it runs out the task goes back (jobs/tasks.c). What decides is the statement itself, on the row as it is at
 * the commit.
 */
#include "api/all.h"
#include "api/crud.h"
#include "base/json.h"
#include "base/metric.h"
#include "base/random.h"
#include "gen/stmt.h"
#include "http/reply.h"
#include "route/task.h"

#include <stdlib.h>

#define STATUSES "pending|in_progress|completed|failed|cancelled" /* in the order of enum task_status */
#define CLAIM_MAX 100

static struct value text_value(const char *text)
{
    return (struct value){ .type = VALUE_TEXT, .text = str_of(text) };
}

static void count(struct str status)
{
    struct str names = STR(STATUSES), name;
    for (unsigned cell = 0; str_cut(&names, '|', &name); cell++)
        if (str_eq(name, status))
            metric_add(METRIC_TASKS, cell, 1);
}

/* After the commit: the row that the request leaves has reached its status. */
static enum verdict task_moved(struct req *r)
{
    count(r->row[COL_TASK_STATUS].text);
    return NEXT;
}

/* ---- making, changing, deleting ---- */

static bool has_status(const struct req *r, const char *status)
{
    return str_eq(rows_text(&r->facts->row, COL_TASK_STATUS), str_of(status));
}

static enum verdict task_adjust(struct req *r, struct value *row)
{
    if (r->facts) /* a worker's task is not rewritten under its hands, and what is over stays as it was */
        return has_status(r, "pending") ? NEXT
                                        : req_deny_for(r, ERR_CONFLICT, "the task is not pending");

    row[COL_TASK_STATUS] = text_value("pending");
    row[COL_TASK_ATTEMPT] = (struct value){ .type = VALUE_INT };
    if (row[COL_TASK_RUN_AT].null)
        row[COL_TASK_RUN_AT] = (struct value){ .type = VALUE_TIME, .i = r->now };
    return NEXT;
}

static enum verdict task_delete(struct req *r)
{
    if (has_status(r, "in_progress"))
        return req_deny_for(r, ERR_CONFLICT, "the task is in progress");
    return crud_delete(r);
}

/* ---- claiming ---- */

static const struct uuid *wanted_agent(const struct req *r)
{
    const struct value *agent = input_value(r, "agent_id");
    return agent->null ? NULL : &agent->uuid;
}

/* Looks first: an idle worker that asks again and again writes nothing, not even an audit row. */
static enum verdict task_claim(struct req *r)
{
    ask_task_ready(r->store, &r->arena, &r->who->user_id, wanted_agent(r), &r->rows, &r->wait);
    return WAIT;
}

/* 122 random bits (RFC 9562 section 5.4): a lease is a secret between us and its holder. */
static struct uuid lease_new(void)
{
    struct uuid lease;
    random_bytes(lease.b, sizeof(lease.b));
    lease.b[6] = (uint8_t)((lease.b[6] & 0x0f) | 0x40);
    lease.b[8] = (uint8_t)((lease.b[8] & 0x3f) | 0x80);
    return lease;
}

static enum verdict task_claim_ready(struct req *r)
{
    if (r->rows.err != OK)
        return req_deny(r, r->rows.err);
    if (!rows_next(&r->rows) || !rows_int(&r->rows, COL_TASK_READY_READY)) {
        reply_json(r, 200, STR("{\"items\":[]}"));
        return NEXT;
    }

    struct uuid *lease = ARENA_NEW(&r->arena, struct uuid);
    if (!lease)
        return req_deny(r, ERR_NO_MEMORY);
    *lease = lease_new();
    r->work = lease;
    add_task_claim(&r->change, &r->who->user_id, wanted_agent(r), lease,
                   input_int(r, "lease_seconds") * SECOND, input_int(r, "limit"), r->now);
    return NEXT;
}

/* Most urgent first, as they were chosen; a change returns its rows in any order. */
static int by_urgency(const void *a, const void *b)
{
    const struct value *x = *(const struct value *const *)a, *y = *(const struct value *const *)b;
    if (x[COL_TASK_PRIORITY].i != y[COL_TASK_PRIORITY].i)
        return x[COL_TASK_PRIORITY].i > y[COL_TASK_PRIORITY].i ? -1 : 1;
    if (x[COL_TASK_RUN_AT].i != y[COL_TASK_RUN_AT].i)
        return x[COL_TASK_RUN_AT].i < y[COL_TASK_RUN_AT].i ? -1 : 1;
    return memcmp(x[COL_TASK_ID].uuid.b, y[COL_TASK_ID].uuid.b, sizeof(x->uuid.b));
}

static void put_claimed(struct text *t, const struct value *row, const struct uuid *lease,
                        int64_t until)
{
    resource_json(t, &tasks, row);
    if (t->n > 0)
        t->n--; /* its brace: two members more */
    json_key(t, "lease");
    json_put_uuid(t, lease);
    json_key(t, "lease_until");
    json_put_time(t, until);
    text_char(t, '}');
}

static enum verdict task_claimed(struct req *r)
{
    struct value *found[CLAIM_MAX];
    size_t n = 0;
    int64_t until = 0;
    while (n < CLAIM_MAX && rows_next(&r->rows)) {
        until = rows_int(&r->rows, COL_CLAIMED_LEASE_UNTIL); /* the same for all */
        found[n] = resource_row(&r->arena, &tasks, &r->rows);
        if (!found[n++])
            return req_deny(r, ERR_NO_MEMORY);
    }
    qsort(found, n, sizeof(found[0]), by_urgency);

    struct text t = text_new(&r->arena, 64 + n * 512);
    text_lit(&t, "{\"items\":[");
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            text_char(&t, ',');
        put_claimed(&t, found[i], r->work, until);
    }
    text_lit(&t, "]}");
    metric_add(METRIC_TASKS, TASK_IN_PROGRESS, n);
    if (t.failed)
        return req_deny(r, ERR_NO_MEMORY);
    reply_json(r, 200, text_str(&t));
    return NEXT;
}

/* ---- what the holder of a lease does ---- */

static const struct uuid *lease_of(const struct req *r)
{
    return &input_value(r, "lease")->uuid;
}

/* Replies with the row as the change will have left it. */
static enum verdict reply_moved(struct req *r, struct value *row, const char *status)
{
    row[COL_TASK_STATUS] = text_value(status);
    row[COL_TASK_VERSION].i++;
    row[COL_TASK_UPDATED_AT].i = r->now;
    r->row = row;
    return reply_row(r, 200, &tasks, row);
}

static enum verdict task_heartbeat(struct req *r)
{
    add_task_heartbeat(&r->change, &r->target_ids.id, lease_of(r),
                       input_int(r, "lease_seconds") * SECOND);
    return NEXT;
}

static enum verdict task_held(struct req *r)
{
    struct text t = text_new(&r->arena, 64);
    if (!rows_next(&r->rows))
        return req_deny(r, ERR_INTERNAL);
    text_char(&t, '{');
    json_key(&t, "lease_until");
    json_put_time(&t, rows_int(&r->rows, COL_TASK_HEARTBEAT_LEASE_UNTIL));
    text_char(&t, '}');
    if (t.failed)
        return req_deny(r, ERR_NO_MEMORY);
    reply_json(r, 200, text_str(&t));
    return NEXT;
}

static enum verdict task_complete(struct req *r)
{
    struct value *row = facts_row(r);
    if (!row)
        return req_deny(r, ERR_NO_MEMORY);
    add_task_complete(&r->change, &r->target_ids.id, lease_of(r), input_text(r, "result"), r->now);
    row[COL_TASK_RESULT] = *input_value(r, "result");
    row[COL_TASK_ERROR].null = true;
    return reply_moved(r, row, "completed");
}

/* ---- completing many ---- */

struct batch {
    struct uuid ids[CLAIM_MAX];
    int n;
};

static enum verdict bad_item(struct req *r, const char *code, const char *message)
{
    req_fault(r, "items", code, message);
    return req_deny(r, ERR_INVALID);
}

/* {"id":uuid,"result":any}: the second may be left out. */
static bool read_item(const struct json *item, struct uuid *id)
{
    const struct json *name = json_type(item) == JSON_OBJECT ? json_get(item, "id") : NULL;
    size_t known = 1 + (name && json_get(item, "result"));
    return name && json_count(item) == known && json_type(name) == JSON_TEXT &&
           uuid_parse(json_text(name), id) && uuid_acceptable(id);
}

static bool batch_has(const struct batch *b, const struct uuid *id)
{
    for (int i = 0; i < b->n; i++)
        if (uuid_eq(&b->ids[i], id))
            return true;
    return false;
}

/* The items as the statement takes them: ids in lower case. */
static enum verdict read_items(struct req *r, struct batch *b, struct text *out)
{
    const struct json *items = json_get(r->input->json, "items");
    if (json_type(items) != JSON_ARRAY || json_count(items) < 1 || json_count(items) > CLAIM_MAX)
        return bad_item(r, "type", "An array of 1 to 100 items.");
    struct json_walk w = json_walk(items);
    text_char(out, '[');
    while (json_next(&w)) {
        struct uuid id;
        if (!read_item(w.value, &id))
            return bad_item(r, "format", "Each is {\"id\": task id, \"result\": any value}.");
        if (batch_has(b, &id))
            return bad_item(r, "duplicate", "Each task once.");
        b->ids[b->n++] = id;
        const struct json *result = json_get(w.value, "result");
        if (b->n > 1)
            text_char(out, ',');
        text_char(out, '{');
        json_key(out, "id");
        json_put_uuid(out, &id);
        if (result && json_type(result) != JSON_NULL) {
            json_key(out, "result");
            json_put(out, result);
        }
        text_char(out, '}');
    }
    text_char(out, ']');
    return out->failed ? req_deny(r, ERR_NO_MEMORY) : NEXT;
}

static enum verdict task_complete_all(struct req *r)
{
    struct text items = text_new(&r->arena, 4096);
    struct batch *b = ARENA_NEW(&r->arena, struct batch);
    if (!b)
        return req_deny(r, ERR_NO_MEMORY);
    if (read_items(r, b, &items) != NEXT)
        return DENY;
    add_task_complete_all(&r->change, &r->who->user_id, lease_of(r), text_str(&items), r->now);
    r->work = b;
    return NEXT;
}

static void put_ids(struct text *t, const char *name, const struct batch *b)
{
    json_key(t, name);
    text_char(t, '[');
    for (int i = 0; i < b->n; i++) {
        if (i > 0)
            text_char(t, ',');
        json_put_uuid(t, &b->ids[i]);
    }
    text_char(t, ']');
}

/* In the order of the request: which were completed, and of which the lease was lost. */
static enum verdict task_completed_all(struct req *r)
{
    const struct batch *asked = r->work;
    struct batch found = { .n = 0 }, completed = { .n = 0 }, lost = { .n = 0 };
    while (found.n < CLAIM_MAX && rows_next(&r->rows))
        found.ids[found.n++] = rows_uuid(&r->rows, COL_TASK_COMPLETE_ALL_ID);
    for (int i = 0; i < asked->n; i++) {
        struct batch *to = batch_has(&found, &asked->ids[i]) ? &completed : &lost;
        to->ids[to->n++] = asked->ids[i];
    }
    struct text t = text_new(&r->arena, 64 + 40 * (size_t)asked->n);
    text_char(&t, '{');
    put_ids(&t, "completed", &completed);
    put_ids(&t, "lost", &lost);
    text_char(&t, '}');
    if (t.failed)
        return req_deny(r, ERR_NO_MEMORY);
    metric_add(METRIC_TASKS, TASK_COMPLETED, (uint64_t)completed.n);
    reply_json(r, 200, text_str(&t));
    return NEXT;
}

/* ---- ending an attempt otherwise ---- */

static enum verdict task_fail(struct req *r)
{
    int64_t pause = task_backoff(rows_int(&r->facts->row, COL_TASK_ATTEMPT));
    add_task_fail(&r->change, &r->target_ids.id, lease_of(r), input_text(r, "error"), pause,
                  r->now);
    return NEXT;
}

/* Pending again, or failed for good: the row says. */
static enum verdict task_failed(struct req *r)
{
    r->row = rows_next(&r->rows) ? resource_row(&r->arena, &tasks, &r->rows) : NULL;
    if (!r->row)
        return req_deny(r, ERR_NO_MEMORY);
    if (str_eq(r->row[COL_TASK_STATUS].text, STR("pending")))
        metric_add(METRIC_TASK_RETRIES, TASK_RETRY_FAILED, 1);
    task_moved(r);
    return reply_row(r, 200, &tasks, r->row);
}

static enum verdict task_cancel(struct req *r)
{
    struct value *row = facts_row(r);
    if (!row)
        return req_deny(r, ERR_NO_MEMORY);
    add_task_cancel(&r->change, &r->target_ids.id, r->now);
    return reply_moved(r, row, "cancelled");
}

/* ---- the table ---- */

static const struct field task_fields[] = {
    { "agent_id",     UUID,  .refers = "agents", .required = true, .fixed = true, .filter = true,
                             .says = "Whose work it is." },
    { "kind",         TEXT,  .max = 100, .null = true, .filter = true, .says = "What sort of work it is." },
    { "input",        ANY,   .null = true, .says = "What the worker is given." },
    { "priority",     INT,   .min = -100, .max = 100, .standard = "0", .says = "Higher goes first." },
    { "run_at",       TIME,  .says = "Not before this time; now, if left out." },
    { "max_attempts", INT,   .min = 1, .max = 25, .standard = "3", .says = "Attempts until it has failed." },
    { "status",       ONEOF, .oneof = STATUSES, .shown = true, .filter = true },
    { "attempt",      INT,   .shown = true, .says = "Attempts begun." },
    { "result",       ANY,   .null = true, .shown = true },
    { "error",        TEXT,  .null = true, .shown = true, .says = "Why the last attempt failed." },
};

#define LEASE { "lease", UUID, .required = true, .says = "As the claim gave it." }
#define LEASE_SECONDS                                                                              \
    { "lease_seconds", INT, .min = 1, .max = 3600, .standard = "60", .says = "How long the lease holds." }

static const struct field claim_input[] = {
    { "agent_id", UUID, .refers = "agents", .null = true, .says = "Only this agent's tasks." },
    { "limit",    INT,  .min = 1, .max = CLAIM_MAX, .standard = "1", .says = "How many at most." },
    LEASE_SECONDS,
};
static const struct field heartbeat_input[] = { LEASE, LEASE_SECONDS };
static const struct field complete_input[] = {
    LEASE,
    { "result", ANY, .null = true, .says = "What came of it." },
};
static const struct field complete_all_input[] = {
    LEASE,
    { "items", ANY, .max = 1 << 20, .required = true,
      .says = "1 to 100 of {\"id\", \"result\"}: tasks of the lease." },
};
static const struct field fail_input[] = {
    LEASE,
    { "error", TEXT, .max = 4000, .null = true, .says = "What went wrong." },
};

#define INPUT(fields) .input = (fields), .ninput = COUNT(fields)

static const struct action task_actions[] = {
    { GET, "/api/v1/tasks",
      .permit = PERMIT_TASK_READ,   .rate = RATE_DEFAULT, .list = true, .plain = true,
      .run    = crud_list,          .then = crud_listed,
      .says   = "List the caller's tasks." },
    { POST, "/api/v1/tasks",
      .permit = PERMIT_TASK_CREATE, .rate = RATE_DEFAULT,
      .run    = crud_create,        .made = task_moved,
      .audit  = "task.create",      .status = 201,
      .says   = "Create a task for an agent." },
    { POST, "/api/v1/tasks/claim",
      .permit = PERMIT_TASK_UPDATE, .rate = RATE_DEFAULT, .secret = true, INPUT(claim_input),
      .run    = task_claim,         .then = task_claim_ready, .made = task_claimed,
      .audit  = "task.claim",
      .says   = "Take the most urgent pending tasks under one lease." },
    { POST, "/api/v1/tasks/complete",
      .permit = PERMIT_TASK_UPDATE, .rate = RATE_DEFAULT, INPUT(complete_all_input),
      .run    = task_complete_all,  .made = task_completed_all,
      .audit  = "task.complete",
      .says   = "Finish several tasks of one lease; tells which, and which were lost." },
    { GET, "/api/v1/tasks/{id}",
      .permit = PERMIT_TASK_READ,   .access = ACCESS_READ, .rate = RATE_DEFAULT, .cache = CACHE_API, .plain = true,
      .run    = crud_get,
      .says   = "Read one task." },
    { PATCH, "/api/v1/tasks/{id}",
      .permit = PERMIT_TASK_UPDATE, .access = ACCESS_WRITE, .rate = RATE_DEFAULT, .cache = CACHE_API,
      .run    = crud_update,        .audit = "task.update",
      .says   = "Change a task; 409 unless it is pending." },
    { DELETE, "/api/v1/tasks/{id}",
      .permit = PERMIT_TASK_DELETE, .access = ACCESS_DELETE, .rate = RATE_DEFAULT, .cache = CACHE_API,
      .run    = task_delete,        .audit = "task.delete", .status = 204,
      .says   = "Delete a task; 409 while it is in progress." },
    { POST, "/api/v1/tasks/{id}/heartbeat",
      .permit = PERMIT_TASK_UPDATE, .access = ACCESS_WRITE, .rate = RATE_DEFAULT, .cache = CACHE_API,
      INPUT(heartbeat_input),
      .run    = task_heartbeat,     .made = task_held,
      .audit  = "task.heartbeat",
      .says   = "Hold the lease for longer." },
    { POST, "/api/v1/tasks/{id}/complete",
      .permit = PERMIT_TASK_UPDATE, .access = ACCESS_WRITE, .rate = RATE_DEFAULT, .cache = CACHE_API,
      INPUT(complete_input),
      .run    = task_complete,      .made = task_moved,
      .audit  = "task.complete",
      .says   = "Finish a task with its result." },
    { POST, "/api/v1/tasks/{id}/fail",
      .permit = PERMIT_TASK_UPDATE, .access = ACCESS_WRITE, .rate = RATE_DEFAULT, .cache = CACHE_API,
      INPUT(fail_input),
      .run    = task_fail,          .made = task_failed,
      .audit  = "task.fail",
      .says   = "End an attempt; the task is tried again later while attempts are left." },
    { POST, "/api/v1/tasks/{id}/cancel",
      .permit = PERMIT_TASK_UPDATE, .access = ACCESS_WRITE, .rate = RATE_DEFAULT, .cache = CACHE_API, .no_body = true,
      .run    = task_cancel,        .made = task_moved,
      .audit  = "task.cancel",
      .says   = "Cancel a task that is not over." },
};

const struct resource tasks = {
    .noun = "task", .plural = "tasks",
    RESOURCE_FIELDS(task_fields), RESOURCE_ACTIONS(task_actions),
    .get = &stmt_task_get, .add = &stmt_task_add, .set = &stmt_task_set, .del = &stmt_task_del,
    .list = stmt_task_list, .sorts = stmt_task_list_sorts,
    .owned = true, .adjust = task_adjust,
};
