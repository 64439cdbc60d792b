/* match.c: the router: a tree of path segments, built once. A look-up walks one node a segment
 * and allocates nothing.
 */
#include "route/match.h"

#include "http/reply.h"

struct node {
    struct str segment;
    struct node *next;  /* the sibling behind this one */
    struct node *first; /* literal children */
    struct node *id;    /* the child for {id} */
    struct node *tail;  /* the child for a '*' at the end: whatever follows */
    const struct action *actions[ANY_METHOD + 1];
    const struct resource *resources[ANY_METHOD + 1];
    struct str allow;   /* "GET, HEAD, PATCH, OPTIONS"; empty when no path ends here */
};

static struct {
    struct arena arena;
    struct node *root;
    bool plain[256]; /* pchar of RFC 3986 section 3.3 without '%': no path here has a second spelling */
} routes;

/* ---- building ---- */

static struct node *node_new(struct str segment)
{
    struct node *node = ARENA_NEW(&routes.arena, struct node);
    must(node); /* only at start */
    node->segment = segment;
    return node;
}

static struct node *child_of(const struct node *node, struct str segment)
{
    struct node *child = node->first;
    while (child && !str_eq(child->segment, segment))
        child = child->next;
    return child;
}

static struct node *grow(struct node *node, struct str segment)
{
    if (str_eq(segment, STR("{id}"))) {
        if (!node->id)
            node->id = node_new(segment);
        return node->id;
    }
    if (str_eq(segment, STR("*"))) {
        if (!node->tail)
            node->tail = node_new(segment);
        return node->tail;
    }
    struct node *child = child_of(node, segment);
    if (!child) {
        child = node_new(segment);
        child->next = node->first;
        node->first = child;
    }
    return child;
}

/* The part of a path up to the next slash; *rest begins with a slash, or is empty when the path has ended. */
static struct str segment_of(struct str *rest)
{
    const char *begin = rest->p + 1;
    const char *end = memchr(begin, '/', rest->n - 1);
    size_t n = end ? (size_t)(end - begin) : rest->n - 1;
    *rest = (struct str){ begin + n, rest->n - 1 - n };
    return (struct str){ begin, n };
}

static void plant(const struct action *a, const struct resource *res)
{
    struct str rest = str_of(a->path);
    struct node *node = routes.root;
    while (rest.n > 0)
        node = grow(node, segment_of(&rest));
    node->actions[a->method] = a;
    node->resources[a->method] = res;
}

static struct str allowed(const struct node *node)
{
    struct text t = text_new(&routes.arena, 48);
    for (int m = GET; m < OPTIONS; m++) {
        if (!node->actions[m])
            continue;
        text_add(&t, method_name((enum method)m));
        text_lit(&t, ", ");
        if (m == GET)
            text_lit(&t, "HEAD, ");
    }
    if (t.n > 0 || node->actions[ANY_METHOD])
        text_lit(&t, "OPTIONS");
    must(!t.failed);
    return text_str(&t);
}

static void finish(struct node *node)
{
    node->allow = allowed(node);
    if (node->id)
        finish(node->id);
    if (node->tail)
        finish(node->tail);
    for (struct node *child = node->first; child; child = child->next)
        finish(child);
}

void route_init(void)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~!$&'()*+,;=:@";
    const struct resource *res;
    route_fini();
    for (const char *c = plain; *c; c++)
        routes.plain[(unsigned char)*c] = true;
    routes.root = node_new(STR_NONE);
    for (int i = 0; i < action_count(); i++) {
        const struct action *a = action_at(i, &res);
        plant(a, res);
    }
    finish(routes.root);
}

void route_fini(void)
{
    arena_reset(&routes.arena);
    routes.root = NULL;
}

/* ---- finding ---- */

/* What may stand for {id}. Whether it is an id is for gate uuid to say. */
static bool id_fits(struct str segment)
{
    if (segment.n == 0 || str_eq(segment, STR(".")) || str_eq(segment, STR("..")))
        return false;
    bool plain = true;
#pragma GCC unroll 4
    for (size_t i = 0; i < segment.n; i++)
        plain &= routes.plain[(unsigned char)segment.p[i]];
    return plain;
}

/* What an action for any method takes, where none is for this one. */
static int slot_of(const struct node *node, enum method method)
{
    enum method asked = method == HEAD ? GET : method;
    return node->actions[asked] ? asked : ANY_METHOD;
}

/* The node where the path ends, NULL when there is none. A literal segment wins over {id}, and both over a tail, whose
 * text nobody looks at here. */
static const struct node *walk(struct str path, struct str ids[TARGET_IDS], int *nids)
{
    const struct node *node = routes.root;
    *nids = 0;
    if (path.n == 0 || path.p[0] != '/')
        return NULL;
    while (path.n > 0) {
        struct str segment = segment_of(&path);
        const struct node *child = child_of(node, segment);
        if (!child && node->tail)
            return node->tail;
        if (!child) {
            child = node->id;
            if (!child || *nids == TARGET_IDS || !id_fits(segment))
                return NULL;
            ids[(*nids)++] = segment;
        }
        node = child;
    }
    return node->allow.n > 0 ? node : NULL;
}

const struct action *route_find(enum method method, struct str path, struct str ids[TARGET_IDS],
                                int *nids, struct text *allow)
{
    const struct node *node = walk(path, ids, nids);
    if (!node)
        return NULL;
    const struct action *a = node->actions[slot_of(node, method)];
    if (!a)
        text_add(allow, node->allow);
    return a;
}

enum verdict route_match(struct req *r)
{
    const struct node *node = walk(r->path, r->target_ids.text, &r->target_ids.n);
    if (!node)
        return req_deny(r, ERR_NOT_FOUND);

    int slot = slot_of(node, r->method);
    r->action = node->actions[slot];
    r->resource = node->resources[slot];
    if (r->action)
        return NEXT;
    reply_header(r, "Allow", node->allow);
    if (r->method != OPTIONS)
        return req_deny(r, ERR_METHOD);
    reply_empty(r, 204);
    return DONE;
}
