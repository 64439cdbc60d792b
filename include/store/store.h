/* store/store.h: how everything above asks the database. The engine behind it, embedded SQLite or PostgreSQL, is
 * chosen at start. Statements are declared in sql/queries and generated into gen/stmt.h: one typed function each,
 * ask_NAME for reads and add_NAME for changes. All asks follow net/wait.h; parameters and results are borrowed until
 * the wait is woken / rows_fini.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "base/epoch.h"
#include "base/str.h"
#include "base/uuid.h"
#include "net/wait.h"

#include <stdbool.h>
#include <stdint.h>

enum value_type {
    VALUE_UUID, /* 16 bytes */
    VALUE_TEXT, /* UTF-8, no U+0000, sorts by code point */
    VALUE_JSON, /* compact JSON text */
    VALUE_BYTES,
    VALUE_INT,  /* 64 bits */
    VALUE_TIME, /* wall microseconds */
    VALUE_BOOL,
    VALUE_REAL,
};

/* One parameter or one column. `text` serves TEXT, JSON and BYTES; `i` serves INT, TIME and BOOL. */
struct value {
    enum value_type type;
    bool null;
    union {
        struct uuid uuid;
        struct str text;
        int64_t i;
        double real;
    };
};

/* A typed name: a parameter of a statement or a column of its result. */
struct slot {
    const char *name;
    enum value_type type;
    bool null; /* may be null */
};

/* `-- bumps: resource :id` names a parameter; `-- bumps: resource returned id` a column of each row that the change
 * returned. */
struct bump {
    enum epoch_kind kind;
    int param; /* index of the parameter (or of the returned column) whose bytes are the id; -1: the kind has no id */
    bool returned;
};

#define STMT_PARAMS_MAX 24
#define STMT_BUMPS_MAX 4

/* The pools of connections that statements are spread over, so that none waits for another's kind. */
#define LANES(LANE)                                                                                \
    LANE(AUTH, "auth")                                                                             \
    LANE(READ, "read")                                                                             \
    LANE(WRITE, "write")                                                                           \
    LANE(ANALYTICS, "analytics")                                                                   \
    LANE(ADMIN, "admin")                                                                           \
    LANE(BATCH, "batch")

enum lane {
#define LANE(id, name) LANE_##id,
    LANES(LANE)
#undef LANE
        LANE_COUNT
};

/* One statement, generated and constant. */
struct stmt {
    const char *name;
    const char *sqlite; /* its text with ?1, ?2... */
    /* Its text with $1, $2..., each with its type. Where `rows` is 1 and the statement could miss it, the text itself
     * fails with SQLSTATE GH001 then, so that the whole pipelined transaction does; where bumps are `returned` it
     * writes their rows (table bumps) too. */
    const char *postgres;
    bool counted; /* of the PostgreSQL text: the rows changed are its only column, not the command's tag */
    enum lane lane; /* a change goes to the lane of its first statement */
    const struct slot *params;
    const struct slot *columns; /* of its result; NULL when none */
    int nparams, ncolumns;
    bool change; /* may only be part of a change */
    int rows;    /* rows that must come or be changed: 1, or -1 for any number */
    enum err otherwise; /* what the ask fails with when `rows` is not met; a change is undone */
    struct bump bumps[STMT_BUMPS_MAX]; /* applied after the commit, before the wake */
    int nbumps;
    int index; /* place in stmts[] */
};

/* ---- results ---- */

/* Rows of one ask. Zeroed is empty. A row's bytes are contiguous and position-independent, so one row can be copied
 * out (rows_bytes) and attached again (rows_attach) anywhere. */
struct rows {
    enum err err; /* OK, what the statement declares, ERR_EXISTS (unique), ERR_IN_USE (foreign key),
                                  ERR_UNAVAILABLE, ERR_OVERLOADED, ERR_COMMIT_UNKNOWN */
    const struct stmt *stmt;
    int64_t changed;   /* rows changed, for a change: the sum over its statements */
    int count;         /* rows here */
    const char *bytes; /* all rows */
    size_t size;
    const char *row;    /* the current one, NULL before the first rows_next */
    struct block *held; /* memory to give back */
};

