/* route/resource.h: what the system has and what can be done to it, declared once.
 * A resource is a const table in src/api; router, validator, OpenAPI, permission matrix, `gatehouse routes` and the
 * generic handlers (api/crud.h) are walks over it. Start refuses a row that is incomplete (resources_check).
 */
#ifndef ROUTE_RESOURCE_H
#define ROUTE_RESOURCE_H

#include "cache/cache.h"
#include "http/req.h"
#include "store/store.h"

/* Every permission: PERMIT(ID, "noun:verb"). Bits of struct principal.permits. The three above the list are no
 * permissions. */
#define PERMITS(PERMIT)                                                                            \
    PERMIT(STARTUP_CREATE, "startup:create")                                                       \
    PERMIT(STARTUP_READ, "startup:read")                                                           \
    PERMIT(STARTUP_UPDATE, "startup:update")                                                       \
    PERMIT(STARTUP_DELETE, "startup:delete")                                                       \
    PERMIT(AGENT_CREATE, "agent:create")                                                           \
    PERMIT(AGENT_READ, "agent:read")                                                               \
    PERMIT(AGENT_UPDATE, "agent:update")                                                           \
    PERMIT(AGENT_DELETE, "agent:delete")                                                           \
    PERMIT(TASK_CREATE, "task:create")                                                             \
    PERMIT(TASK_READ, "task:read")                                                                 \
    PERMIT(TASK_UPDATE, "task:update")                                                             \
    PERMIT(TASK_DELETE, "task:delete")                                                             \
    PERMIT(TEAM_CREATE, "team:create")                                                              \
    PERMIT(TEAM_READ, "team:read")                                                                  \
    PERMIT(TEAM_UPDATE, "team:update")                                                              \
    PERMIT(TEAM_DELETE, "team:delete")                                                              \
    PERMIT(PROJECT_CREATE, "project:create")                                                        \
    PERMIT(PROJECT_READ, "project:read")                                                            \
    PERMIT(PROJECT_UPDATE, "project:update")                                                        \
    PERMIT(PROJECT_DELETE, "project:delete")                                                        \
    PERMIT(GENERATION_CREATE, "generation:create")                                                  \
    PERMIT(GENERATION_READ, "generation:read")                                                      \
    PERMIT(GENERATION_UPDATE, "generation:update")                                                  \
    PERMIT(GENERATION_DELETE, "generation:delete")                                                  \
    PERMIT(MEDIA_CREATE, "media:create")                                                            \
    PERMIT(MEDIA_READ, "media:read")                                                                \
    PERMIT(MEDIA_UPDATE, "media:update")                                                            \
    PERMIT(MEDIA_DELETE, "media:delete")                                                            \
    PERMIT(MODEL_CREATE, "model:create")                                                            \
    PERMIT(MODEL_READ, "model:read")                                                                \
    PERMIT(MODEL_UPDATE, "model:update")                                                            \
    PERMIT(MODEL_DELETE, "model:delete")                                                            \
    PERMIT(TEMPLATE_CREATE, "template:create")                                                      \
    PERMIT(TEMPLATE_READ, "template:read")                                                          \
    PERMIT(TEMPLATE_UPDATE, "template:update")                                                      \
    PERMIT(TEMPLATE_DELETE, "template:delete")                                                      \
    PERMIT(METRICS_READ, "metrics:read")                                                           \
    PERMIT(LOGS_READ, "logs:read")                                                                 \
    PERMIT(AUDIT_READ, "audit:read")                                                                \
    PERMIT(ACCESS_EVALUATE, "access:evaluate")                                                      \
    PERMIT(USERS_MANAGE, "users:manage")                                                           \
    PERMIT(SYSTEM_CONFIG, "system:config")

