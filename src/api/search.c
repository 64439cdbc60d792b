/* Searches: candidates, each of which is asked about; shown are those that are allowed. Resources are those of the list
 * that the subject itself would see, subjects whom a grant path can lead to the row, or all users where it is open.
 */
#include "asking.h"

#include "api/all.h"
#include "api/crud.h"
#include "base/json.h"
#include "gen/stmt.h"

#define SEARCH_MAX 100 /* candidates of one page */

static void search_begin(struct asking *a, const char *type)
{
    a->search = true;
    a->type = type;
    text_lit(&a->out, "{\"results\":[");
}

enum verdict search_action(struct req *r)
{
    static const char *const verbs[] = { "read", "create", "update", "delete", "share", "admin" };
    struct asking *a = asking_new(r);
    struct item asked = { 0 };
    if (!a || !(a->items = ARENA_ARRAY(&r->arena, struct item, COUNT(verbs))))
        return req_deny(r, ERR_NO_MEMORY);
    search_begin(a, NULL);
    enum err err = read_subject(r, asked_member(r, "subject"), &asked, true);
    if (err == OK)
        err = read_resource(r, asked_member(r, "resource"), &asked, true);
    for (int i = 0; err == OK && !asked.unknown && i < COUNT(verbs); i++) {
        struct item *item = &a->items[a->n];
        *item = asked;
        item->name = str_of(verbs[i]);
        a->n += question_of(asked.question.res, item->name, &item->question);
    }
    return asking_begin(r, err, a);
}

static enum err read_page(struct req *r, struct asking *a)
{
    const struct json *page = asked_member(r, "page"), *limit = json_get(page, "limit");
    struct str token;
    page_first(&a->page, a->over);
    a->page.limit = SEARCH_MAX;
    if (limit && (json_type(limit) != JSON_INT || json_int(limit) < 1))
        return asked_badly(r, "page.limit", "A number, at least 1.");
    if (limit && json_int(limit) < SEARCH_MAX) /* it is the most that is wanted: a page may hold less */
        a->page.limit = json_int(limit);
    if (asked_text(page, "token", &token) && token.n > 0 &&
        !page_token_read(&r->arena, a->over, token, &a->page))
        return ERR_BAD_CURSOR;
    return OK;
}

/* What is asked of each candidate, and which of them. */
static enum err prepare(struct req *r, struct asking *a, const struct item *asked)
{
    a->items = ARENA_NEW(&r->arena, struct item);
    if (!a->items)
        return ERR_NO_MEMORY;
    a->items[0] = *asked;
    return read_page(r, a);
}

/* The rows of the list that the viewer sees: each is then asked about. */
static enum verdict ask_rows(struct req *r, struct asking *a, const struct uuid *viewer)
{
    const struct value *params = crud_page(r, a->over, &a->page, viewer);
    if (!params)
        return req_deny(r, ERR_NO_MEMORY);
    store_ask(r->store, page_stmt(a->over, &a->page), params, &r->rows, &r->wait);
    return WAIT;
}

static struct str id_text(struct req *r, const struct uuid *id)
{
    char *text = arena_alloc(&r->arena, UUID_TEXT);
    if (text)
        uuid_format(id, text);
    return (struct str){ text, text ? UUID_TEXT : 0 };
}

enum verdict search_found(struct req *r, struct asking *a)
{
    const struct item asked = a->items[0];
    int id = resource_column(a->over, "id");
    a->found = true;
    if (r->rows.err != OK)
        return req_deny(r, r->rows.err);
    a->items = ARENA_ARRAY(&r->arena, struct item, SEARCH_MAX);
    if (!a->items)
        return req_deny(r, ERR_NO_MEMORY);
    while (a->n < a->page.limit && rows_next(&r->rows)) {
        struct uuid row = rows_uuid(&r->rows, id);
        struct item *item = &a->items[a->n++];
        *item = asked;
        item->name = id_text(r, &row);
        *(a->of_subjects ? &item->question.subject : &item->question.row) = item->name;
    }
    if (r->rows.count > a->page.limit) {
        struct text next = text_new(&r->arena, 128);
        page_token_write(&next, a->over, &a->page, resource_row(&r->arena, a->over, &r->rows));
        a->next = text_str(&next);
    }
    rows_fini(&r->rows);
    return r->arena.failed ? req_deny(r, ERR_NO_MEMORY) : asking_go_on(r, a, false);
}