/* Moves to the next row (the first, at first); false behind the last. */
bool rows_next(struct rows *r);
/* Column i of the current row; text points into the rows. */
struct value rows_value(const struct rows *r, int column);
struct str rows_text(const struct rows *r, int column);  /* "" for null */
int64_t rows_int(const struct rows *r, int column);      /* 0 for null */
struct uuid rows_uuid(const struct rows *r, int column); /* nil for null */
bool rows_null(const struct rows *r, int column);
/* The bytes of the current row; good until rows_fini. */
struct str rows_bytes(const struct rows *r);
/* Makes `out` a result of exactly that one row, current at once; borrows the bytes. stmt names the columns. False, and
 * `out` as it was, when by their length and number of columns the bytes are no such row. */
bool rows_attach(struct rows *out, const struct stmt *stmt, struct str bytes) CHECKED;
/* Gives the memory back and zeroes it; needed exactly when an ask filled it; harmless otherwise. */
void rows_fini(struct rows *r);

/* ---- changes: one transaction ---- */

#define CHANGE_MAX 24

/* Statements that become one transaction, all or none. Zeroed is empty; memory is the arena's. */
struct change {
    struct arena *arena;
    int n;
    int answer; /* index of the statement whose rows are wanted, -1 none */
    struct {
        const struct stmt *stmt;
        const struct value *params;
    } at[CHANGE_MAX];
};

void change_init(struct change *c, struct arena *a);
/* Adds a statement; params are copied (their text is borrowed). The first one with columns is the answer. */
void change_add(struct change *c, const struct stmt *stmt, const struct value *params);

/* ---- the store of a worker ---- */

struct store;

/* Connections of one lane in this process; most is at least 1. */
struct lane_size {
    int least, most;
};

struct store_setup {
    const char *where; /* a file, or postgresql://... (also postgres://) */
    void *shared;      /* the part carved with store_shared_size; NULL outside of a server */
    struct lane_size lanes[LANE_COUNT]; /* PostgreSQL */
    bool pooler;       /* PostgreSQL: a transaction-mode pooler stands between, so nothing may be kept in a session */
    struct uuid node;  /* who writes the rows of `bumps` */
    /* Told on the loop, behind each commit that moved epochs (they have moved): what, as in base/epoch.h, and the
     * number of its row in `bumps`, 0 when not known. NULL: nobody wants to know. */
    void (*moved)(struct str what, int64_t number);
};

bool store_is_remote(const char *where);
size_t store_shared_size(void);
void store_shared_init(void *part);
/* The embedded store is opened now. PostgreSQL is only begun with: until it answers, asks fail with ERR_UNAVAILABLE.
 * ERR_INVALID: `where` cannot be understood (the log says why). */
enum err store_open(struct store **out, const struct store_setup *setup) CHECKED;
/* The embedded store completes what is queued, then closes. Asks that PostgreSQL has not answered fail: a change that
 * was sent with ERR_COMMIT_UNKNOWN. */
void store_close(struct store *s);
/* Name for people, without secrets: "SQLite 3.40.1 at ./data/gatehouse.db (WAL, synchronous=FULL)", "PostgreSQL at
 * db.example:5432/gatehouse". */
const char *store_says(const struct store *s);

/* Asks a read: the statement with its params (borrowed until woken). */
void store_ask(struct store *s, const struct stmt *stmt, const struct value *params,
               struct rows *out, struct wait *w);
/* Commits a change; out gets the answer's rows and the error. After OK every bump of every statement has been
 * applied. */
void store_commit(struct store *s, const struct change *c, struct rows *out, struct wait *w);
/* A cheap read that proves the store answers; out->err says. */
void store_ping(struct store *s, struct rows *out, struct wait *w);
/* Whether the store is shared with other nodes, so that others may change what is cached here. */
bool store_shared(const struct store *s);
/* Whether a change would fail, as far as is known without trying: PostgreSQL's are failed at once because too many have
 * failed (base/breaker.h); the embedded store's file took none in the last five seconds (full disk, read only). */
bool store_broken(const struct store *s);
/* What health says of the lanes: up, and how many connections are open. The embedded store has none: 0. */
struct lane_health {
    bool up;
    int open, in_use, queued;
};
struct lane_health store_lane(const struct store *s, enum lane lane);
const char *lane_name(enum lane lane);

/* ---- migrations ---- */

/* Brings the database (a file, or postgresql://...) to the newest schema, one numbered migration a transaction. says
 * is called once per step. ERR_INVALID: the database's schema is newer than this program knows. ERR_UNAVAILABLE: it
 * cannot be reached. Blocking: master's child and command line only. */
enum err store_migrate(const char *where, void (*says)(const char *line)) CHECKED;
/* Schema numbers: in the database (0: none) and in this program. */
enum err store_schema(const char *where, int *database, int *program) CHECKED;

#endif
