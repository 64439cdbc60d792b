#include "declare.h"

#include "api/crud.h"
#include "base/metric.h"
#include "cache/cache.h"
#include "pipeline.h"
#include "watch/watch.h"

#include <err.h>

#define RESOURCES_MAX 64
#define NAMES_MAX 512

static const struct resource *all[RESOURCES_MAX + 1];
static struct arena names; /* for good */

bool declare_resources(void)
{
    char why[200];
    int n = 0;
    for (const struct resource *const *r = api_resources; *r; r++) {
        must(n < RESOURCES_MAX);
        all[n++] = *r;
    }
    must(n < RESOURCES_MAX);
    all[n++] = &system_resource;
    all[n] = NULL;

    resources_init(all);
    if (resources_check(why, sizeof(why)) == OK)
        return true;
    warnx("declared wrongly: %s", why);
    return false;
}

/* "GET /api/v1/startups"; the first is for what no route matched. */
static unsigned routes(const char *out[NAMES_MAX])
{
    unsigned n = 0;
    out[n++] = "none";
    for (int i = 0; i < action_count(); i++) {
        const struct resource *res;
        const struct action *a = action_at(i, &res);
        struct text t = text_new(&names, 64);
        text_add(&t, method_name(a->method));
        text_char(&t, ' ');
        text_add(&t, str_of(a->path));
        text_char(&t, '\0');
        must(!t.failed && n < NAMES_MAX);
        out[n++] = t.p;
    }
    return n;
}

static unsigned stages(const char *out[NAMES_MAX])
{
    for (int i = 0; i < pipeline_stages(); i++)
        out[i] = pipeline_stage(i);
    return (unsigned)pipeline_stages();
}

static unsigned errors(const char *out[NAMES_MAX])
{
    for (unsigned i = 0; i < ERR_COUNT; i++)
        out[i] = err_info((enum err)i)->code;
    return ERR_COUNT;
}

static unsigned nouns(const char *out[NAMES_MAX])
{
    unsigned n = 0;
    for (const struct resource *const *r = resources(); *r; r++)
        out[n++] = (*r)->noun;
    return n;
}

static unsigned caches(const char *out[NAMES_MAX])
{
    for (unsigned i = 0; i < CACHE_TYPE_COUNT; i++)
        out[i] = cache_type_name((enum cache_type)i);
    return CACHE_TYPE_COUNT;
}

/* One dimension, under the label that one or more families have. */
static void label(const char *as, unsigned (*fill)(const char *out[NAMES_MAX]),
                  const enum metric *families, int n)
{
    const char *filled[NAMES_MAX];
    unsigned count = fill(filled);
    const char **kept = arena_alloc(&names, count * sizeof(*kept));
    must(kept);
    memcpy(kept, filled, count * sizeof(*kept));
    for (int i = 0; i < n; i++)
        metric_labels(families[i], as, kept, count);
}

void declare_metrics(void)
{
    static const enum metric of_route[] = { METRIC_HTTP_REQUESTS, METRIC_HTTP_DURATION };
    static const enum metric of_stage[] = { METRIC_GATE_PASSED, METRIC_GATE_DENIED,
                                            METRIC_GATE_MICROSECONDS };
    static const enum metric of_code[] = { METRIC_ERRORS };
    static const enum metric of_resource[] = { METRIC_BUSINESS_CREATED, METRIC_BUSINESS_DELETED,
                                               METRIC_BUSINESS_ROWS };
    static const enum metric of_type[] = { METRIC_CACHE_LOOKUPS, METRIC_CACHE_BYTES,
                                           METRIC_CACHE_SHARED, METRIC_CACHE_SHARED_STORES,
                                           METRIC_CACHE_SHARED_BYTES };

    label("route", routes, of_route, COUNT(of_route));
    label("stage", stages, of_stage, COUNT(of_stage));
    label("code", errors, of_code, COUNT(of_code));
    label("resource", nouns, of_resource, COUNT(of_resource));
    label("type", caches, of_type, COUNT(of_type));
}
