/* Media: what hangs on a generation. A row says what it is, its bytes come and go by /content (media_content.c), and a
 * signed URL lets who holds it do one of the two in the name of who signed. Who may share a medium may revoke all URLs
 * that were signed for it.
 */
#include "api/all.h"
#include "api/crud.h"
#include "base/clock.h"
#include "base/json.h"
#include "gate/keyring.h"
#include "gate/signature.h"
#include "gen/stmt.h"
#include "http/reply.h"
#include "media_content.h"

/* ---- making ---- */

static enum verdict media_adjust(struct req *r, struct value *row)
{
    const struct facts *generation = referred(r, "generation_id");
    if (r->facts)
        return NEXT;
    if (!generation)
        return req_deny_for(r, ERR_INTERNAL, "a medium without its generation");
    row[COL_MEDIA_PROJECT_ID].uuid = rows_uuid(&generation->row, COL_GENERATION_PROJECT_ID);
    row[COL_MEDIA_PROJECT_ID].null = false;
    row[COL_MEDIA_ROOT_ID].uuid = rows_uuid(&generation->row, COL_GENERATION_ROOT_ID);
    row[COL_MEDIA_ROOT_ID].null = false;
    row[COL_MEDIA_STATUS] = (struct value){ .type = VALUE_TEXT, .text = STR("empty") };
    row[COL_MEDIA_SIGN_VERSION] = (struct value){ .type = VALUE_INT, .i = 1 };
    return NEXT;
}

static enum verdict create_readers(struct req *r)
{
    add_media_readers_add(&r->change, &r->row[COL_MEDIA_ID].uuid, &r->who->user_id,
                          &r->row[COL_MEDIA_GENERATION_ID].uuid, r->now);
    return NEXT;
}

static const struct stage create_steps[] = {
    { "create", crud_create, NULL },
    { "readers", create_readers, NULL },
    { 0 },
};

/* ---- signing ---- */

static const struct field sign_fields[] = {
    { "method",     ONEOF, .oneof = "GET|PUT", .required = true, .says = "GET is good for HEAD too." },
    { "expires_in", INT,   .min = 1, .max = SIGNATURE_LIFE_MOST, .required = true, .says = "Seconds." },
};

/* Nobody signs what he may not do himself; what he may then, the gates ask again when the URL is used. */
static bool may_sign(const struct req *r, enum method method)
{
    return method == GET ||
           (r->grant.access >= ACCESS_WRITE && (r->who->permits & PERMIT_BIT(PERMIT_MEDIA_UPDATE)));
}

static enum verdict media_sign(struct req *r)
{
    enum method method = str_eq(input_text(r, "method"), STR("PUT")) ? PUT : GET;
    struct signature s = {
        .signer = r->who->user_id,
        .expires = r->now / SECOND + input_int(r, "expires_in"),
        .version = rows_int(&r->facts->row, COL_MEDIA_SIGN_VERSION),
    };
    if (uuid_nil(&s.signer))
        return req_deny_for(r, ERR_FORBIDDEN, "nobody to sign for");
    if (!may_sign(r, method))
        return req_deny_for(r, ERR_FORBIDDEN, "signing what the signer may not do");

    char id[UUID_TEXT], until[CLOCK_RFC3339];
    struct text t = text_new(&r->arena, 400);
    uuid_format(&r->facts->id, id);
    text_lit(&t, "{\"url\":\"/api/v1/media/");
    text_add(&t, (struct str){ id, UUID_TEXT });
    text_lit(&t, "/content?");
    signature_write(&t, &s, keyring_urls(r->keyring), method, &r->facts->id);
    text_lit(&t, "\",\"expires_at\":\"");
    clock_format(s.expires * SECOND, until);
    text_add(&t, (struct str){ until, CLOCK_RFC3339 });
    text_lit(&t, "\"}");
    if (t.failed)
        return req_deny(r, ERR_NO_MEMORY);
    r->audit_noun = "media.sign";
    reply_json(r, 200, text_str(&t));
    return NEXT;
}

static enum verdict media_revoke(struct req *r)
{
    add_media_revoke(&r->change, &r->facts->id, r->now);
    reply_empty(r, 204);
    return NEXT;
}

static enum verdict media_revoked(struct req *r)
{
    if (!rows_next(&r->rows))
        return req_deny(r, ERR_CONFLICT);
    struct value *row = resource_row(&r->arena, r->resource, &r->rows);
    return row ? reply_row(r, 200, r->resource, row) : req_deny(r, ERR_NO_MEMORY);
}

/* ---- the table ---- */

