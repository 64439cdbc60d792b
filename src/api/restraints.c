/* Restraints, as operators see and set them: who is held back, why and until when (gate/restraint.h). Those that
 * anomalies set can be lifted here. Who manages users may hold back whoever may do no more than itself, and lifts
 * nothing from itself. By the time of the reply a change is in force on every worker of this node.
 */
#include "api/all.h"
#include "api/crud.h"
#include "base/config.h"
#include "gate/permits.h"
#include "gate/restraint.h"
#include "gen/stmt.h"
#include "http/reply.h"

#define LONGEST (30 * DAY)

/* Whom a row is about. */
struct subject {
    enum restraint_kind kind;
    struct uuid user;
    struct in6_addr address;
    char text[RESTRAINT_SUBJECT > UUID_TEXT ? RESTRAINT_SUBJECT : UUID_TEXT];
    size_t n;
};

static bool read_subject(struct str kind, struct str text, struct subject *out)
{
    bool principal = str_eq(kind, str_of(restraint_kind_name(RESTRAINT_PRINCIPAL)));
    out->kind = principal ? RESTRAINT_PRINCIPAL : RESTRAINT_ADDRESS;
    return restraint_subject_read(out->kind, text, &out->user, &out->address);
}

static uint64_t key_of(const struct subject *s)
{
    return s->kind == RESTRAINT_PRINCIPAL ? restraint_user(&s->user)
                                          : restraint_address(&s->address);
}

/* As rows spell it. */
static void spell(struct subject *s)
{
    if (s->kind == RESTRAINT_PRINCIPAL) {
        uuid_format(&s->user, s->text);
        s->n = UUID_TEXT;
    } else {
        restraint_address_text(&s->address, s->text);
        s->n = strlen(s->text);
    }
}

/* ---- create ---- */

static enum verdict no_subject(struct req *r, const char *code, const char *message)
{
    req_fault(r, "subject", code, message);
    return req_deny(r, ERR_INVALID);
}

static enum verdict subject_ask(struct req *r)
{
    struct subject *s = ARENA_NEW(&r->arena, struct subject);
    if (!s)
        return req_deny(r, ERR_NO_MEMORY);
    if (!read_subject(input_text(r, "kind"), input_text(r, "subject"), s))
        return no_subject(r, "format", "Must be a user's id, or an address.");
    spell(s);
    r->work = s;
    if (s->kind == RESTRAINT_ADDRESS)
        return NEXT;
    ask_restraint_subject(r->store, &r->arena, &s->user, &r->rows, &r->wait);
    return WAIT;
}

static enum verdict subject_known(struct req *r)
{
    uint64_t permits;
    if (r->rows.err != OK)
        return req_deny(r, r->rows.err);
    if (!rows_next(&r->rows))
        return no_subject(r, "reference", "There is no such user.");
    struct str names = rows_text(&r->rows, COL_RESTRAINT_SUBJECT_PERMISSIONS);
    enum err err = permits_read(&r->arena, names, &permits);
    if (err != OK)
        return req_deny(r, err);
    rows_fini(&r->rows);
    if (permits & ~r->who->permits)
        return req_deny_for(r, ERR_FORBIDDEN, "a user who may more than the caller");
    return NEXT;
}

static enum verdict restraint_adjust(struct req *r, struct value *row)
{
    const struct subject *s = r->work;
    int64_t until = row[COL_RESTRAINT_UNTIL].i;
    if (str_eq(row[COL_RESTRAINT_LEVEL].text, str_of(restraint_level_name(RESTRAINT_RECORDED)))) {
        req_fault(r, "level", "oneof", "Must be one of half|tenth|block.");
        return req_deny(r, ERR_INVALID);
    }
    if (until <= r->now || until > r->now + LONGEST) {
        req_fault(r, "until", "range", "Must lie ahead, by 30 days at most.");
        return req_deny(r, ERR_INVALID);
    }
    row[COL_RESTRAINT_SUBJECT].text = (struct str){ s->text, s->n };
    row[COL_RESTRAINT_ACTIVE] = (struct value){ .type = VALUE_BOOL, .i = true };
    if (!uuid_nil(&r->who->user_id))
        row[COL_RESTRAINT_CREATED_BY] =
            (struct value){ .type = VALUE_UUID, .uuid = r->who->user_id };
    return NEXT;
}

static enum verdict restraint_set(struct req *r)
{
    enum restraint_level level;
    must(restraint_level_find(r->row[COL_RESTRAINT_LEVEL].text, &level));
    restraint_put(key_of(r->work), level, r->row[COL_RESTRAINT_UNTIL].i, r->now, 0);
    return NEXT;
}

