-- columns: session
--   id uuid, owner_id uuid, address text, user_agent text, expires_at time, version int, created_at time, updated_at time

-- name: session_get(id uuid) one session
-- lane: auth
select {session} from sessions where id = :id and revoked_at is null;

-- name: session_list(viewer uuid, now time, after_key any?, after_id uuid?, skip int, limit int) many session
-- lane: auth
-- sort: created_at time
select {session} from sessions
where owner_id = :viewer and revoked_at is null and expires_at > :now and {after}
order by {order} limit :limit offset :skip;

-- name: session_add(id uuid, owner_id uuid, address text, user_agent text, expires_at time, now time) change 1
-- lane: auth
insert into sessions (id, owner_id, address, user_agent, expires_at, version, created_at, updated_at)
values (:id, :owner_id, :address, :user_agent, :expires_at, 1, :now, :now);

-- name: session_end(id uuid, now time) change any
-- lane: auth
-- bumps: session :id, resource :id
update sessions set revoked_at = :now, version = version + 1, updated_at = :now where id = :id and revoked_at is null;

-- name: session_end_all(owner_id uuid, now time) change any
-- lane: auth
-- bumps: user :owner_id
update sessions set revoked_at = :now, version = version + 1, updated_at = :now
where owner_id = :owner_id and revoked_at is null;

-- What the gates know of who asks with a session.
-- name: principal_by_session(id uuid) one (user_id uuid, status text, role text, permissions json, token_version int, expires_at time, revoked bool, break_glass uuid?, break_glass_until time?, teams text?, address text, user_agent text)
-- lane: auth
select s.owner_id as user_id, u.status, u.role, r.permissions, u.token_version, s.expires_at,
    s.revoked_at is not null as revoked, g.id as break_glass, g.until as break_glass_until,
    {user_teams} as teams, s.address, s.user_agent
from sessions s join users u on u.id = s.owner_id join roles r on r.name = u.role
    left join break_glass g on g.session_id = s.id and g.ended_at is null
where s.id = :id;

-- name: refresh_add(hash bytes, session_id uuid, expires_at time, now time) change 1
-- lane: auth
insert into refresh_tokens (hash, session_id, issued_at, expires_at) values (:hash, :session_id, :now, :expires_at);

-- name: refresh_find(hash bytes) one (session_id uuid, expires_at time, used_at time?, successor bytes?, user_id uuid, status text, role text, token_version int, session_expires time, revoked bool, address text, user_agent text)
-- lane: auth
select t.session_id, t.expires_at, t.used_at, t.successor, u.id as user_id, u.status, u.role, u.token_version,
    s.expires_at as session_expires, s.revoked_at is not null as revoked,
    s.address, s.user_agent
from refresh_tokens t join sessions s on s.id = t.session_id join users u on u.id = s.owner_id
where t.hash = :hash;

-- The one compare-and-set of a rotation: the first sets the successor, who comes at the same time is told it.
-- name: refresh_use(hash bytes, successor bytes, now time) change 1 (successor bytes?) else CONFLICT
-- lane: auth
update refresh_tokens set used_at = coalesce(used_at, :now),
    successor = case when used_at is null then :successor else successor end
where hash = :hash
returning successor;

-- The successor of a used token: only of the rotation that came first.
-- name: refresh_add_next(hash bytes, used_hash bytes, successor bytes, session_id uuid, expires_at time, now time) change any
-- lane: auth
insert into refresh_tokens (hash, session_id, issued_at, expires_at)
select :hash, :session_id, :now, :expires_at
where exists (select 1 from refresh_tokens where hash = :used_hash and successor = :successor);

-- A rotation makes the session live on, from now on where it came from. Undone when the session has been ended meanwhile.
-- name: session_extend(id uuid, address text, user_agent text, expires_at time, now time) change 1 else SESSION_ENDED
-- lane: auth
-- bumps: session :id, resource :id
update sessions set expires_at = :expires_at, address = :address, user_agent = :user_agent, version = version + 1,
    updated_at = :now
where id = :id and revoked_at is null;

-- name: signin_add(user_id uuid, address text, now time) change any
-- lane: auth
insert into sign_ins (user_id, address, last_at) values (:user_id, :address, :now)
on conflict (user_id, address) do update set last_at = excluded.last_at;

-- name: device_add(user_id uuid, device int, now time) change any
-- lane: auth
insert into devices (user_id, device, first_at, last_at) values (:user_id, :device, :now, :now)
on conflict (user_id, device) do update set last_at = excluded.last_at;

-- Only the newest are remembered.
-- name: device_forget(user_id uuid, keep int) change any
-- lane: auth
delete from devices where user_id = :user_id and device not in (
    select device from devices where user_id = :user_id order by last_at desc, device limit :keep);

-- Upkeep: as idempotency_purge.
-- name: refresh_forget_successors(before time, limit int) change any
-- lane: batch
update refresh_tokens set successor = null
where successor is not null and used_at > 0 and used_at <= (
    select max(used_at) from (
        select used_at from refresh_tokens where successor is not null and used_at < :before
        order by used_at limit :limit) as oldest);

-- name: session_purge(before time, limit int) change any
-- lane: batch
delete from sessions where expires_at > 0 and expires_at <= (
    select max(expires_at) from (
        select expires_at from sessions where expires_at < :before order by expires_at limit :limit) as oldest);
