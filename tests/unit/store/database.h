/* A database of PostgreSQL of a test's own, empty, on the server that TEST_POSTGRES_URL names; without a store. */
#ifndef STORE_DATABASE_H
#define STORE_DATABASE_H

#include "fixture.h"

#include <libpq-fe.h>
#include <string.h>

struct database {
    char name[64];
    char url[512];
};

static inline void database_notice(void *arg, const char *text)
{
    (void)arg;
    (void)text;
}

static inline PGconn *database_connect(const char *url)
{
    PGconn *conn = PQconnectdb(url);
    if (PQstatus(conn) != CONNECTION_OK)
        fail_msg("%s", PQerrorMessage(conn));
    PQsetNoticeProcessor(conn, database_notice, NULL);
    return conn;
}

static inline PGresult *database_ask(PGconn *conn, const char *text)
{
    PGresult *result = PQexec(conn, text);
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        fail_msg("%s: %s", text, PQresultErrorMessage(result));
    return result;
}

/* Runs SQL on a connection of its own; the first number it answers, or -1. */
static inline int64_t database_sql(const char *url, const char *text)
{
    PGconn *conn = database_connect(url);
    PGresult *result = database_ask(conn, text);
    int64_t number = PQntuples(result) > 0 ? strtoll(PQgetvalue(result, 0, 0), NULL, 10) : -1;
    PQclear(result);
    PQfinish(conn);
    return number;
}

static inline void database_url(char *out, size_t size, const char *name)
{
    const char *server = getenv("TEST_POSTGRES_URL");
    if (!server || !*server)
        fail_msg("TEST_POSTGRES_URL names no server; ./dev test gives one");
    snprintf(out, size, "%s%s", server, name);
}

/* options: of `create database`, may be "". */
static inline void database_make(struct database *d, const char *options)
{
    static int made;
    char admin[512], text[256];
    snprintf(d->name, sizeof(d->name), "unit_%d_%d", (int)getpid(), made++);
    database_url(d->url, sizeof(d->url), d->name);
    database_url(admin, sizeof(admin), "postgres");
    snprintf(text, sizeof(text), "create database %s template template0 %s", d->name, options);
    database_sql(admin, text);
}

static inline void database_drop(const struct database *d)
{
    char admin[512], text[256];
    database_url(admin, sizeof(admin), "postgres");
    snprintf(text, sizeof(text), "drop database if exists %s with (force)", d->name);
    database_sql(admin, text);
}

#endif
