#include "api/crud.h"
#include "gen/stmt.h"

static const struct field startup_fields[] = {
    { "name",     TEXT,  .min = 1, .max = 200, .required = true, .says = "What the startup is called." },
    { "industry", TEXT,  .max = 100, .null = true, .filter = true },
    { "stage",    TEXT,  .max = 100, .null = true, .filter = true, .says = "Such as idea, seed or growth." },
    { "status",   ONEOF, .oneof = "active|paused|closed", .standard = "\"active\"", .filter = true },
};

static const struct action startup_actions[] = {
    { GET, "/api/v1/startups",
      .permit = PERMIT_STARTUP_READ,   .rate = RATE_DEFAULT, .list = true, .plain = true,
      .run    = crud_list,             .then = crud_listed,
      .says   = "List the caller's startups." },
    { POST, "/api/v1/startups",
      .permit = PERMIT_STARTUP_CREATE, .rate = RATE_DEFAULT,
      .run    = crud_create,           .audit = "startup.create", .status = 201,
      .says   = "Create a startup." },
    { GET, "/api/v1/startups/{id}",
      .permit = PERMIT_STARTUP_READ,   .access = ACCESS_READ,
      .rate   = RATE_DEFAULT,          .cache = CACHE_STARTUP, .plain = true,
      .run    = crud_get,
      .says   = "Read one startup." },
    { PATCH, "/api/v1/startups/{id}",
      .permit = PERMIT_STARTUP_UPDATE, .access = ACCESS_WRITE,
      .rate   = RATE_DEFAULT,          .cache = CACHE_STARTUP,
      .run    = crud_update,           .audit = "startup.update",
      .says   = "Change a startup." },
    { DELETE, "/api/v1/startups/{id}",
      .permit = PERMIT_STARTUP_DELETE, .access = ACCESS_DELETE,
      .rate   = RATE_DEFAULT,          .cache = CACHE_STARTUP,
      .run    = crud_delete,           .audit = "startup.delete", .status = 204,
      .says   = "Delete a startup; 409 while agents belong to it." },
};

const struct resource startups = {
    .noun = "startup", .plural = "startups",
    RESOURCE_FIELDS(startup_fields), RESOURCE_ACTIONS(startup_actions),
    .get = &stmt_startup_get, .add = &stmt_startup_add, .set = &stmt_startup_set, .del = &stmt_startup_del,
    .list = stmt_startup_list, .sorts = stmt_startup_list_sorts,
    .owned = true,
};
