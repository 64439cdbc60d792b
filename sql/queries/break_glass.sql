-- columns: break_glass
--   id uuid, user_id uuid, session_id uuid, reason text, until time, ended_at time?, version int, created_at time, updated_at time

-- name: break_glass_get(id uuid) one break_glass
-- lane: admin
select {break_glass} from break_glass where id = :id;

-- name: break_glass_list(after_key any?, after_id uuid?, skip int, limit int) many break_glass
-- lane: admin
-- sort: created_at time
select {break_glass} from break_glass where {after} order by {order} limit :limit offset :skip;

-- Before break_glass_add, in its transaction: one whose time has passed is no longer the session's.
-- name: break_glass_lapse(session_id uuid, now time) change any
-- lane: auth
update break_glass set ended_at = until, version = version + 1, updated_at = :now
where session_id = :session_id and ended_at is null and until <= :now;

-- A session has one at a time: EXISTS.
-- name: break_glass_add(id uuid, user_id uuid, session_id uuid, reason text, until time, now time) change 1
-- lane: auth
-- bumps: session :session_id
insert into break_glass (id, user_id, session_id, reason, until, version, created_at, updated_at)
values (:id, :user_id, :session_id, :reason, :until, 1, :now, :now);

-- name: break_glass_end(id uuid, session_id uuid, now time) change 1 else CONFLICT
-- lane: auth
-- bumps: session :session_id, resource :id
update break_glass set ended_at = :now, version = version + 1, updated_at = :now
where id = :id and session_id = :session_id and ended_at is null;