static const struct field media_fields[] = {
    { "generation_id", UUID,  .refers = "generations", .needs = ACCESS_CREATE, .required = true, .fixed = true,
      .filter = true, .says = "What it belongs to; who cannot read that cannot read this." },
    { "project_id",    UUID,  .shown = true, .filter = true },
    { "root_id",       UUID,  .shown = true },
    { "kind",          TEXT,  .max = 100, .null = true, .says = "Such as image or preview." },
    { "name",          TEXT,  .max = 255, .null = true, .says = "For people; never part of a path." },
    { "content_type",  TEXT,  .shown = true, .null = true, .says = "Told by the bytes themselves." },
    { "size",          INT,   .shown = true, .null = true },
    { "sha256",        TEXT,  .shown = true, .null = true },
    { "status",        ONEOF, .oneof = "empty|ready", .shown = true },
    { "sign_version",  INT,   .shown = true, .says = "Signed URLs of a lower one are void." },
};

static const struct action media_actions[] = {
    { GET, "/api/v1/media",
      .permit = PERMIT_MEDIA_READ,   .rate = RATE_DEFAULT, .list = true, .plain = true,
      .run    = crud_list,           .then = crud_listed,
      .says   = "List the media that the caller may read." },
    { POST, "/api/v1/media",
      .permit = PERMIT_MEDIA_CREATE, .rate = RATE_DEFAULT,
      .steps  = create_steps,        .audit = "media.create", .status = 201,
      .says   = "Create a medium; its bytes follow by PUT." },
    { GET, "/api/v1/media/{id}",
      .permit = PERMIT_MEDIA_READ,   .access = ACCESS_READ, .open = true,
      .rate   = RATE_DEFAULT,        .cache = CACHE_API, .plain = true,
      .run    = crud_get,
      .says   = "Read what is known of one medium." },
    { PATCH, "/api/v1/media/{id}",
      .permit = PERMIT_MEDIA_UPDATE, .access = ACCESS_WRITE, .rate = RATE_DEFAULT, .cache = CACHE_API,
      .run    = crud_update,         .audit = "media.update",
      .says   = "Change its name, kind or metadata." },
    { DELETE, "/api/v1/media/{id}",
      .permit = PERMIT_MEDIA_DELETE, .access = ACCESS_DELETE, .rate = RATE_DEFAULT, .cache = CACHE_API,
      .run    = crud_delete,         .audit = "media.delete", .status = 204,
      .says   = "Delete a medium; its bytes are removed within hours." },
    { GET, "/api/v1/media/{id}/content",
      .permit = PERMIT_MEDIA_READ,   .access = ACCESS_READ, .open = true, .signable = true,
      .rate   = RATE_DEFAULT,        .cache = CACHE_API, .plain = true,
      .steps  = media_send,
      .says   = "Its bytes; all, or one range." },
    { PUT, "/api/v1/media/{id}/content",
      .permit = PERMIT_MEDIA_UPDATE, .access = ACCESS_WRITE, .signable = true,
      .rate   = RATE_DEFAULT,        .cache = CACHE_API, .plain = true, .no_body = true, .stream = true,
      .steps  = media_receive,       .audit = "media.fill",
      .says   = "Give it its bytes, or new ones; of any type, at most MEDIA_MAX_MEGABYTES." },
    { POST, "/api/v1/media/{id}/sign",
      .permit = PERMIT_MEDIA_READ,   .access = ACCESS_READ, .rate = RATE_DEFAULT, .cache = CACHE_API,
      .input  = sign_fields,         .ninput = COUNT(sign_fields), .secret = true,
      .run    = media_sign,          .audit = "media.sign",
      .says   = "A URL by which anybody may get or put the content until a time, as long as the signer may." },
    { POST, "/api/v1/media/{id}/revoke",
      .permit = PERMIT_MEDIA_UPDATE, .access = ACCESS_SHARE, .rate = RATE_DEFAULT, .cache = CACHE_API,
      .no_body = true, .in_read_only = true,
      .run    = media_revoke,        .made = media_revoked, .audit = "media.revoke",
      .says   = "Make every URL void that was signed for it." },
};

const struct resource media = {
    .noun = "media", .plural = "media",
    RESOURCE_FIELDS(media_fields), RESOURCE_ACTIONS(media_actions),
    .get = &stmt_media_get, .facts = &stmt_media_facts,
    .add = &stmt_media_add, .set = &stmt_media_set, .del = &stmt_media_del,
    .list = stmt_media_list, .sorts = stmt_media_list_sorts,
    .owned = true, .shared = true, .media = true, .adjust = media_adjust,
};