static const struct stage create_steps[] = {
    { "subject", subject_ask, subject_known },
    { "create", crud_create, NULL },
    { 0 },
};

/* ---- lift ---- */

/* One that has been lifted stays as it is. */
static enum verdict restraint_lift(struct req *r)
{
    const struct rows *row = &r->facts->row;
    const struct uuid *by = uuid_nil(&r->who->user_id) ? NULL : &r->who->user_id;
    struct subject *s = ARENA_NEW(&r->arena, struct subject);
    enum err err = crud_match(r);
    if (err != OK)
        return req_deny(r, err);
    if (!s)
        return req_deny(r, ERR_NO_MEMORY);
    if (!read_subject(rows_text(row, COL_RESTRAINT_KIND), rows_text(row, COL_RESTRAINT_SUBJECT), s))
        return req_deny_for(r, ERR_INTERNAL, "a row without a subject");
    if (by && s->kind == RESTRAINT_PRINCIPAL && uuid_eq(&s->user, by))
        return req_deny_for(r, ERR_FORBIDDEN, "the caller's own");
    if (rows_null(row, COL_RESTRAINT_LIFTED_AT))
        add_restraint_lift(&r->change, &r->facts->id, r->facts->version, by, r->now);
    r->work = s;
    reply_empty(r, 204);
    return NEXT;
}

static enum verdict restraint_lifted(struct req *r)
{
    const struct subject *s = r->work;
    enum restraint_level level;
    if (restraint_level_find(rows_text(&r->facts->row, COL_RESTRAINT_LEVEL), &level))
        restraint_drop(key_of(s), level);
    restraint_forgive(r->windows, s->kind, &s->user, &s->address);
    return NEXT;
}

/* ---- the table ---- */

static const struct field restraint_fields[] = {
    { "kind",       ONEOF, .oneof = "principal|address", .required = true, .filter = true },
    { "subject",    TEXT,  .min = 1, .max = 64, .required = true,
      .says = "A user's id, or an address; of IPv6 all of its /64." },
    { "level",      ONEOF, .oneof = "recorded|half|tenth|block", .standard = "\"block\"",
      .says = "What is left of the limits; recorded: all, it is only written down." },
    { "reason",     TEXT,  .min = 1, .max = 200, .standard = "\"by hand\"",
      .says = "Of those that were not set by hand: rate, errors, agent, country or probes." },
    { "until",      TIME,  .required = true, .says = "Ends by itself then; 30 days ahead at most." },
    { "active",     BOOL,  .shown = true, .filter = true, .says = "In force: neither ended nor lifted." },
    { "created_by", UUID,  .shown = true, .null = true, .says = "Who set it by hand." },
    { "lifted_at",  TIME,  .shown = true, .null = true },
    { "lifted_by",  UUID,  .shown = true, .null = true },
};

#define USERS .permit = PERMIT_USERS_MANAGE

static const struct action restraint_actions[] = {
    { GET, "/api/v1/restraints", USERS,
      .rate   = RATE_DEFAULT,      .list = true, .plain = true,
      .run    = crud_list,         .then = crud_listed,
      .says   = "List who is or was held back, by anomalies or by hand." },
    { POST, "/api/v1/restraints", USERS,
      .rate   = RATE_ADMIN,
      .steps  = create_steps,      .made = restraint_set,
      .audit  = "restraint.set",   .status = 201,
      .says   = "Block a user or an address, or reduce its limits." },
    { GET, "/api/v1/restraints/{id}", USERS,
      .access = ACCESS_READ,       .rate = RATE_DEFAULT, .plain = true,
      .run    = crud_get,
      .says   = "Read one restraint." },
    /* Many may have to be lifted at once: not of the small class. */
    { DELETE, "/api/v1/restraints/{id}", USERS,
      .access = ACCESS_DELETE,     .rate = RATE_DEFAULT,
      .run    = restraint_lift,    .made = restraint_lifted,
      .audit  = "restraint.lift",  .status = 204,
      .says   = "Lift a restraint at once; the row stays." },
};

const struct resource restraints = {
    .noun = "restraint", .plural = "restraints",
    RESOURCE_FIELDS(restraint_fields), RESOURCE_ACTIONS(restraint_actions),
    .get = &stmt_restraint_get, .add = &stmt_restraint_add,
    .list = stmt_restraint_list, .sorts = stmt_restraint_list_sorts,
    .adjust = restraint_adjust, .no_metadata = true,
};
