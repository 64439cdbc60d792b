#include "api/crud.h"
#include "gen/stmt.h"
#include "url.h"

static const struct field agent_fields[] = {
    { "name",       TEXT,   .min = 1, .max = 200, .required = true, .says = "What the agent is called." },
    { "kind",       TEXT,   .max = 100, .null = true, .filter = true, .says = "What sort of work it does." },
    { "startup_id", UUID,   .refers = "startups", .null = true, .filter = true, .says = "The startup it works for." },
    { "endpoint",   TEXT,   .max = 2000, .null = true, .says = "Where it is reached: an http or https URL." },
    { "config",     OBJECT, .standard = "{}", .says = "Settings of its own; not looked at here." },
    { "status",     ONEOF,  .oneof = "active|paused", .standard = "\"active\"", .filter = true },
};

static enum verdict agent_adjust(struct req *r, struct value *row)
{
    return endpoint_check(r, &row[COL_AGENT_ENDPOINT]);
}

static const struct action agent_actions[] = {
    { GET, "/api/v1/agents",
      .permit = PERMIT_AGENT_READ,   .rate = RATE_DEFAULT, .list = true, .plain = true,
      .run    = crud_list,           .then = crud_listed,
      .says   = "List the caller's agents." },
    { POST, "/api/v1/agents",
      .permit = PERMIT_AGENT_CREATE, .rate = RATE_DEFAULT,
      .run    = crud_create,         .audit = "agent.create", .status = 201,
      .says   = "Create an agent." },
    { GET, "/api/v1/agents/{id}",
      .permit = PERMIT_AGENT_READ,   .access = ACCESS_READ,
      .rate   = RATE_DEFAULT,        .cache = CACHE_API, .plain = true,
      .run    = crud_get,
      .says   = "Read one agent." },
    { PATCH, "/api/v1/agents/{id}",
      .permit = PERMIT_AGENT_UPDATE, .access = ACCESS_WRITE,
      .rate   = RATE_DEFAULT,        .cache = CACHE_API,
      .run    = crud_update,         .audit = "agent.update",
      .says   = "Change an agent." },
    { DELETE, "/api/v1/agents/{id}",
      .permit = PERMIT_AGENT_DELETE, .access = ACCESS_DELETE,
      .rate   = RATE_DEFAULT,        .cache = CACHE_API,
      .run    = crud_delete,         .audit = "agent.delete", .status = 204,
      .says   = "Delete an agent; 409 while it has tasks." },
};

const struct resource agents = {
    .noun = "agent", .plural = "agents",
    RESOURCE_FIELDS(agent_fields), RESOURCE_ACTIONS(agent_actions),
    .get = &stmt_agent_get, .add = &stmt_agent_add, .set = &stmt_agent_set, .del = &stmt_agent_del,
    .list = stmt_agent_list, .sorts = stmt_agent_list_sorts,
    .owned = true, .adjust = agent_adjust,
};
