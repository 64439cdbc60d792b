-- columns: api_key
--   id uuid, owner_id uuid, name text, public text, scopes json, expires_at time?, last_used_at time?, metadata json, version int, created_at time, updated_at time

-- name: api_key_get(id uuid) one api_key
select {api_key} from api_keys where id = :id;

-- name: api_key_list(viewer uuid, after_key any?, after_id uuid?, skip int, limit int) many api_key
-- sort: created_at time, name text
select {api_key} from api_keys where owner_id = :viewer and {after} order by {order} limit :limit offset :skip;

-- name: api_key_add(id uuid, owner_id uuid, name text, public text, hash bytes, scopes json, expires_at time?, metadata json, now time) change 1
insert into api_keys (id, owner_id, name, public, hash, scopes, expires_at, metadata, version, created_at, updated_at)
values (:id, :owner_id, :name, :public, :hash, :scopes, :expires_at, :metadata, 1, :now, :now);

-- name: api_key_set(id uuid, version int, public text, name text, scopes json, expires_at time?, metadata json, now time) change 1 else STALE
-- bumps: apikey :public, resource :id
update api_keys set name = :name, scopes = :scopes, expires_at = :expires_at, metadata = :metadata,
    version = version + 1, updated_at = :now
where id = :id and version = :version and public = :public;

-- name: api_key_del(id uuid, version int, public text) change 1 else STALE
-- bumps: apikey :public, resource :id
delete from api_keys where id = :id and version = :version and public = :public;

-- The old key of a rotation ends when the overlap does.
-- name: api_key_end(id uuid, version int, public text, expires_at time, now time) change 1 else STALE
-- bumps: apikey :public, resource :id
update api_keys set expires_at = :expires_at, version = version + 1, updated_at = :now
where id = :id and version = :version and public = :public;

-- name: api_key_used(id uuid, at time) change any
-- lane: auth
-- bumps: resource :id
update api_keys set last_used_at = :at where id = :id and (last_used_at is null or last_used_at < :at);

-- What the gates know of who asks with a key.
-- name: principal_by_apikey(public text) one (id uuid, user_id uuid, hash bytes, scopes json, expires_at time?, status text, role text, permissions json, token_version int, teams text?)
-- lane: auth
select k.id, k.owner_id as user_id, k.hash, k.scopes, k.expires_at, u.status, u.role, r.permissions, u.token_version,
    {user_teams} as teams
from api_keys k join users u on u.id = k.owner_id join roles r on r.name = u.role
where k.public = :public;
