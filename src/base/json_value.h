/* src/base/json_value.h: what reading and writing JSON share: a value is a value of yyjson, and an index finds
 * an object's members without walking it for each. yyjson.h is included here alone.
 */
#ifndef BASE_JSON_VALUE_H
#define BASE_JSON_VALUE_H

#include "base/json.h"

#include <yyjson.h>

static inline yyjson_val *json_yy(const struct json *v)
{
    return (yyjson_val *)v;
}

static inline const struct json *json_of(yyjson_val *v)
{
    return (const struct json *)v;
}

static inline struct str json_str(yyjson_val *v)
{
    return (struct str){ unsafe_yyjson_get_str(v), unsafe_yyjson_get_len(v) };
}

/* The members of one object. Few are walked; for many there is a table of slots, at most half full. */
struct json_index {
    const struct json *object;
    yyjson_val **slots; /* keys, or NULL */
    size_t mask;
};

/* ERR_BAD_KEY when a name occurs twice, ERR_NO_MEMORY. object may be NULL or another type: it has no members. */
enum err json_index(struct arena *a, const struct json *object, struct json_index *out) CHECKED;
/* The value of that member, or NULL. */
const struct json *json_index_find(const struct json_index *index, struct str name);

#endif
