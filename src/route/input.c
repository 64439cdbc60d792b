#include "route/input.h"

#include "field.h"
#include "route/page.h"
#include "shape.h"

#define NAME_SHOWN 64 /* bytes of a stranger's key that a fault repeats */

/* ---- media types ---- */

static bool charset_utf8(struct str parameter)
{
    return str_ieq(parameter, STR("charset=utf-8")) || str_ieq(parameter, STR("charset=\"utf-8\""));
}

static bool media_fits(const struct req *r)
{
    struct str rest = r->content_type, type, parameter;
    if (!str_cut(&rest, ';', &type))
        return false;
    type = str_trim(type);
    if (!str_ieq(type, STR("application/json")) &&
        !(r->method == PATCH && str_ieq(type, STR("application/merge-patch+json"))))
        return false;
    while (str_cut(&rest, ';', &parameter)) {
        parameter = str_trim(parameter);
        if (parameter.n > 0 && !charset_utf8(parameter))
            return false;
    }
    return true;
}

/* ---- faults ---- */

/* A name that the caller chose, cut to a sane length between two characters. */
static const char *shown_name(struct req *r, struct str name)
{
    size_t n = name.n < NAME_SHOWN ? name.n : NAME_SHOWN;
    while (n < name.n && n > 0 && ((unsigned char)name.p[n] & 0xc0) == 0x80)
        n--;
    const char *shown = arena_copy(&r->arena, name.p, n);
    return shown ? shown : "";
}

static void fault_key(struct req *r, struct str key)
{
    const char *name = shown_name(r, key);
    if (resource_field(r->resource, name) || resource_column(r->resource, name) >= 0)
        req_fault(r, name, "readonly", "Cannot be set here.");
    else
        req_fault(r, name, "unknown", "There is no such field.");
}

/* ---- reading ---- */

static struct input *input_new(struct req *r)
{
    struct input *in = ARENA_NEW(&r->arena, struct input);
    if (!in)
        return NULL;
    in->n = action_fields(r->action, r->resource, &in->fields);
    must(in->n <= INPUT_FIELDS_MAX);
    return in;
}

/* A value that does not fit: 422, but for those whose standard knows only 400. */
static enum err unfit(const struct req *r)
{
    return r->action->tolerant ? ERR_BAD_REQUEST : ERR_INVALID;
}

/* Finds each key's field. Strange keys are named, as many as fit, before the request is refused: a body of a
 * hundred thousand of them costs no more than that.
 */
static enum err read_keys(struct req *r, struct input *in)
{
    struct json_walk w = json_walk(in->json);
    enum err err = OK;
    while (r->nfaults < FAULTS_MAX && json_next(&w)) {
        int i = field_index(in->fields, in->n, w.key);
        if (i < 0 && r->action->tolerant)
            continue;
        if (i < 0 || in->fields[i].shown) {
            fault_key(r, w.key);
            err = ERR_BAD_KEY;
            continue;
        }
        in->given[i] = true;
        in->raw[i] = w.value;
    }
    return err;
}

/* One field that may or may not have been given; false when it does not fit. */
static bool read_value(struct req *r, struct input *in, int i)
{
    const struct field *f = &in->fields[i];
    bool patch = r->method == PATCH;

    in->at[i] = (struct value){ .type = field_value_type(f), .null = true };
    if (in->given[i] && patch && f->fixed) {
        req_fault(r, f->name, "fixed", "Cannot be changed.");
        return false;
    }
    if (in->given[i])
        return field_read_json(r, f, in->raw[i], &in->at[i]);
    if (patch)
        return true;
    if (f->required) {
        req_fault(r, f->name, "required", "Must be given.");
        return false;
    }
    in->at[i] = field_standard(&r->arena, f);
    return true;
}

static enum err read_values(struct req *r, struct input *in)
{
    bool fine = true;
    for (int i = 0; i < in->n; i++)
        fine = read_value(r, in, i) && fine;
    if (r->arena.failed)
        return ERR_NO_MEMORY;
    return fine ? OK : unfit(r);
}

static enum err read_body(struct req *r)
{
    struct input *in = input_new(r);
    struct str body = r->body;
    if (!in)
        return ERR_NO_MEMORY;
    if (body.n == 0) {
        if (action_needs_body(r->action, r->resource))
            return ERR_BAD_JSON;
        body = STR("{}");
    } else if (!media_fits(r)) {
        return ERR_MEDIA_TYPE;
    }

    enum err err = json_read(&r->arena, body, &in->json);
    if (err == ERR_BAD_KEY)
        req_fault(r, "", "duplicate", "A key stands twice in one object.");
    if (err != OK)
        return err;
    if (json_type(in->json) != JSON_OBJECT) {
        req_fault(r, "", "type", "Must be an object.");
        return unfit(r);
    }
    TRY(read_keys(r, in));
    TRY(read_values(r, in));
    r->input = in;
    return OK;
}

static enum err read_query(struct req *r)
{
    struct str query = r->query, name, value;
    enum err err = OK;
    if (r->action->list) {
        r->page = ARENA_NEW(&r->arena, struct page);
        return r->page ? page_read(r, r->page) : ERR_NO_MEMORY;
    }
    if (r->query.n == 0 || r->signature)
        return OK; /* a signature is all that its query holds */
    if (query_next(&r->arena, &query, &name, &value, &err)) {
        req_fault(r, shown_name(r, name), "unknown", "There is no such parameter.");
        return ERR_BAD_QUERY;
    }
    return err;
}

enum verdict input_read(struct req *r)
{
    if (r->action->unread)
        return NEXT;
    enum err err = read_query(r);
    if (err != OK)
        return req_deny(r, err);
    if (action_takes_body(r->action)) {
        err = read_body(r);
    } else if (r->body.n > 0) {
        req_fault(r, "", "unknown", "This takes no body.");
        err = ERR_BAD_REQUEST;
    }
    return err == OK ? NEXT : req_deny(r, err);
}

/* ---- what was read ---- */

static int place_of(const struct req *r, const char *name)
{
    must(r->input);
    int i = field_index(r->input->fields, r->input->n, str_of(name));
    must(i >= 0);
    return i;
}

const struct value *input_value(const struct req *r, const char *name)
{
    return &r->input->at[place_of(r, name)];
}

bool input_given(const struct req *r, const char *name)
{
    return r->input->given[place_of(r, name)];
}

struct str input_text(const struct req *r, const char *name)
{
    const struct value *v = input_value(r, name);
    must(v->type == VALUE_TEXT || v->type == VALUE_JSON);
    return v->null ? STR_NONE : v->text;
}

int64_t input_int(const struct req *r, const char *name)
{
    const struct value *v = input_value(r, name);
    must(v->type == VALUE_INT || v->type == VALUE_TIME || v->type == VALUE_BOOL);
    return v->null ? 0 : v->i;
}
