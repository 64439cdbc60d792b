/* thing.h: a store with rows that gates look at: things are owned, notes are nobody's, nodes lie in a project and in a
 * tree and say so in the columns that the gates read. */
#ifndef GATE_THING_H
#define GATE_THING_H

#include "../store/fixture.h"

#include "cache/cache.h"
#include "gate/facts.h"

#define ZEROS "00000000000000000000000000000000"

static struct fixture f;
static struct cache *cache;
static struct principal me, nobody;
static struct uuid other; /* somebody else */

static const struct slot id_param[] = { { "id", VALUE_UUID, false } };

#define ROW_COLUMNS                                                                               \
    { "id", VALUE_UUID, false }, { "owner_id", VALUE_UUID, false }, { "name", VALUE_TEXT, false }, \
        { "version", VALUE_INT, false }
#define NODE_COLUMNS                                                                        \
    { "root_id", VALUE_UUID, false }, ROW_COLUMNS,                                          \
    {                                                                                       \
        "project_id", VALUE_UUID, false                                                     \
    }
static const struct slot row_columns[] = { ROW_COLUMNS };
static const struct slot node_columns[] = { NODE_COLUMNS };
static const struct slot node_facts_columns[] = {
    NODE_COLUMNS,
    { "project_owner", VALUE_UUID, true },
    { "project_visibility", VALUE_TEXT, true },
    { "grants", VALUE_TEXT, true },
    { "ancestry", VALUE_TEXT, true },
    { "restraints", VALUE_TEXT, true },
    { "depth", VALUE_INT, false },
};

#define READ(title, text, slots)                                                                  \
    {                                                                                             \
        .name = title, .sqlite = text, .params = id_param, .nparams = 1, .columns = slots,        \
        .ncolumns = COUNT(slots), .rows = -1, .index = -1,                                        \
    }
static const struct stmt thing_get =
    READ("thing_get", "select id, owner_id, name, version from things where id = ?1", row_columns);
static const struct stmt node_get = READ(
    "node_get", "select root_id, id, owner_id, name, version, project_id from nodes where id = ?1",
    node_columns);
static const struct stmt node_facts =
    READ("node_facts", "select * from nodes where id = ?1", node_facts_columns);

/* The first names no cache type. */
static const struct action row_actions[] = { { .permit = PERMIT_SIGNED_IN, .list = true },
                                             { .permit = PERMIT_SIGNED_IN, .cache = CACHE_API } };
static const struct action uncached[] = { { .permit = PERMIT_SIGNED_IN } };

static const struct resource things = { .noun = "thing", .plural = "things", .get = &thing_get,
                                        RESOURCE_ACTIONS(row_actions), .owned = true };
/* The same rows. */
static const struct resource notes = { .noun = "note", .plural = "notes", .get = &thing_get,
                                       .actions = row_actions + 1, .nactions = 1 };
static const struct resource lists = { .noun = "list", .plural = "lists", .get = &thing_get,
                                       RESOURCE_ACTIONS(uncached), .owned = true, .common = true };
static const struct resource nodes = { .noun = "node", .plural = "nodes", .get = &node_get,
                                       .facts = &node_facts, RESOURCE_ACTIONS(row_actions),
                                       .owned = true, .shared = true };
/* Its facts are looked at, and it lies in nothing. */
static const struct resource tops = { .noun = "top", .plural = "tops", .get = &thing_get,
                                      .facts = &thing_get, RESOURCE_ACTIONS(row_actions) };
/* Nodes whose project and tree nobody looks at. */
static const struct resource leaves = { .noun = "leaf", .plural = "leaves", .get = &node_get,
                                        RESOURCE_ACTIONS(row_actions), .owned = true };
static const struct resource *const all_resources[] = {
    &things, &notes, &lists, &nodes, &tops,   &leaves, NULL };

static inline const char *hex(const struct uuid *id)
{
    static char rooms[8][33];
    static int next;
    char *out = rooms[next++ & 7];
    for (size_t i = 0; i < 16; i++)
        snprintf(out + 2 * i, 3, "%02x", id->b[i]);
    return out;
}

__attribute__((format(printf, 1, 2))) static inline int64_t run(const char *format, ...)
{
    char text[1500];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return sql(&f, text);
}

static inline struct uuid add_thing(int64_t n, const struct uuid *owner)
{
    struct uuid id = id_of(n);
    run("insert into things values (x'%s', x'%s', 'thing %d', 5)", hex(&id), hex(owner), (int)n);
    return id;
}

/* In another's private project; project and root are the node itself where they are NULL. */
static inline struct uuid add_node(int64_t n, const struct uuid *owner, const struct uuid *project,
                                   const struct uuid *root, const char *restraints)
{
    struct uuid id = id_of(n);
    run("insert into nodes values (x'%s', x'%s', x'%s', 'node %d', 6, x'%s', x'%s', 'private', '', '', '%s', 0)",
        hex(root ? root : &id), hex(&id), hex(owner), (int)n, hex(project ? project : &id),
        hex(&other), restraints);
    return id;
}

/* What the pipeline does when a request ends: whoever waits for a load that it began is told. */
static inline void let_go(struct req *r)
{
    if (r->filling.key.p)
        cache_drop(r->cache, r->filling.type, r->filling.key);
    r->filling.key = STR_NONE;
}

static inline int world_make(void **state)
{
    (void)state;
    fixture_make(&f);
    fixture_open(&f, NULL);
    clock_tick();
    resources_init(all_resources);
    cache = cache_new(&(struct cache_setup){ .max_bytes = 1 << 20 });
    assert_non_null(cache);
    me = (struct principal){ .kind = PRINCIPAL_USER, .user_id = id_of(1) };
    nobody = (struct principal){ 0 };
    other = id_of(2);
    run("create table things (id blob, owner_id blob, name text, version int)");
    run("create table nodes (root_id blob, id blob, owner_id blob, name text, version int, project_id blob, "
        "project_owner blob, project_visibility text, grants text, ancestry text, restraints text, depth int)");
    return 0;
}

static inline int world_end(void **state)
{
    (void)state;
    settle();
    cache_free(cache);
    fixture_close(&f);
    fixture_remove(&f);
    return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, world_make, world_end)

#endif
