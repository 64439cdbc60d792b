#include "sharing.h"

#include "memberships.h"

/* Ahead of the arrays in the cached form; all of it copied as it is. */
struct head {
    struct uuid project, project_owner;
    int64_t depth;
    int32_t visibility, shared;
    int32_t ngrants, nancestors, nrestraints, pad;
};

static int column(const struct rows *found, const char *name)
{
    for (int i = 0; i < found->stmt->ncolumns; i++)
        if (strcmp(found->stmt->columns[i].name, name) == 0)
            return i;
    return -1;
}

static struct str text_at(const struct rows *found, const char *name)
{
    int i = column(found, name);
    return i < 0 ? STR_NONE : rows_text(found, i);
}

static struct uuid uuid_at(const struct rows *found, const char *name)
{
    int i = column(found, name);
    return i < 0 ? (struct uuid){ 0 } : rows_uuid(found, i);
}

static char take_char(struct str *text)
{
    char c = text->p[0];
    *text = (struct str){ text->p + 1, text->n - 1 };
    return c;
}

/* ---- the columns ---- */

static enum visibility visibility_of(struct str name)
{
    static const char *const names[] = { [VISIBLE_TEAMS] = "team_restricted",
                                         [VISIBLE_OWNERS_TEAMS] = "team_open",
                                         [VISIBLE_SIGNED_IN] = "public_read",
                                         [VISIBLE_ANYONE] = "public_full" };
    for (int i = VISIBLE_TEAMS; i < COUNT(names); i++)
        if (str_eq(name, str_of(names[i])))
            return (enum visibility)i;
    return VISIBLE_PRIVATE; /* also what has no name that is known */
}

static enum access reach_of(char letter)
{
    for (int access = ACCESS_READ; access <= ACCESS_ADMIN; access++)
        if (access != ACCESS_CREATE && access_name((enum access)access)[0] == letter)
            return (enum access)access;
    return ACCESS_NONE;
}

#define GRANT 34 /* characters of one */

static enum err read_grants(struct arena *a, struct str text, struct facts *f)
{
    struct grant *all = ARENA_ARRAY(a, struct grant, text.n / GRANT);
    if (!all)
        return ERR_NO_MEMORY;
    f->grants = all;
    while (text.n > 0) {
        struct grant *g = &all[f->ngrants++];
        if (text.n < GRANT)
            return ERR_INTERNAL;
        char kind = take_char(&text);
        if (!hex_uuid(&text, &g->to))
            return ERR_INTERNAL;
        char letter = take_char(&text);
        g->reach = kind == 't' ? ACCESS_NONE : reach_of(letter);
        if (kind != 't' && (kind != 'u' || g->reach == ACCESS_NONE))
            return ERR_INTERNAL;
    }
    return OK;
}

#define ANCESTOR 65

static enum err read_ancestry(struct arena *a, struct str text, struct facts *f)
{
    struct ancestor *all = ARENA_ARRAY(a, struct ancestor, text.n / ANCESTOR);
    if (!all)
        return ERR_NO_MEMORY;
    f->ancestors = all;
    while (text.n > 0) {
        struct ancestor *x = &all[f->nancestors++];
        if (text.n < ANCESTOR || !hex_uuid(&text, &x->id) || !hex_uuid(&text, &x->owner))
            return ERR_INTERNAL;
        x->same_project = take_char(&text) == 's';
    }
    return OK;
}

#define RESTRAINT_LEAST 100 /* 96 digits of ids, then two numbers with what ends each */

static enum err read_restraints(struct arena *a, struct str text, struct facts *f)
{
    struct restraint *all = ARENA_ARRAY(a, struct restraint, text.n / RESTRAINT_LEAST);
    if (!all)
        return ERR_NO_MEMORY;
    f->restraints = all;
    while (text.n > 0) {
        struct restraint *x = &all[f->nrestraints++];
        struct str until, accesses;
        int64_t bits;
        if (text.n < RESTRAINT_LEAST || !hex_uuid(&text, &x->on) || !hex_uuid(&text, &x->owner) ||
            !hex_uuid(&text, &x->user))
            return ERR_INTERNAL;
        str_cut(&text, ' ', &until);
        str_cut(&text, ';', &accesses);
        if (!text.p || !str_int(until, 0, INT64_MAX, &x->until) ||
            !str_int(accesses, 0, INT64_MAX, &bits))
            return ERR_INTERNAL;
        x->accesses = (uint64_t)bits;
    }
    return OK;
}

enum err sharing_read(struct arena *a, const struct rows *found, struct facts *f)
{
    int depth = column(found, "depth"), project = column(found, "project_id");
    f->depth = depth < 0 ? 0 : rows_int(found, depth);
    f->project = project < 0 ? f->id : rows_uuid(found, project);
    f->project_owner = uuid_at(found, "project_owner");
    f->visibility = visibility_of(text_at(found, "project_visibility"));
    f->shared = !uuid_nil(&f->project_owner);
    TRY(read_grants(a, text_at(found, "grants"), f));
    TRY(read_ancestry(a, text_at(found, "ancestry"), f));
    return read_restraints(a, text_at(found, "restraints"), f);
}

/* ---- the cached form: the head, then the arrays, those with numbers first ---- */

static size_t arrays_size(const struct facts *f)
{
    return (size_t)f->nrestraints * sizeof(struct restraint) +
           (size_t)f->ngrants * sizeof(struct grant) +
           (size_t)f->nancestors * sizeof(struct ancestor);
}

size_t sharing_size(const struct facts *f)
{
    return (sizeof(struct head) + arrays_size(f) + 7) / 8 * 8;
}

static char *put(char *at, const void *p, size_t n)
{
    if (n)
        memcpy(at, p, n);
    return at + n;
}

void sharing_write(const struct facts *f, char *out)
{
    const struct head head = {
        .project = f->project,
        .project_owner = f->project_owner,
        .depth = f->depth,
        .visibility = (int32_t)f->visibility,
        .shared = f->shared,
        .ngrants = f->ngrants,
        .nancestors = f->nancestors,
        .nrestraints = f->nrestraints,
    };
    char *at = put(out, &head, sizeof(head));
    at = put(at, f->restraints, (size_t)f->nrestraints * sizeof(struct restraint));
    at = put(at, f->grants, (size_t)f->ngrants * sizeof(struct grant));
    at = put(at, f->ancestors, (size_t)f->nancestors * sizeof(struct ancestor));
    memset(at, 0, sharing_size(f) - (size_t)(at - out));
}

bool sharing_take(struct str *bytes, struct facts *f)
{
    struct head head;
    if (bytes->n < sizeof(head))
        return false;
    memcpy(&head, bytes->p, sizeof(head));
    f->project = head.project;
    f->project_owner = head.project_owner;
    f->depth = head.depth;
    f->visibility = (enum visibility)head.visibility;
    f->shared = head.shared;
    f->ngrants = head.ngrants;
    f->nancestors = head.nancestors;
    f->nrestraints = head.nrestraints;
    size_t size = sharing_size(f);
    if (head.ngrants < 0 || head.nancestors < 0 || head.nrestraints < 0 || bytes->n < size)
        return false;

    const void *at = bytes->p + sizeof(head);
    f->restraints = at;
    at = f->restraints + f->nrestraints;
    f->grants = at;
    at = f->grants + f->ngrants;
    f->ancestors = at;
    *bytes = (struct str){ bytes->p + size, bytes->n - size };
    return true;
}
