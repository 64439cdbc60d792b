#include "api/crud.h"
#include "gen/stmt.h"

static const struct field template_fields[] = {
    { "name",        TEXT, .min = 1, .max = 200, .required = true, .says = "What the template is called." },
    { "industry",    TEXT, .max = 100, .null = true, .filter = true },
    { "body",        TEXT, .max = 100000, .null = true, .says = "The text itself." },
    { "rating",      REAL, .min = 0, .max = 5, .null = true },
    { "usage_count", INT,  .shown = true },
};

static enum verdict template_adjust(struct req *r, struct value *row)
{
    if (!r->facts)
        row[COL_TEMPLATE_USAGE_COUNT] = (struct value){ .type = VALUE_INT };
    return NEXT;
}

static const struct action template_actions[] = {
    { GET, "/api/v1/templates",
      .permit = PERMIT_TEMPLATE_READ,   .rate = RATE_DEFAULT, .list = true, .plain = true,
      .run    = crud_list,              .then = crud_listed,
      .says   = "List the templates." },
    { POST, "/api/v1/templates",
      .permit = PERMIT_TEMPLATE_CREATE, .rate = RATE_TEMPLATE,
      .run    = crud_create,            .audit = "template.create", .status = 201,
      .says   = "Create a template; all who are signed in may read it." },
    { GET, "/api/v1/templates/{id}",
      .permit = PERMIT_TEMPLATE_READ,   .access = ACCESS_READ,
      .rate   = RATE_DEFAULT,           .cache = CACHE_TEMPLATE, .plain = true,
      .run    = crud_get,
      .says   = "Read one template." },
    { PATCH, "/api/v1/templates/{id}",
      .permit = PERMIT_TEMPLATE_UPDATE, .access = ACCESS_WRITE,
      .rate   = RATE_TEMPLATE,          .cache = CACHE_TEMPLATE,
      .run    = crud_update,            .audit = "template.update",
      .says   = "Change a template." },
    { DELETE, "/api/v1/templates/{id}",
      .permit = PERMIT_TEMPLATE_DELETE, .access = ACCESS_DELETE,
      .rate   = RATE_TEMPLATE,          .cache = CACHE_TEMPLATE,
      .run    = crud_delete,            .audit = "template.delete", .status = 204,
      .says   = "Delete a template." },
};

const struct resource templates = {
    .noun = "template", .plural = "templates",
    RESOURCE_FIELDS(template_fields), RESOURCE_ACTIONS(template_actions),
    .get = &stmt_template_get, .add = &stmt_template_add, .set = &stmt_template_set, .del = &stmt_template_del,
    .list = stmt_template_list, .sorts = stmt_template_list_sorts,
    .owned = true, .common = true, .adjust = template_adjust,
};