/* Nothing is there to be searched. */
static enum verdict reply_none(struct req *r, struct asking *a)
{
    a->n = 0;
    return asking_reply(r, a);
}

enum verdict search_resource(struct req *r)
{
    struct asking *a = asking_new(r);
    struct item asked = { 0 };
    struct uuid viewer;
    if (!a)
        return req_deny(r, ERR_NO_MEMORY);
    enum err err = read_subject(r, asked_member(r, "subject"), &asked, true);
    if (err == OK)
        err = read_resource(r, asked_member(r, "resource"), &asked, false);
    if (err == OK)
        err = read_action(r, asked_member(r, "action"), &asked);
    if (err != OK)
        return asking_begin(r, err, a);
    a->over = asked.question.res;
    search_begin(a, a->over ? a->over->noun : "");
    if (asked.unknown || !a->over->list || !uuid_parse(asked.question.subject, &viewer))
        return reply_none(r, a);
    err = prepare(r, a, &asked);
    return err == OK ? ask_rows(r, a, &viewer) : req_deny(r, err);
}

/* ---- subjects ---- */

/* No path of its own leads to the row: all users have to be asked about. */
static bool open_to_all(const struct question *q, const struct facts *f)
{
    bool open = q->res->common || (f->shared && f->visibility >= VISIBLE_SIGNED_IN);
    return !q->res->owned || (open && q->access <= ACCESS_READ);
}

static enum verdict subjects_looked(struct req *r, struct asking *a)
{
    const struct page *p = &a->page;
    const struct facts *f = a->look.facts;
    if (a->look.err != OK)
        return req_deny_for(r, a->look.err, "no decision can be made");
    if (!f)
        return reply_none(r, a);
    if (open_to_all(&a->items[0].question, f))
        return ask_rows(r, a, &r->who->user_id);
    ask_user_near(r->store, &r->arena, 2 * p->sort + p->down, &f->id, &f->owner, &f->project,
                  &f->project_owner, p->after ? &p->after_key : NULL,
                  p->after ? &p->after_id : NULL, p->limit + 1, &r->rows, &r->wait);
    return WAIT;
}

enum verdict search_looked(struct req *r, struct asking *a)
{
    if (look_again(r, &a->look) == WAIT)
        return WAIT;
    a->looking = false;
    return subjects_looked(r, a);
}

/* The row's facts say who comes into question. */
static enum verdict look_at(struct req *r, struct asking *a, const struct question *q)
{
    struct uuid id;
    if (!uuid_parse(q->row, &id) || !uuid_acceptable(&id))
        return reply_none(r, a);
    a->looking = look_begin(r, &a->look, q->res, &id) == WAIT;
    return a->looking ? WAIT : subjects_looked(r, a);
}

enum verdict search_subject(struct req *r)
{
    struct asking *a = asking_new(r);
    struct item asked = { 0 };
    if (!a)
        return req_deny(r, ERR_NO_MEMORY);
    enum err err = may_evaluate(r) ? OK : ERR_FORBIDDEN;
    if (err == OK)
        err = read_subject(r, asked_member(r, "subject"), &asked, false);
    if (err == OK)
        err = read_resource(r, asked_member(r, "resource"), &asked, true);
    if (err == OK)
        err = read_action(r, asked_member(r, "action"), &asked);
    if (err != OK)
        return asking_begin(r, err, a);
    search_begin(a, "user");
    a->over = &users;
    a->of_subjects = true;
    if (asked.unknown)
        return reply_none(r, a);
    err = prepare(r, a, &asked);
    return err == OK ? look_at(r, a, &asked.question) : req_deny(r, err);
}
