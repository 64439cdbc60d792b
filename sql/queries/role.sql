-- columns: role
--   id uuid, name text, description text?, permissions json, metadata json, version int, created_at time, updated_at time

-- name: role_get(id uuid) one role
-- lane: admin
select {role} from roles where id = :id;

-- name: role_list(after_key any?, after_id uuid?, skip int, limit int) many role
-- lane: admin
-- sort: name text, created_at time
select {role} from roles where {after} order by {order} limit :limit offset :skip;

-- Two roles at most: the one that a user has and the one that it is to get.
-- name: role_pair(name text, other text) many (name text, permissions json)
-- lane: admin
select name, permissions from roles where name in (:name, :other);

-- name: role_add(id uuid, name text, description text?, permissions json, metadata json, now time) change 1
-- lane: admin
insert into roles (id, name, description, permissions, metadata, version, created_at, updated_at)
values (:id, :name, :description, :permissions, :metadata, 1, :now, :now);

-- name: role_set(id uuid, version int, description text?, permissions json, metadata json, now time) change 1 else STALE
-- lane: admin
-- bumps: roles, resource :id
update roles set description = :description, permissions = :permissions, metadata = :metadata,
    version = version + 1, updated_at = :now
where id = :id and version = :version;

-- A role that users still have is held by their foreign key.
-- name: role_del(id uuid, version int) change 1 else STALE
-- lane: admin
-- bumps: roles, resource :id
delete from roles where id = :id and version = :version;
