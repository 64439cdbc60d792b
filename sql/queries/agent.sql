-- columns: agent
--   id uuid, owner_id uuid, name text, kind text?, startup_id uuid?, endpoint text?, config json, status text, metadata json, version int, created_at time, updated_at time

-- name: agent_get(id uuid) one agent
select {agent} from agents where id = :id;

-- name: agent_list(viewer uuid, kind text?, startup_id uuid?, status text?, after_key any?, after_id uuid?, skip int, limit int) many agent
-- sort: created_at time, updated_at time, name text
select {agent} from agents
where owner_id = :viewer and (:kind is null or kind = :kind) and (:startup_id is null or startup_id = :startup_id)
    and (:status is null or status = :status) and {after}
order by {order} limit :limit offset :skip;

-- name: agent_add(id uuid, owner_id uuid, name text, kind text?, startup_id uuid?, endpoint text?, config json, status text, metadata json, now time) change 1
insert into agents (id, owner_id, name, kind, startup_id, endpoint, config, status, metadata, version, created_at, updated_at)
values (:id, :owner_id, :name, :kind, :startup_id, :endpoint, :config, :status, :metadata, 1, :now, :now);

-- name: agent_set(id uuid, version int, name text, kind text?, startup_id uuid?, endpoint text?, config json, status text, metadata json, now time) change 1 else STALE
-- bumps: resource :id
update agents set name = :name, kind = :kind, startup_id = :startup_id, endpoint = :endpoint, config = :config,
    status = :status, metadata = :metadata, version = version + 1, updated_at = :now
where id = :id and version = :version;

-- name: agent_del(id uuid, version int) change 1 else STALE
-- bumps: resource :id
delete from agents where id = :id and version = :version;
