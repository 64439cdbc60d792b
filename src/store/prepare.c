#include "prepare.h"

#include "gen/stmt.h"
#include "pgerror.h"
#include "pgvalue.h"

#include <stdio.h>

void prepare_names(struct stmt_name *names)
{
    for (int i = 0; i < stmts_count; i++)
        snprintf(names[i].text, sizeof(names[i].text), "s%d", i);
}

bool prepare_send(struct prepare *p, PGconn *conn, const struct stmt_name *names)
{
    *p = (struct prepare){ 0 };
    Oid types[STMT_PARAMS_MAX];
    bool good = true;
    for (int i = 0; i < stmts_count && good; i++) {
        pgparams_types(stmts[i], types);
        good = PQsendPrepare(conn, names[i].text, stmts[i]->postgres, stmts[i]->nparams, types);
    }
    return good && PQpipelineSync(conn);
}

static void fail(struct prepare *p, const PGresult *result)
{
    struct pgerror error;
    if (p->failed)
        return;
    p->failed = true;
    pgerror_read(&error, result, stmts[p->at < stmts_count ? p->at : 0]);
    if (*error.says)
        snprintf(p->says, sizeof(p->says), "%.160s (is the schema migrated?)", error.says);
}

enum prepared prepare_read(struct prepare *p, PGconn *conn)
{
    if (!PQconsumeInput(conn))
        return PREPARE_FAILED;
    while (!PQisBusy(conn)) {
        PGresult *result = PQgetResult(conn);
        ExecStatusType status = PQresultStatus(result);
        if (!result)
            p->at++;
        else if (status != PGRES_COMMAND_OK && status != PGRES_PIPELINE_SYNC &&
                 status != PGRES_PIPELINE_ABORTED)
            fail(p, result);
        PQclear(result);
        if (status == PGRES_PIPELINE_SYNC)
            return p->failed ? PREPARE_FAILED : PREPARE_DONE;
        if (PQstatus(conn) != CONNECTION_OK)
            return PREPARE_FAILED;
    }
    return PREPARE_GOES_ON;
}
