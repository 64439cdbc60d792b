#include "gate/subject.h"

#include "cache/cache.h"
#include "gate/permits.h"
#include "gen/stmt.h"
#include "memberships.h"

static struct str key_of(const struct subject_look *look)
{
    return (struct str){ look->key, sizeof(look->key) };
}

static enum verdict done(struct subject_look *look, enum err err)
{
    look->err = err;
    return NEXT;
}

/* The cached form: the principal, its memberships behind it. */
static bool recall(struct subject_look *look, struct str value)
{
    if (!value.p || value.n < sizeof(look->who))
        return false;
    memcpy(&look->who, value.p, sizeof(look->who));
    look->who.memberships = (const void *)(value.p + sizeof(look->who));
    look->found = true;
    return value.n == sizeof(look->who) + look->who.nmemberships * sizeof(struct membership);
}

static void remember(struct req *r, struct subject_look *look)
{
    size_t tail = look->who.nmemberships * sizeof(struct membership);
    struct text kept = text_new(&r->arena, sizeof(look->who) + tail);
    text_add(&kept, (struct str){ (const char *)&look->who, sizeof(look->who) });
    text_add(&kept, (struct str){ (const char *)look->who.memberships, tail });
    r->filling.key = STR_NONE;
    if (kept.failed)
        cache_drop(r->cache, CACHE_SESSION, key_of(look));
    else
        cache_fill(r->cache, CACHE_SESSION, key_of(look), &look->under, text_str(&kept));
}

/* The epochs are read before the entry is, as everywhere. */
static enum verdict look_up(struct req *r, struct subject_look *look)
{
    struct str value;
    look->under = (struct epochs){ 0 };
    epochs_add(&look->under, EPOCH_USER, look->user.b, sizeof(look->user.b));
    epochs_add(&look->under, EPOCH_ROLES, NULL, 0);
    if (!look->afresh) {
        switch (cache_get(r->cache, CACHE_SESSION, key_of(look), &look->under, &r->arena, &value,
                          &r->wait)) {
        case CACHE_HIT:
            return done(look, recall(look, value) ? OK : ERR_NO_MEMORY);
        case CACHE_WAIT:
            return WAIT;
        case CACHE_FILL:
            r->filling.type = CACHE_SESSION;
            r->filling.key = key_of(look);
            break;
        }
    }
    look->asked = true;
    ask_principal_by_user(r->store, &r->arena, &look->user, &r->found, &r->wait);
    return WAIT;
}

enum verdict subject_begin(struct req *r, struct subject_look *look, const struct uuid *user,
                           bool afresh)
{
    *look = (struct subject_look){ .user = *user, .afresh = afresh };
    look->key[0] = 'u';
    memcpy(look->key + 1, user->b, sizeof(user->b));
    return look_up(r, look);
}

static enum err take(struct req *r, struct subject_look *look)
{
    const struct rows *found = &r->found;
    struct principal *who = &look->who;
    struct str role = rows_text(found, COL_PRINCIPAL_BY_USER_ROLE);
    *who = (struct principal){
        .kind = PRINCIPAL_USER,
        .user_id = look->user,
        .token_version = rows_int(found, COL_PRINCIPAL_BY_USER_TOKEN_VERSION),
        .expires = INT64_MAX,
        .live = str_eq(rows_text(found, COL_PRINCIPAL_BY_USER_STATUS), STR("active")),
    };
    memcpy(who->role, role.p, role.n < sizeof(who->role) ? role.n : sizeof(who->role) - 1);
    TRY(memberships_read(&r->arena, rows_text(found, COL_PRINCIPAL_BY_USER_TEAMS), who));
    TRY(permits_read(&r->arena, rows_text(found, COL_PRINCIPAL_BY_USER_PERMISSIONS),
                     &who->permits));
    look->found = true;
    return OK;
}

enum verdict subject_again(struct req *r, struct subject_look *look)
{
    if (!look->asked)
        return look_up(r, look); /* somebody else has filled the cache, or failed to */
    enum err err = r->found.err;
    if (err == OK && rows_next(&r->found))
        err = take(r, look);
    rows_fini(&r->found);
    if (!look->afresh && err == OK && look->found) {
        remember(r, look);
    } else if (!look->afresh) {
        r->filling.key = STR_NONE;
        cache_drop(r->cache, CACHE_SESSION, key_of(look));
    }
    return done(look, err == ERR_INTERNAL ? ERR_UNAVAILABLE : err);
}
