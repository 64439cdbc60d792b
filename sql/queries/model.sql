-- columns: model
--   id uuid, owner_id uuid, name text, provider text?, model_version text?, endpoint text?, status text, metadata json, version int, created_at time, updated_at time

-- name: model_get(id uuid) one model
select {model} from models where id = :id;

-- name: model_list(provider text?, status text?, after_key any?, after_id uuid?, skip int, limit int) many model
-- sort: created_at time, name text
select {model} from models
where (:provider is null or provider = :provider) and (:status is null or status = :status) and {after}
order by {order} limit :limit offset :skip;

-- name: model_add(id uuid, owner_id uuid, name text, provider text?, model_version text?, endpoint text?, status text, metadata json, now time) change 1
insert into models (id, owner_id, name, provider, model_version, endpoint, status, metadata, version, created_at, updated_at)
values (:id, :owner_id, :name, :provider, :model_version, :endpoint, :status, :metadata, 1, :now, :now);

-- name: model_set(id uuid, version int, name text, provider text?, model_version text?, endpoint text?, status text, metadata json, now time) change 1 else STALE
-- bumps: resource :id
update models set name = :name, provider = :provider, model_version = :model_version, endpoint = :endpoint,
    status = :status, metadata = :metadata, version = version + 1, updated_at = :now
where id = :id and version = :version;

-- name: model_del(id uuid, version int) change 1 else STALE
-- bumps: resource :id
delete from models where id = :id and version = :version;
