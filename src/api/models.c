#include "api/crud.h"
#include "gen/stmt.h"
#include "url.h"

static enum verdict model_adjust(struct req *r, struct value *row)
{
    return endpoint_check(r, &row[COL_MODEL_ENDPOINT]);
}

static const struct field model_fields[] = {
    { "name",          TEXT,  .min = 1, .max = 200, .required = true, .says = "What the model is called." },
    { "provider",      TEXT,  .max = 100, .null = true, .filter = true, .says = "Whose it is." },
    { "model_version", TEXT,  .max = 100, .null = true, .says = "The provider's version of it." },
    { "endpoint",      TEXT,  .max = 2000, .null = true, .says = "Where it is reached: an http or https URL." },
    { "status",        ONEOF, .oneof = "active|deprecated|disabled", .standard = "\"active\"", .filter = true },
};

static const struct action model_actions[] = {
    { GET, "/api/v1/models",
      .permit = PERMIT_MODEL_READ,   .rate = RATE_DEFAULT, .list = true, .plain = true,
      .run    = crud_list,           .then = crud_listed,
      .says   = "List the models." },
    { POST, "/api/v1/models",
      .permit = PERMIT_MODEL_CREATE, .rate = RATE_DEFAULT,
      .run    = crud_create,         .audit = "model.create", .status = 201,
      .says   = "Create a model; all who are signed in may read it." },
    { GET, "/api/v1/models/{id}",
      .permit = PERMIT_MODEL_READ,   .access = ACCESS_READ, .rate = RATE_DEFAULT, .cache = CACHE_API, .plain = true,
      .run    = crud_get,
      .says   = "Read one model." },
    { PATCH, "/api/v1/models/{id}",
      .permit = PERMIT_MODEL_UPDATE, .access = ACCESS_WRITE, .rate = RATE_DEFAULT, .cache = CACHE_API,
      .run    = crud_update,         .audit = "model.update",
      .says   = "Change a model." },
    { DELETE, "/api/v1/models/{id}",
      .permit = PERMIT_MODEL_DELETE, .access = ACCESS_DELETE, .rate = RATE_DEFAULT, .cache = CACHE_API,
      .run    = crud_delete,         .audit = "model.delete", .status = 204,
      .says   = "Delete a model." },
};

const struct resource models = {
    .noun = "model", .plural = "models",
    RESOURCE_FIELDS(model_fields), RESOURCE_ACTIONS(model_actions),
    .get = &stmt_model_get, .add = &stmt_model_add, .set = &stmt_model_set, .del = &stmt_model_del,
    .list = stmt_model_list, .sorts = stmt_model_list_sorts,
    .owned = true, .common = true, .adjust = model_adjust,
};
