-- columns: user
--   id uuid, email text, role text, status text, metadata json, version int, created_at time, updated_at time

-- A deleted user is gone for all but a list that asks for the deleted.
-- name: user_get(id uuid) one user
-- lane: admin
select {user} from users where id = :id and status <> 'deleted';

-- name: user_list(email text?, role text?, status text?, after_key any?, after_id uuid?, skip int, limit int) many user
-- lane: admin
-- sort: created_at time, email text
select {user} from users
where (:email is null or email = :email) and (:role is null or role = :role)
    and (status = :status or (:status is null and status <> 'deleted')) and {after}
order by {order} limit :limit offset :skip;

-- Whom a grant path of gate/ownership.c can lead to a row, but for what is open to all: its owner, its project's owner, its
-- collaborators, the members of its teams and of all teams of its owner, a team's own members, its ancestors' owners. They
-- are more than those who reach it.
-- name: user_near(id uuid, owner_id uuid, project_id uuid, project_owner uuid, after_key any?, after_id uuid?, limit int) many user
-- lane: admin
-- sort: created_at time, email text
select {user} from users
where status <> 'deleted' and {after} and id in (
    select id from users where id in (:owner_id, :project_owner)
    union select user_id from team_members where team_id = :id
    union select user_id from project_collaborators where project_id = :project_id
    union select m.user_id from project_teams p join team_members m on m.team_id = p.team_id where p.project_id = :project_id
    union select m.user_id from teams t join team_members m on m.team_id = t.id where t.owner_id = :project_owner
    union select a.owner_id from generation_ancestors x join generations a on a.id = x.ancestor_id where x.generation_id = :id
    union select g.owner_id from media d join generations g on g.id = d.generation_id where d.id = :id
    union select a.owner_id from media d join generation_ancestors x on x.generation_id = d.generation_id
        join generations a on a.id = x.ancestor_id where d.id = :id)
order by {order} limit :limit;

-- name: user_add(id uuid, email text, password_hash text, role text, status text, metadata json, now time) change 1
insert into users (id, email, password_hash, role, status, token_version, metadata, version, created_at, updated_at)
values (:id, :email, :password_hash, :role, :status, 1, :metadata, 1, :now, :now);

-- A new role or status ends the tokens given before: their ver is older.
-- name: user_set(id uuid, version int, email text, role text, status text, metadata json, now time) change 1 else STALE
-- lane: admin
-- bumps: user :id, resource :id
update users set email = :email, role = :role, status = :status, metadata = :metadata,
    token_version = token_version + case when role = :role and status = :status then 0 else 1 end,
    version = version + 1, updated_at = :now
where id = :id and version = :version;

-- Before a change of an admin, in its transaction: changes of two admins wait for each other, so that the second is
-- judged (user_admin_left) by what the first left.
-- name: user_admin_lock() change any
-- lane: admin
update roles set version = version where name = 'admin';

-- Behind user_admin_lock and a change of an admin: undoes it when no active admin is left.
-- name: user_admin_left() change 1 else LAST_ADMIN
-- lane: admin
update roles set version = version
where name = 'admin' and exists (select 1 from users where role = 'admin' and status = 'active');

-- name: user_admins() one (n int)
-- lane: admin
select count(*) as n from users where role = 'admin' and status = 'active';

-- name: user_set_password(id uuid, password_hash text, now time) change 1 else NOT_FOUND
-- lane: auth
-- bumps: user :id, resource :id
update users set password_hash = :password_hash, token_version = token_version + 1, version = version + 1, updated_at = :now
where id = :id and status <> 'deleted';

-- The same password under the cost of today. Undone by nothing: when the password has been changed meanwhile, that one stays.
-- name: user_rehash(id uuid, old_hash text, password_hash text) change any
-- lane: auth
update users set password_hash = :password_hash where id = :id and password_hash = :old_hash;

-- name: user_password(id uuid) one (email text, password_hash text)
-- lane: auth
select email, password_hash from users where id = :id;

-- What the gates know of a user who is not there himself: who signed a URL, or whom others ask about.
-- name: principal_by_user(id uuid) one (status text, role text, permissions json, token_version int, teams text?)
-- lane: auth
select u.status, u.role, r.permissions, u.token_version, {user_teams} as teams
from users u join roles r on r.name = u.role
where u.id = :id;

-- name: user_by_email(email text, address text, device int) one (id uuid, password_hash text, role text, status text, token_version int, known bool, devices int, device_known bool)
-- lane: auth
select id, password_hash, role, status, token_version,
    exists (select 1 from sign_ins where user_id = users.id and address = :address) as known,
    (select count(*) from devices where user_id = users.id) as devices,
    exists (select 1 from devices where user_id = users.id and device = :device) as device_known
from users where email = :email;
