-- columns: startup
--   id uuid, owner_id uuid, name text, industry text?, stage text?, status text, metadata json, version int, created_at time, updated_at time

-- name: startup_get(id uuid) one startup
select {startup} from startups where id = :id;

-- name: startup_list(viewer uuid, industry text?, stage text?, status text?, after_key any?, after_id uuid?, skip int, limit int) many startup
-- sort: created_at time, updated_at time, name text
select {startup} from startups
where owner_id = :viewer and (:industry is null or industry = :industry) and (:stage is null or stage = :stage)
    and (:status is null or status = :status) and {after}
order by {order} limit :limit offset :skip;

-- name: startup_add(id uuid, owner_id uuid, name text, industry text?, stage text?, status text, metadata json, now time) change 1
insert into startups (id, owner_id, name, industry, stage, status, metadata, version, created_at, updated_at)
values (:id, :owner_id, :name, :industry, :stage, :status, :metadata, 1, :now, :now);

-- name: startup_set(id uuid, version int, name text, industry text?, stage text?, status text, metadata json, now time) change 1 else STALE
-- bumps: resource :id
update startups set name = :name, industry = :industry, stage = :stage, status = :status, metadata = :metadata,
    version = version + 1, updated_at = :now
where id = :id and version = :version;

-- name: startup_del(id uuid, version int) change 1 else STALE
-- bumps: resource :id
delete from startups where id = :id and version = :version;
