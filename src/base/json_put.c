#include "base/clock.h"
#include "json_value.h"
#include "plain.h"

#include <math.h>

static bool special(char c)
{
    return (unsigned char)c < 0x20 || c == '"' || c == '\\';
}

/* Bytes in front that are written as they are. */
static size_t plain_run(struct str s)
{
    size_t n = 0;
    while (s.n - n >= 8 && !plain_none8(plain_word(s.p + n)))
        n += 8;
    while (n < s.n && !special(s.p[n]))
        n++;
    return n;
}

static void put_escape(struct text *t, char c)
{
    static const char hex[] = "0123456789abcdef";
    static const char letters[32] = {
        ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'
    };
    unsigned char u = (unsigned char)c;

    char letter = u < 0x20 ? letters[u] : c;
    if (letter) {
        text_add(t, (struct str){ (char[]){ '\\', letter }, 2 });
        return;
    }
    text_lit(t, "\\u00");
    text_add(t, (struct str){ (char[]){ hex[u >> 4], hex[u & 15] }, 2 });
}

void json_put_text(struct text *t, struct str s)
{
    text_room(t, s.n + 2);
    text_char(t, '"');
    while (s.n) {
        size_t run = plain_run(s);
        text_add(t, (struct str){ s.p, run });
        if (run == s.n)
            break;
        put_escape(t, s.p[run]);
        s = (struct str){ s.p + run + 1, s.n - run - 1 };
    }
    text_char(t, '"');
}

void json_put_real(struct text *t, double v)
{
    char memory[512];
    yyjson_alc alc;
    yyjson_val value;
    size_t n = 0;

    if (!isfinite(v)) {
        text_lit(t, "null"); /* JSON has no word for it */
        return;
    }
    value.tag = YYJSON_TYPE_NUM | YYJSON_SUBTYPE_REAL;
    value.uni.f64 = v;
    yyjson_alc_pool_init(&alc, memory, sizeof(memory));
    char *digits = yyjson_val_write_opts(&value, YYJSON_WRITE_NOFLAG, &alc, &n, NULL);
    must(digits);
    text_add(t, (struct str){ digits, n });
}

void json_put_bool(struct text *t, bool v)
{
    text_add(t, v ? STR("true") : STR("false"));
}

void json_put_time(struct text *t, int64_t wall)
{
    char *at = text_room(t, CLOCK_RFC3339 + 2);
    if (!at)
        return;
    at[0] = at[CLOCK_RFC3339 + 1] = '"';
    clock_format(wall, at + 1);
    t->n += CLOCK_RFC3339 + 2;
}

void json_put_uuid(struct text *t, const struct uuid *id)
{
    char *at = text_room(t, UUID_TEXT + 2);
    if (!at)
        return;
    at[0] = at[UUID_TEXT + 1] = '"';
    uuid_format(id, at + 1);
    t->n += UUID_TEXT + 2;
}

static void put_comma(struct text *t, char opening)
{
    if (t->n && t->p[t->n - 1] != opening)
        text_char(t, ',');
}

void json_key(struct text *t, const char *name)
{
    put_comma(t, '{');
    text_char(t, '"');
    text_add(t, str_of(name));
    text_lit(t, "\":");
}

/* A name that was read: it may need escapes. */
static void put_name(struct text *t, struct str name)
{
    put_comma(t, '{');
    json_put_text(t, name);
    text_char(t, ':');
}

static void put_array(struct text *t, const struct json *v)
{
    struct json_walk w = json_walk(v);
    text_char(t, '[');
    for (bool first = true; json_next(&w); first = false) {
        if (!first)
            text_char(t, ',');
        json_put(t, w.value);
    }
    text_char(t, ']');
}

static void put_object(struct text *t, const struct json *v)
{
    struct json_walk w = json_walk(v);
    text_char(t, '{');
    while (json_next(&w)) {
        put_name(t, w.key);
        json_put(t, w.value);
    }
    text_char(t, '}');
}

/* Calls itself at most JSON_DEPTH deep: what was read is no deeper. */
void json_put(struct text *t, const struct json *v)
{
    switch (json_type(v)) {
    case JSON_NULL:
        text_lit(t, "null");
        break;
    case JSON_BOOL:
        json_put_bool(t, json_bool(v));
        break;
    case JSON_INT:
        text_int(t, json_int(v));
        break;
    case JSON_REAL:
        json_put_real(t, json_real(v));
        break;
    case JSON_TEXT:
        json_put_text(t, json_text(v));
        break;
    case JSON_ARRAY:
        put_array(t, v);
        break;
    case JSON_OBJECT:
        put_object(t, v);
        break;
    }
}

void json_merge(struct text *out, const struct json *target, const struct json *patch)
{
    if (json_type(patch) != JSON_OBJECT) {
        json_put(out, patch);
        return;
    }

    struct json_index before, change;
    if (json_index(out->arena, target, &before) != OK ||
        json_index(out->arena, patch, &change) != OK) {
        out->failed = true; /* names are unique in what was read, so memory is out */
        return;
    }

    struct json_walk kept = json_walk(before.object), given = json_walk(patch);
    text_char(out, '{');
    while (json_next(&kept)) {
        const struct json *with = json_index_find(&change, kept.key);
        if (with && json_type(with) == JSON_NULL)
            continue;
        put_name(out, kept.key);
        if (with)
            json_merge(out, kept.value, with);
        else
            json_put(out, kept.value);
    }
    while (json_next(&given)) {
        if (json_type(given.value) == JSON_NULL || json_index_find(&before, given.key))
            continue;
        put_name(out, given.key);
        json_merge(out, NULL, given.value);
    }
    text_char(out, '}');
}
