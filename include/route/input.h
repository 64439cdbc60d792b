/* route/input.h: the body of a change, read strictly against the declared fields.
 * 400 for what cannot be read, an unknown or a duplicate key; 415 for another media type; 422 with errors[] for
 * values. A tolerant action passes over unknown keys, and what does not fit it is 400.
 */
#ifndef ROUTE_INPUT_H
#define ROUTE_INPUT_H

#include "base/json.h"
#include "route/resource.h"

#define INPUT_FIELDS_MAX 32

/* Values by the index of the field in `fields`. OBJECT, ANY and TEXTS become VALUE_JSON, ONEOF becomes VALUE_TEXT. */
struct input {
    const struct field *fields;
    int n;
    const struct json *json; /* the whole body */
    struct value at[INPUT_FIELDS_MAX];
    bool given[INPUT_FIELDS_MAX]; /* stood in the body */
    const struct json *raw[INPUT_FIELDS_MAX];
};

/* Stage `input`: for actions with a body reads r->body into r->input; for lists reads the query into r->page; any
 * other query parameter is ERR_BAD_QUERY. PATCH takes application/merge-patch+json too, requires nothing and refuses
 * fixed fields that would change. `metadata` (an object of at most 16 KiB) is a field of every resource without
 * saying. */
enum verdict input_read(struct req *r);

/* The value of a field by name: of the right type, or null/absent. must() on a name that is not declared. */
const struct value *input_value(const struct req *r, const char *name);
bool input_given(const struct req *r, const char *name);
struct str input_text(const struct req *r, const char *name);
int64_t input_int(const struct req *r, const char *name);

/* One value against one field, for defaults and filters (text form): false and a fault when it does not fit. */
bool field_read_json(struct req *r, const struct field *f, const struct json *v, struct value *out);
bool field_read_text(struct req *r, const struct field *f, struct str text, struct value *out);
/* The default of a field at creation. */
struct value field_standard(struct arena *a, const struct field *f);

#endif
