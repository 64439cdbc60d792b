/* base/json.h: strict JSON in (RFC 8259), compact JSON out.
 * Reading refuses what is lenient: byte order mark, invalid UTF-8, U+0000, duplicate keys, depth over 64,
 * integers that do not fit 64 bits, numbers that are not finite, anything behind the value.
 * A value and its text live in the arena that it was read into.
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include "base/str.h"
#include "base/uuid.h"

#include <stdbool.h>
#include <stdint.h>

#define JSON_DEPTH 64

enum json_type { JSON_NULL, JSON_BOOL, JSON_INT, JSON_REAL, JSON_TEXT, JSON_ARRAY, JSON_OBJECT };

struct json; /* one value; borrowed from the arena */

/* ERR_BAD_JSON, ERR_BAD_KEY (duplicate key) or ERR_NO_MEMORY. */
enum err json_read(struct arena *a, struct str text, const struct json **out) CHECKED;

enum json_type json_type(const struct json *v);
/* Each asks for the right type; must() otherwise. */
bool json_bool(const struct json *v);
int64_t json_int(const struct json *v);
double json_real(const struct json *v); /* of an INT too */
struct str json_text(const struct json *v);

/* Elements of an array or members of an object. */
size_t json_count(const struct json *v);
/* The member of that name, or NULL (also when v is NULL or no object). */
const struct json *json_get(const struct json *v, const char *name);

/* Walks an array or object in order: struct json_walk w = json_walk(v); while (json_next(&w)) use w.key, w.value. */
struct json_walk {
    const struct json *value;
    struct str key; /* members only */
    const struct json *in;
    size_t left;
    void *at;
};
struct json_walk json_walk(const struct json *v);
bool json_next(struct json_walk *w);

/* Writing: appends to the text. Strings must be valid UTF-8. */
void json_put_text(struct text *t, struct str s); /* quoted and escaped */
void json_put_real(struct text *t, double v); /* shortest form that reads back */
void json_put_bool(struct text *t, bool v);
void json_put_time(struct text *t, int64_t wall); /* quoted RFC 3339 */
void json_put_uuid(struct text *t, const struct uuid *id); /* quoted */
void json_put(struct text *t, const struct json *v); /* a value read before, compact */
/* ,"name": (with the comma unless the text ends in '{'); name is ASCII without escapes. */
void json_key(struct text *t, const char *name);

/* RFC 7396: patch applied to target (NULL or non-object target counts as {}), written to out. */
void json_merge(struct text *out, const struct json *target, const struct json *patch);

#endif
