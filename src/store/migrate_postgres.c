/* store/migrate_postgres.c: the same for PostgreSQL. Each step is one transaction under an advisory lock, so that nodes
 * which start at once take turns; nothing is kept in the session, which a pooler may share out.
 */
#include "migrate.h"

#include "base/clock.h"
#include "gen/stmt.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SAYS 240
#define LOCK "1196705875" /* "GTHS", as in the header of our SQLite files */

struct remote {
    PGconn *conn;
    char name[SAYS]; /* for people, without secrets */
    char says[SAYS]; /* what went wrong, one line */
};

/* ---- asking ---- */

static void on_notice(void *arg, const char *text)
{
    (void)arg;
    (void)text;
}

static void keep_line(struct remote *r, const char *text)
{
    int n = (int)strcspn(text, "\n");
    snprintf(r->says, sizeof(r->says), "%.*s", n, n ? text : "PostgreSQL gave no reason");
}

/* Runs SQL; the first column of the last result's first row, if any, goes to *number, which may be NULL. */
static enum err remote_run(struct remote *r, const char *text, int64_t *number)
{
    PGresult *result = PQexec(r->conn, text);
    ExecStatusType status = PQresultStatus(result);
    bool good = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
    if (!good) {
        const char *primary = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
        keep_line(r, primary ? primary : PQerrorMessage(r->conn));
    } else if (number && PQntuples(result) > 0) {
        *number = strtoll(PQgetvalue(result, 0, 0), NULL, 10);
    }
    PQclear(result);
    return good ? OK : ERR_UNAVAILABLE;
}

/* ---- connecting ---- */

/* What libpq says of a URL that it cannot read repeats it, password and all. */
static enum err url_check(struct remote *r, const char *where)
{
    PQconninfoOption *options = PQconninfoParse(where, NULL);
    bool good = options;
    PQconninfoFree(options);
    if (good)
        return OK;
    snprintf(r->says, sizeof(r->says),
             "its URL is not one: postgresql://USER:PASSWORD@HOST:PORT/NAME");
    return ERR_INVALID;
}

/* Of what stands in both, the URL's counts. */
static PGconn *connect_to(const char *where)
{
    const char *const names[] = { "connect_timeout", "fallback_application_name", "target_session_attrs",
                                  "dbname", "client_encoding", NULL };
    const char *const values[] = { "5", "gatehouse", "read-write", where, "UTF8", NULL };
    return PQconnectdbParams(names, values, 1);
}

static void remote_name(struct remote *r)
{
    const char *host = PQhost(r->conn), *port = PQport(r->conn), *db = PQdb(r->conn);
    snprintf(r->name, sizeof(r->name), "PostgreSQL at %s:%s/%s", host && *host ? host : "localhost",
             port ? port : "", db ? db : "");
}

/* To be closed in either case. */
static enum err remote_open(struct remote *r, const char *where)
{
    *r = (struct remote){ .name = "PostgreSQL" };
    TRY(url_check(r, where));
    r->conn = connect_to(where);
    if (!r->conn) {
        keep_line(r, "out of memory");
        return ERR_UNAVAILABLE;
    }
    remote_name(r);
    if (PQstatus(r->conn) != CONNECTION_OK) {
        keep_line(r, PQerrorMessage(r->conn));
        return ERR_UNAVAILABLE;
    }
    PQsetNoticeProcessor(r->conn, on_notice, NULL);
    const char *encoding = PQparameterStatus(r->conn, "server_encoding");
    if (encoding && strcmp(encoding, "UTF8") != 0) {
        snprintf(r->says, sizeof(r->says), "its encoding is %s, not UTF8", encoding);
        return ERR_INVALID;
    }
    return OK;
}

static void remote_close(struct remote *r)
{
    PQfinish(r->conn);
    r->conn = NULL;
}

/* ---- the schema ---- */

/* Our columns of the table, 0 when it is not there: other programs have a table of that name too. */
#define OURS                                                                                       \
    "select count(*) from pg_attribute a join pg_class c on c.oid = a.attrelid"                    \
    " where c.relnamespace = current_schema()::regnamespace and c.relname = 'schema_migrations'"   \
    " and a.attname in ('number', 'name', 'applied_at') and not a.attisdropped"
/* Tables that no extension brought. */
#define TABLES                                                                                     \
    "select count(*) from pg_class c where c.relnamespace = current_schema()::regnamespace"        \
    " and c.relkind in ('r', 'p', 'f')"                                                            \
    " and not exists (select 1 from pg_depend d where d.classid = 'pg_class'::regclass"            \
    " and d.objid = c.oid and d.deptype = 'e')"

/* The newest migration that was applied, 0 for none. ERR_INVALID: another program's database. */
static enum err schema_number(struct remote *r, int *out)
{
    int64_t ours = 0, tables = 0, number = 0;
    *out = 0;
    TRY(remote_run(r, OURS, &ours));
    TRY(remote_run(r, TABLES, &tables));
    if (tables && ours != 3) {
        snprintf(r->says, sizeof(r->says),
                 "the database is another program's: it has tables that are not ours");
        return ERR_INVALID;
    }
    if (ours)
        TRY(remote_run(r, "select coalesce(max(number), 0) from schema_migrations", &number));
    *out = (int)number;
    return OK;
}

/* ---- migrating ---- */

static enum err step_run(struct remote *r, const struct migration *m)
{
    char text[300];
    TRY(remote_run(r,
                   "create table if not exists schema_migrations (number bigint primary key,"
                   " name text not null, applied_at bigint not null)",
                   NULL));
    TRY(remote_run(r, m->postgres, NULL));
    snprintf(text, sizeof(text), "insert into schema_migrations values (%d, '%s', %lld)", m->number,
             m->name, (long long)clock_wall_now());
    return remote_run(r, text, NULL);
}

/* Waits for its turn; a migration itself takes as long as it takes. */
static enum err step_begin(struct remote *r)
{
    char text[200];
    snprintf(text, sizeof(text),
             "begin isolation level read committed; set local statement_timeout = 0;"
             " set local lock_timeout = '%ds'; select pg_advisory_xact_lock(" LOCK ")",
             MIGRATE_PATIENCE);
    return remote_run(r, text, NULL);
}

/* Applies the next migration; *applied is NULL when there is none. */
static enum err step(struct remote *r, const struct migration **applied)
{
    int number = 0;
    *applied = NULL;
    TRY(step_begin(r));
    TRY(schema_number(r, &number));
    TRY(migrate_known(number, r->says, sizeof(r->says)));
    if (number == migrations_count)
        return remote_run(r, "rollback", NULL);
    TRY(step_run(r, &migrations[number]));
    TRY(remote_run(r, "commit", NULL));
    *applied = &migrations[number];
    return OK;
}

enum err postgres_migrate(const char *where, says_fn *says)
{
    struct remote r;
    const struct migration *applied = NULL;
    enum err err = remote_open(&r, where);
    do {
        if (err == OK)
            err = step(&r, &applied);
        if (err == OK && applied)
            migrate_say_applied(says, applied);
    } while (err == OK && applied);
    if (err != OK)
        migrate_say(says, r.name, r.says);
    remote_close(&r); /* an open transaction ends with it */
    return err;
}

enum err postgres_schema(const char *where, int *database)
{
    struct remote r;
    *database = 0;
    enum err err = remote_open(&r, where);
    if (err == OK)
        err = schema_number(&r, database);
    remote_close(&r);
    return err;
}