enum permit {
    PERMIT_NONE = 0,  /* forgotten: start refuses it, and the gate denies it */
    PERMIT_ANYONE,    /* no credentials needed */
    PERMIT_SIGNED_IN, /* any principal, for what is its own */
#define PERMIT(id, name) PERMIT_##id,
    PERMITS(PERMIT)
#undef PERMIT
        PERMIT_COUNT
};
#define PERMIT_BIT(permit) ((uint64_t)1 << (permit))
#define PERMIT_ALL (((uint64_t)1 << PERMIT_COUNT) - ((uint64_t)1 << PERMIT_STARTUP_CREATE))
/* "startup:create"; "anyone", "signed-in" for the two that are none. */
const char *permit_name(enum permit p);
/* PERMIT_NONE when it is not a permission. */
enum permit permit_find(struct str name);

/* What is done to a row, as a ladder: each includes those before it. CREATE: rows below it (a generation in a project,
 * a medium of a generation). */
enum access {
    ACCESS_NONE,
    ACCESS_READ,
    ACCESS_CREATE,
    ACCESS_WRITE,
    ACCESS_DELETE,
    ACCESS_SHARE,
    ACCESS_ADMIN,
};
/* "read", "create", ... */
const char *access_name(enum access access);

/* Rate classes: RATE(ID, name, per minute, per hour, per day); 0: no such window. */
#define RATES(RATE)                                                                                \
    RATE(NONE, "none", 0, 0, 0)                                                                    \
    RATE(DEFAULT, "default", 1000, 0, 0)                                                           \
    RATE(ML, "ml", 100, 1000, 10000)                                                               \
    RATE(TEMPLATE, "template", 30, 300, 1000)                                                      \
    RATE(ADMIN, "admin", 10, 50, 200)                                                              \
    RATE(AUTH, "auth", 0, 0, 0)

enum rate {
#define RATE(id, name, minute, hour, day) RATE_##id,
    RATES(RATE)
#undef RATE
        RATE_COUNT
};
struct rate_class {
    const char *name;
    int64_t minute, hour, day;
};
const struct rate_class *rate_class(enum rate rate);

enum field_type {
    TEXT, /* min and max count bytes of UTF-8; max 0: 200 */
    UUID,
    INT, /* min and max are the range (both 0: any) */
    REAL,
    BOOL,
    TIME,
    ONEOF,  /* .oneof = "a|b|c" */
    OBJECT, /* a JSON object, kept as it is; max: bytes of its compact text, 0: 65536 */
    ANY,    /* any JSON value; likewise */
    TEXTS,  /* an array of texts; each in .oneof if given; max: how many (0: 100) */
};

struct field {
    const char *name;
    enum field_type type;
    int64_t min, max;
    const char *oneof;
    const char *standard; /* default at creation, as JSON text; NULL: null */
    const char *refers; /* plural of the resource whose row it names; gate references looks there */
    enum access needs;  /* on that row; 0: to read it */
    bool required;      /* at creation */
    bool null;          /* may be null */
    bool shown;         /* only shown, never taken (server-made) */
    bool hidden;        /* only taken, never shown */
    bool fixed;         /* taken at creation only */
    bool filter;        /* a list may be filtered by it */
    const char *says;   /* one line for the docs; may be NULL */
};

