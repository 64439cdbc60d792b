/* field.c: one value against one declared field. */
#include "field.h"

#include "base/clock.h"
#include "route/input.h"

#define TEXT_MAX 200   /* a text over this is prose: it may have line ends and tabs */
#define TEXTS_MAX 100
#define JSON_MAX 65536
#define METADATA_MAX 16384

const struct field metadata_field = {
    "metadata", OBJECT, .max = METADATA_MAX, .standard = "{}", .says = "Whatever the caller keeps with the row.",
};

enum value_type field_value_type(const struct field *f)
{
    static const enum value_type types[] = {
        [TEXT] = VALUE_TEXT,  [ONEOF] = VALUE_TEXT,  [UUID] = VALUE_UUID, [INT] = VALUE_INT,  [REAL] = VALUE_REAL,
        [BOOL] = VALUE_BOOL,  [TIME] = VALUE_TIME,   [ANY] = VALUE_JSON,  [OBJECT] = VALUE_JSON, [TEXTS] = VALUE_JSON,
    };
    return types[f->type];
}

int64_t field_min(const struct field *f)
{
    return f->min == 0 && f->required && f->type == TEXT ? 1 : f->min;
}

int64_t field_max(const struct field *f)
{
    if (f->max > 0)
        return f->max;
    return f->type == TEXT ? TEXT_MAX : f->type == TEXTS ? TEXTS_MAX : JSON_MAX;
}

bool field_ranged(const struct field *f)
{
    return f->min != 0 || f->max != 0;
}

int field_index(const struct field *fields, int n, struct str name)
{
    for (int i = 0; i < n; i++)
        if (str_eq(name, str_of(fields[i].name)))
            return i;
    return -1;
}

/* ---- refusing ---- */

static bool refuse(struct req *r, const char *field, const char *code, const char *message)
{
    req_fault(r, field, code, message);
    return false;
}

static bool refuse_range(struct req *r, const char *field, const char *code, int64_t min,
                         int64_t max, const char *of)
{
    struct text t = text_new(&r->arena, 64);
    text_printf(&t, "Must be %lld to %lld%s.", (long long)min, (long long)max, of);
    text_char(&t, '\0');
    return refuse(r, field, code, t.failed ? "Out of range." : t.p);
}

static bool refuse_choice(struct req *r, const char *field, const char *oneof)
{
    struct text t = text_new(&r->arena, 64);
    struct str rest = str_of(oneof), word;
    text_lit(&t, "Must be one of");
    while (str_cut(&rest, '|', &word)) {
        text_char(&t, ' ');
        text_add(&t, word);
        text_char(&t, rest.p ? ',' : '.');
    }
    text_char(&t, '\0');
    return refuse(r, field, "oneof", t.failed ? "Not one of the choices." : t.p);
}

/* ---- texts ---- */

/* C0, DEL and C1. Valid UTF-8 is given, so C2 is followed by one byte more. */
static bool has_control(struct str s, bool prose)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c < 0x20 && !(prose && (c == '\n' || c == '\t')))
            return true;
        if (c == 0x7f || (c == 0xc2 && i + 1 < s.n && (unsigned char)s.p[i + 1] < 0xa0))
            return true;
    }
    return false;
}

static bool read_text(struct req *r, const struct field *f, struct str text, struct value *out)
{
    int64_t min = field_min(f), max = field_max(f);
    if ((int64_t)text.n < min || (int64_t)text.n > max)
        return refuse_range(r, f->name, "length", min, max, " bytes long");
    if (has_control(text, max > TEXT_MAX))
        return refuse(r, f->name, "format", "Must not have control characters.");
    out->text = text;
    return true;
}

static bool read_choice(struct req *r, const struct field *f, struct str text, struct value *out)
{
    if (!str_oneof(text, f->oneof))
        return refuse_choice(r, f->name, f->oneof);
    out->text = text;
    return true;
}

static bool read_uuid(struct req *r, const struct field *f, struct str text, struct value *out)
{
    if (!uuid_parse(text, &out->uuid) || !uuid_acceptable(&out->uuid))
        return refuse(r, f->name, "format", "Must be a UUID of version 4 or 7.");
    return true;
}

static bool read_time(struct req *r, const struct field *f, struct str text, struct value *out)
{
    if (!clock_parse(text, &out->i))
        return refuse(r, f->name, "format", "Must be an RFC 3339 time.");
    return true;
}

/* ---- numbers ---- */

static bool read_int(struct req *r, const struct field *f, const struct json *v, struct value *out)
{
    if (json_type(v) != JSON_INT)
        return refuse(r, f->name, "type", "Must be an integer.");
    out->i = json_int(v);
    if (field_ranged(f) && (out->i < f->min || out->i > f->max))
        return refuse_range(r, f->name, "range", f->min, f->max, "");
    return true;
}

