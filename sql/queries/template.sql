-- columns: template
--   id uuid, owner_id uuid, name text, industry text?, body text?, rating real?, usage_count int, metadata json, version int, created_at time, updated_at time

-- name: template_get(id uuid) one template
select {template} from templates where id = :id;

-- name: template_list(industry text?, after_key any?, after_id uuid?, skip int, limit int) many template
-- sort: created_at time, name text
select {template} from templates
where (:industry is null or industry = :industry) and {after}
order by {order} limit :limit offset :skip;

-- name: template_add(id uuid, owner_id uuid, name text, industry text?, body text?, rating real?, metadata json, now time) change 1
insert into templates (id, owner_id, name, industry, body, rating, usage_count, metadata, version, created_at, updated_at)
values (:id, :owner_id, :name, :industry, :body, :rating, 0, :metadata, 1, :now, :now);

-- name: template_set(id uuid, version int, name text, industry text?, body text?, rating real?, metadata json, now time) change 1 else STALE
-- bumps: resource :id
update templates set name = :name, industry = :industry, body = :body, rating = :rating, metadata = :metadata,
    version = version + 1, updated_at = :now
where id = :id and version = :version;

-- name: template_del(id uuid, version int) change 1 else STALE
-- bumps: resource :id
delete from templates where id = :id and version = :version;
