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