static bool read_real(struct req *r, const struct field *f, const struct json *v, struct value *out)
{
    if (json_type(v) != JSON_INT && json_type(v) != JSON_REAL)
        return refuse(r, f->name, "type", "Must be a number.");
    out->real = json_real(v);
    if (field_ranged(f) && (out->real < (double)f->min || out->real > (double)f->max))
        return refuse_range(r, f->name, "range", f->min, f->max, "");
    return true;
}

static bool read_bool(struct req *r, const struct field *f, const struct json *v, struct value *out)
{
    if (json_type(v) != JSON_BOOL)
        return refuse(r, f->name, "type", "Must be true or false.");
    out->i = json_bool(v);
    return true;
}

/* ---- what stays JSON ---- */

static bool keep_json(struct req *r, const struct json *v, struct value *out)
{
    struct text t = text_new(&r->arena, 256);
    json_put(&t, v);
    if (t.failed)
        return false; /* the arena remembers that it is full */
    out->text = text_str(&t);
    return true;
}

static bool read_tree(struct req *r, const struct field *f, const struct json *v, struct value *out)
{
    if (f->type == OBJECT && json_type(v) != JSON_OBJECT)
        return refuse(r, f->name, "type", "Must be an object.");
    if (!keep_json(r, v, out))
        return false;
    if ((int64_t)out->text.n > field_max(f))
        return refuse_range(r, f->name, "length", 0, field_max(f), " bytes long as compact JSON");
    return true;
}

/* One element, judged as a text of its own under the name "field.index". */
static bool read_element(struct req *r, const struct field *f, size_t index, const struct json *v)
{
    struct text name = text_new(&r->arena, 40);
    text_printf(&name, "%s.%zu", f->name, index);
    text_char(&name, '\0');
    const struct field element = {
        name.failed ? f->name : name.p, f->oneof ? ONEOF : TEXT, .required = true, .oneof = f->oneof,
    };
    struct value ignored;
    return field_read_json(r, &element, v, &ignored);
}

static bool read_texts(struct req *r, const struct field *f, const struct json *v,
                       struct value *out)
{
    if (json_type(v) != JSON_ARRAY)
        return refuse(r, f->name, "type", "Must be an array of texts.");
    if ((int64_t)json_count(v) < f->min || (int64_t)json_count(v) > field_max(f))
        return refuse_range(r, f->name, "length", f->min, field_max(f), " elements");

    struct json_walk w = json_walk(v);
    bool fine = true;
    for (size_t i = 0; json_next(&w); i++)
        fine = read_element(r, f, i, w.value) && fine;
    return fine && keep_json(r, v, out);
}

/* ---- the two forms ---- */

bool field_read_json(struct req *r, const struct field *f, const struct json *v, struct value *out)
{
    *out = (struct value){ .type = field_value_type(f) };
    if (json_type(v) == JSON_NULL) {
        out->null = true;
        return f->null || refuse(r, f->name, "type", "Must not be null.");
    }
    switch (f->type) {
    case INT:
        return read_int(r, f, v, out);
    case REAL:
        return read_real(r, f, v, out);
    case BOOL:
        return read_bool(r, f, v, out);
    case OBJECT:
    case ANY:
        return read_tree(r, f, v, out);
    case TEXTS:
        return read_texts(r, f, v, out);
    default:
        if (json_type(v) != JSON_TEXT)
            return refuse(r, f->name, "type", "Must be a text.");
        return field_read_text(r, f, json_text(v), out);
    }
}

bool field_read_text(struct req *r, const struct field *f, struct str text, struct value *out)
{
    const struct json *v;
    *out = (struct value){ .type = field_value_type(f) };
    switch (f->type) {
    case TEXT:
        return read_text(r, f, text, out);
    case ONEOF:
        return read_choice(r, f, text, out);
    case UUID:
        return read_uuid(r, f, text, out);
    case TIME:
        return read_time(r, f, text, out);
    default: /* a number or a truth value is written as in JSON */
        if (json_read(&r->arena, text, &v) != OK || json_type(v) == JSON_NULL)
            return refuse(r, f->name, "type", "Cannot be read.");
        return field_read_json(r, f, v, out);
    }
}

struct value field_standard(struct arena *a, const struct field *f)
{
    struct value out = { .type = field_value_type(f), .null = true };
    const struct json *v;
    if (!f->standard)
        return out;
    if (json_read(a, str_of(f->standard), &v) != OK || json_type(v) == JSON_NULL)
        return out; /* memory is out; resources_check has read the text before */

    out.null = false;
    switch (f->type) {
    case TEXT:
    case ONEOF:
        out.text = json_text(v);
        break;
    case UUID:
        out.null = !uuid_parse(json_text(v), &out.uuid);
        break;
    case TIME:
        out.null = !clock_parse(json_text(v), &out.i);
        break;
    case INT:
        out.i = json_int(v);
        break;
    case BOOL:
        out.i = json_bool(v);
        break;
    case REAL:
        out.real = json_real(v);
        break;
    default:
        out.text = str_of(f->standard);
        break;
    }
    return out;
}
