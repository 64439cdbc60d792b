-- Erasing what is personal of a user who has been deleted.

-- name: erasure_get(id uuid) one (id uuid, version int)
-- lane: admin
select id, version from users where id = :id and status = 'deleted';

-- name: erasure_user(id uuid, email text, now time) change 1 else NOT_FOUND
-- lane: admin
-- bumps: user :id, resource :id
update users set email = :email, password_hash = '', metadata = '{}', version = version + 1, updated_at = :now
where id = :id and status = 'deleted';

-- name: erasure_sessions(owner_id uuid) change any
-- lane: admin
update sessions set address = '', user_agent = '' where owner_id = :owner_id;

-- name: erasure_sign_ins(user_id uuid) change any
-- lane: admin
delete from sign_ins where user_id = :user_id;

-- name: erasure_devices(user_id uuid) change any
-- lane: admin
delete from devices where user_id = :user_id;

-- name: erasure_replies(principal_id uuid) change any
-- lane: admin
delete from idempotency where principal_id = :principal_id;