struct action {
    enum method method;
    const char *path; /* "/api/v1/startups/{id}" */
    enum permit permit;
    enum access access; /* what ownership must reach on the row in the path */
    enum rate rate;
    enum cache_type cache; /* of the row in the path */
    bool session_only;     /* an API key may not do this */
    bool open;             /* who is not signed in may do it where the row is open to anyone */
    bool list;             /* takes a list's parameters (route/page.h) */
    bool secret; /* the reply holds a secret: never kept for an idempotency key, no-store */
    bool plain;  /* takes no Idempotency-Key: nothing to repeat (a read, a sign-in) */
    const struct field *input; /* of the body, when it is not the resource's own fields */
    int ninput;
    bool any_mode;             /* answers in every mode (gate emergency) */
    bool in_read_only; /* answers in read_only although it changes rows: it only ends access */
    bool no_body;              /* takes no body at all although its method may have one */
    bool tolerant; /* the body is of another's standard: unknown members pass, whatever does not fit is 400 */
    bool unread;               /* whatever the body is, it is not read: the request is somebody else's */
    size_t body_max;           /* bytes; 0: 1 MiB */
    bool signable;             /* a signed URL may take the place of credentials (gate/signature.h) */
    bool stream;               /* its handler reads the body, of any type, piece by piece (http/stream.h) */
    stage_fn *run;             /* composes the reply or the change, or asks */
    stage_fn *then;            /* when run waits */
    const struct stage *steps; /* instead of run: a table of its own */
    stage_fn *made;            /* after the commit: may reply from the rows that it returned (r->rows) */
    const char *audit; /* "startup.create"; NULL: changes nothing */
    int status;        /* of success, for the docs; 0: 200 */
    const char *says;
};

struct resource {
    const char *noun, *plural;
    const struct field *fields;
    int nfields;
    const struct action *actions;
    int nactions;
    /* statements of the generic handlers, NULL where it has none */
    const struct stmt *get; /* (id): the whole row; also the facts of it. Below another resource: (id, second) */
    const struct stmt *facts; /* (id): the columns of get, then what else the gates look at; NULL: get */
    const struct resource *under; /* the first id of a path names a row of that one, which the gates judge */
    const struct stmt *add, *set, *del;
    const struct stmt *list; /* 2 per sort column */
    const char *const *sorts; /* names, NULL at the end; the first is the default, descending */
    bool owned;       /* only grant paths lead to a row; else the permission alone decides */
    bool common;      /* whoever is signed in may read every row */
    bool team;        /* rows are teams: their members reach them */
    bool shared;      /* rows are projects or lie in one, whose visibility, teams and collaborators count */
    bool media;       /* rows hang on a generation (generation_id), which decides */
    bool no_metadata; /* rows lack the metadata column */
    /* last word on a row about to be made or changed: NEXT or DENY */
    enum verdict (*adjust)(struct req *r, struct value *row);
    /* last word on a row about to be shown in a list: NEXT or DENY */
    enum verdict (*show)(struct req *r, struct value *row);
};

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))
#define RESOURCE_FIELDS(f) .fields = (f), .nfields = COUNT(f)
#define RESOURCE_ACTIONS(a) .actions = (a), .nactions = COUNT(a)

/* Every resource, in the order of the docs; NULL at the end. Given by src/api/all.c through resources_init at start.
 * */
void resources_init(const struct resource *const *all);
const struct resource *const *resources(void);
/* The resource of that plural, NULL if none. */
const struct resource *resource_find(const char *plural);
/* Index of a column of the resource's rows, -1 if none. */
int resource_column(const struct resource *res, const char *name);
/* The declared field, NULL if none. */
const struct field *resource_field(const struct resource *res, const char *name);
/* Actions are numbered across all resources (metrics, router): their count, one of them, and the number of one. */
int action_count(void);
const struct action *action_at(int index, const struct resource **res);
int action_index(const struct action *a);

/* Verifies every table: permission, access and audit noun given, paths unique and well-formed, run or steps (not
 * both), statements present whose parameters can be bound from fields and known names, defaults that pass their own
 * field. Writes the first complaint. Called at every start. */
enum err resources_check(char *why, size_t why_size) CHECKED;

/* One row as a JSON object: columns in order, hidden ones left out. row: by the columns of res->get. */
void resource_json(struct text *out, const struct resource *res, const struct value *row);
/* The columns of the current row, as values; in the arena. */
struct value *resource_row(struct arena *a, const struct resource *res, const struct rows *rows);
/* Replies with the row: body, and ETag from its version. */
enum verdict reply_row(struct req *r, int status, const struct resource *res,
                       const struct value *row);

/* `gatehouse routes`: one line per action: method, path, permission, rate class, cache type. */
void resources_print(struct text *out);

#endif
