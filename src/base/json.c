#include "base/json.h"

#include "base/hash.h"
#include "json_value.h"

#define WALKED_MOST 16 /* members of an object that need no table */

static void *alc_malloc(void *arena, size_t size)
{
    return arena_alloc(arena, size);
}

static void *alc_realloc(void *arena, void *p, size_t old, size_t size)
{
    return arena_grow(arena, p, old, size);
}

static void alc_free(void *arena, void *p)
{
    (void)arena;
    (void)p;
}

/* ---- members by name ---- */

static yyjson_val *key_after(yyjson_val *key)
{
    return unsafe_yyjson_get_next(key + 1);
}

static yyjson_val **slot_for(const struct json_index *index, struct str name)
{
    size_t at = (size_t)hash_bytes(name.p, name.n) & index->mask;
    while (index->slots[at] && !str_eq(json_str(index->slots[at]), name))
        at = (at + 1) & index->mask;
    return &index->slots[at];
}

static yyjson_val *walk_to(yyjson_val *key, size_t members, struct str name)
{
    for (; members; members--, key = key_after(key))
        if (str_eq(json_str(key), name))
            return key;
    return NULL;
}

static enum err index_few(yyjson_val *key, size_t members)
{
    for (; members > 1; members--, key = key_after(key))
        if (walk_to(key_after(key), members - 1, json_str(key)))
            return ERR_BAD_KEY;
    return OK;
}

static enum err index_many(struct arena *a, struct json_index *index, yyjson_val *key,
                           size_t members)
{
    size_t size = 4 * WALKED_MOST;
    while (size < 2 * members)
        size *= 2;
    index->slots = ARENA_ARRAY(a, yyjson_val *, size);
    index->mask = size - 1;
    if (!index->slots)
        return ERR_NO_MEMORY;

    for (; members; members--, key = key_after(key)) {
        yyjson_val **slot = slot_for(index, json_str(key));
        if (*slot)
            return ERR_BAD_KEY;
        *slot = key;
    }
    return OK;
}

enum err json_index(struct arena *a, const struct json *object, struct json_index *out)
{
    *out = (struct json_index){ .object = object };
    size_t members = object && json_type(object) == JSON_OBJECT ? json_count(object) : 0;
    if (members == 0) {
        out->object = NULL;
        return OK;
    }

    yyjson_val *first = unsafe_yyjson_get_first(json_yy(object));
    return members <= WALKED_MOST ? index_few(first, members) : index_many(a, out, first, members);
}

const struct json *json_index_find(const struct json_index *index, struct str name)
{
    if (!index->object)
        return NULL;
    yyjson_val *object = json_yy(index->object);
    yyjson_val *key = index->slots
                          ? *slot_for(index, name)
                          : walk_to(unsafe_yyjson_get_first(object), yyjson_obj_size(object), name);
    return key ? json_of(key + 1) : NULL;
}

/* ---- reading ---- */

/* What yyjson lets pass and we do not, but for depth. Numbers that it cannot hold exactly come as raw text. */
static enum err check_value(struct arena *a, yyjson_val *v)
{
    struct json_index index;
    switch (unsafe_yyjson_get_type(v)) {
    case YYJSON_TYPE_RAW:
        return ERR_BAD_JSON;
    case YYJSON_TYPE_NUM:
        return yyjson_is_uint(v) && unsafe_yyjson_get_uint(v) > INT64_MAX ? ERR_BAD_JSON : OK;
    case YYJSON_TYPE_STR:
        return memchr(json_str(v).p, '\0', json_str(v).n) ? ERR_BAD_JSON : OK;
    case YYJSON_TYPE_OBJ:
        return json_index(a, json_of(v), &index);
    default:
        return OK;
    }
}

/* A document lies in memory in the order of its text, so one pass sees every value, and a container ends where the
 * next value begins. */
static enum err check(struct arena *a, yyjson_val *root)
{
    yyjson_val *ends[JSON_DEPTH], *end = unsafe_yyjson_get_next(root);
    int depth = 0;

    for (yyjson_val *v = root; v < end; v++) {
        while (depth > 0 && v == ends[depth - 1])
            depth--;
        if (unsafe_yyjson_is_ctn(v)) {
            if (depth == JSON_DEPTH)
                return ERR_BAD_JSON;
            ends[depth++] = unsafe_yyjson_get_next(v);
        }
        TRY(check_value(a, v));
    }
    return OK;
}

enum err json_read(struct arena *a, struct str text, const struct json **out)
{
    yyjson_alc alc = { alc_malloc, alc_realloc, alc_free, a };
    yyjson_read_err fault;
    *out = NULL;

    /* Without the in-situ flag the text is not written to. */
    yyjson_doc *doc =
        yyjson_read_opts((char *)text.p, text.n, YYJSON_READ_BIGNUM_AS_RAW, &alc, &fault);
    if (!doc)
        return fault.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION ? ERR_NO_MEMORY : ERR_BAD_JSON;

    yyjson_val *root = yyjson_doc_get_root(doc);
    TRY(check(a, root));
    *out = json_of(root);
    return OK;
}

/* ---- looking ---- */

enum json_type json_type(const struct json *v)
{
    switch (unsafe_yyjson_get_type(json_yy(v))) {
    case YYJSON_TYPE_BOOL:
        return JSON_BOOL;
    case YYJSON_TYPE_NUM:
        return yyjson_is_real(json_yy(v)) ? JSON_REAL : JSON_INT;
    case YYJSON_TYPE_STR:
        return JSON_TEXT;
    case YYJSON_TYPE_ARR:
        return JSON_ARRAY;
    case YYJSON_TYPE_OBJ:
        return JSON_OBJECT;
    default:
        return JSON_NULL;
    }
}

bool json_bool(const struct json *v)
{
    must(json_type(v) == JSON_BOOL);
    return unsafe_yyjson_get_bool(json_yy(v));
}

int64_t json_int(const struct json *v)
{
    must(json_type(v) == JSON_INT);
    return unsafe_yyjson_get_sint(json_yy(v));
}

double json_real(const struct json *v)
{
    enum json_type type = json_type(v);
    must(type == JSON_REAL || type == JSON_INT);
    return type == JSON_REAL ? unsafe_yyjson_get_real(json_yy(v)) : (double)json_int(v);
}

struct str json_text(const struct json *v)
{
    must(json_type(v) == JSON_TEXT);
    return json_str(json_yy(v));
}

size_t json_count(const struct json *v)
{
    must(json_type(v) == JSON_ARRAY || json_type(v) == JSON_OBJECT);
    return unsafe_yyjson_get_len(json_yy(v));
}

const struct json *json_get(const struct json *v, const char *name)
{
    return v ? json_of(yyjson_obj_getn(json_yy(v), name, strlen(name))) : NULL;
}

struct json_walk json_walk(const struct json *v)
{
    struct json_walk w = { .in = v };
    if (v && unsafe_yyjson_is_ctn(json_yy(v))) {
        w.left = json_count(v);
        w.at = unsafe_yyjson_get_first(json_yy(v));
    }
    return w;
}

bool json_next(struct json_walk *w)
{
    if (w->left == 0)
        return false;
    w->left--;

    yyjson_val *at = w->at;
    if (json_type(w->in) == JSON_OBJECT)
        w->key = json_str(at++);
    w->value = json_of(at);
    w->at = unsafe_yyjson_get_next(at);
    return true;
}
